package checks

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/internal/testpki"
	"github.com/wiretight/wiretight/scan"
)

// shown is a fixture with a certificate.
func shown(t testing.TB, cert tls.Certificate, more ...func(*tls.Config)) *fixture {
	t.Helper()
	return serve(t, server{Name: "api.test", Handler: http.HandlerFunc(list), TLS: func(c *tls.Config) {
		c.Certificates = []tls.Certificate{cert}
		for _, m := range more {
			m(c)
		}
	}})
}

// signedBy issues a certificate for api.test with key, by parent's. A nil parent:
// by itself.
func signedBy(t testing.TB, parent *pki, key crypto.Signer, mutate ...func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := testpki.Server("api.test")
	template.KeyUsage |= x509.KeyUsageKeyEncipherment
	var by *testpki.Identity
	if parent != nil {
		by = parent.ca
	}
	return issued(t, template, key, by, mutate)
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ends(after time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotAfter = time.Now().Add(after) }
}

func TestTLSCertificate(t *testing.T) {
	t.Parallel()
	good := testPKI(t)
	day := 24 * time.Hour
	began := time.Now()
	tests := []struct {
		name  string
		check scan.Check
		cert  tls.Certificate
		want  string // in the evidence; "pass" or "skip" otherwise
	}{
		{"self-signed", tlsCertUntrusted, signedBy(t, nil, rsaKey(t, 2048)), "self-signed"},
		{"trusted", tlsCertUntrusted, good.leaf(t, "api.test"), "pass"},
		{"expired is not untrusted", tlsCertUntrusted, good.leaf(t, "api.test", ends(-30*time.Minute)), "pass"},
		{"expired", tlsCertExpired, good.leaf(t, "api.test", ends(-30*time.Minute)), "expired"},
		{"not yet valid", tlsCertExpired, good.leaf(t, "api.test", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(day) }), "not yet valid"},
		{"clock a little off", tlsCertExpired, good.leaf(t, "api.test", ends(-time.Minute)), "pass"},
		{"valid", tlsCertExpired, good.leaf(t, "api.test"), "pass"},
		{"ten days left", tlsCertExpiring, good.leaf(t, "api.test", ends(10*day), func(c *x509.Certificate) { c.NotBefore = time.Now().AddDate(0, -6, 0) }), "expiring"},
		{"ten days left of twelve", tlsCertExpiring, good.leaf(t, "api.test", ends(10*day), func(c *x509.Certificate) { c.NotBefore = time.Now().Add(-2 * day) }), "pass"},
		{"expired is not expiring", tlsCertExpiring, good.leaf(t, "api.test", ends(-30*time.Minute)), "pass"},
		{"another name", tlsCertNameMismatch, good.leaf(t, "www.test"), `"www.test"`},
		{"no name but CN", tlsCertNameMismatch, good.leaf(t, "api.test", func(c *x509.Certificate) { c.DNSNames = nil }), "no name at all"},
		{"wild name", tlsCertNameMismatch, good.leaf(t, "*.test"), "pass"},
		{"its name", tlsCertNameMismatch, good.leaf(t, "api.test"), "pass"},
		{"RSA 1024", tlsCertWeakKey, signedBy(t, good, rsaKey(t, 1024)), "RSA of 1024 bits"},
		{"RSA 2048", tlsCertWeakKey, signedBy(t, good, rsaKey(t, 2048)), "pass"},
		{"SHA-1", tlsCertWeakSignature, signedBy(t, nil, rsaKey(t, 2048), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }), "SHA1"},
		{"SHA-1 by a CA", tlsCertWeakSignature, signedBy(t, good, rsaKey(t, 2048), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }), "SHA1"},
		{"SHA-1 by a CA is not untrusted besides", tlsCertUntrusted, signedBy(t, good, rsaKey(t, 2048), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }), "skip"},
		{"SHA-256", tlsCertWeakSignature, good.leaf(t, "api.test"), "pass"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := shown(t, tt.cert)
			f.Config.Now = func() time.Time { return began } // a slow machine makes nothing expire
			switch tt.want {
			case "pass":
				mustPass(t, f, tt.check)
			case "skip":
				mustSkip(t, f, tt.check)
			default:
				mustFind(t, f, tt.check, tt.want, "certificate 0", "openssl s_client")
			}
		})
	}
}

// The root that the user brings is trusted, and without it the hint says so.
func TestTLSPrivateAuthority(t *testing.T) {
	t.Parallel()
	f := serve(t, server{Name: "api.test", Handler: http.HandlerFunc(list)})
	f.Config.CA = x509.NewCertPool()
	mustFind(t, f, tlsCertUntrusted, "missing intermediate", "--ca FILE")
}

func TestTLSVersions(t *testing.T) {
	t.Parallel()
	spoken := func(low, high uint16, suites ...uint16) *fixture {
		cert := signedBy(t, testPKI(t), rsaKey(t, 2048))
		return shown(t, cert, func(c *tls.Config) { c.MinVersion, c.MaxVersion, c.CipherSuites = low, high, suites })
	}
	e := mustFind(t, spoken(tls.VersionTLS10, tls.VersionTLS13), tlsLegacyProtocol, "TLS 1.0", "TLS 1.1", "openssl")
	if e[0].Severity != catalog.Medium {
		t.Errorf("TLS 1.0: got severity %q, want medium", e[0].Severity)
	}
	old := serve(t, server{Name: "api.test", Handler: http.HandlerFunc(list), Hello: answerHello(func(h clientHello) []byte {
		if h.version != 0x0300 {
			return nil
		}
		return serverHello(0x0300, 0x002F, true)
	})})
	e = mustFind(t, old, tlsLegacyProtocol, "SSL 3")
	if e[0].Severity != catalog.High {
		t.Errorf("SSL 3: got severity %q, want high", e[0].Severity)
	}
	modern := spoken(tls.VersionTLS12, tls.VersionTLS13, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)
	mustPass(t, modern, tlsLegacyProtocol)
	mustPass(t, modern, tlsNoTLS13)
	mustPass(t, modern, tlsWeakCipher)
	mustPass(t, modern, tlsNoForwardSecrecy)
	mustPass(t, modern, tlsDowngradeUnprotected)
	mustPass(t, modern, tlsInsecureRenegotiation)
	mustPass(t, modern, tlsEarlyData)

	twelve := spoken(tls.VersionTLS12, tls.VersionTLS12)
	mustFind(t, twelve, tlsNoTLS13, "TLS 1.3: refused", "TLS 1.2")
	mustSkip(t, twelve, tlsDowngradeUnprotected)
	mustSkip(t, twelve, tlsEarlyData)
	mustSkip(t, spoken(tls.VersionTLS13, tls.VersionTLS13), tlsInsecureRenegotiation)

	mustFind(t, spoken(tls.VersionTLS12, tls.VersionTLS13, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256), tlsWeakCipher, "3DES")
	mustFind(t, spoken(tls.VersionTLS12, tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA), tlsWeakCipher, "RC4")
	mustFind(t, spoken(tls.VersionTLS12, tls.VersionTLS13, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256), tlsNoForwardSecrecy, "forward secrecy", "TLS_RSA_WITH_AES_128_GCM_SHA256")
}

// A server that overlooks TLS_FALLBACK_SCSV, and one that lacks
// renegotiation_info.
func TestTLSHellos(t *testing.T) {
	t.Parallel()
	older := func(c *tls.Config) { c.MinVersion = tls.VersionTLS10 }
	peer := func(choose func(clientHello) []byte) *fixture {
		return serve(t, server{Name: "api.test", Handler: http.HandlerFunc(list), TLS: older, Hello: answerHello(choose)})
	}
	careless := peer(func(h clientHello) []byte {
		if h.has(0x5600) {
			return serverHello(h.version, 0xC009, true)
		}
		return nil
	})
	mustFind(t, careless, tlsDowngradeUnprotected, "TLS_FALLBACK_SCSV: accepted")
	mustPass(t, peer(func(clientHello) []byte { return nil }), tlsDowngradeUnprotected)

	naked := peer(func(h clientHello) []byte {
		if h.modern || h.has(0x5600) || !h.has(0xC02B) {
			return nil
		}
		return serverHello(h.version, 0xC02B, false)
	})
	mustFind(t, naked, tlsInsecureRenegotiation, "renegotiation_info")
	e := mustFind(t, naked, tlsDowngradeUnprotected, "mark of TLS 1.3: accepted")
	if e[0].Severity != catalog.Low {
		t.Errorf("no mark: got severity %q, want low", e[0].Severity)
	}
}

func TestTLSDying(t *testing.T) {
	t.Parallel()
	for _, c := range tlsChecks() {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			mustBeUnsure(t, serve(t, server{Name: "api.test", Handler: http.HandlerFunc(list)}), c)
			mustSkip(t, serve(t, server{Insecure: true, Handler: http.HandlerFunc(list)}), c)
		})
	}
}

// All checks of TLS share one survey.
func TestTLSRequests(t *testing.T) {
	t.Parallel()
	f := serve(t, server{Name: "api.test", Handler: http.HandlerFunc(list)})
	_, one := lookAt(t, f, tlsNoTLS13, nil)
	r, err := scan.Run(t.Context(), f.Config, tlsChecks())
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != one.Requests {
		t.Errorf("got %d requests for all checks, want the %d of one", r.Requests, one.Requests)
	}
	if len(r.Passed)+len(r.Skipped) != len(tlsChecks()) {
		t.Errorf("got %+v, want every check passed or skipped", r)
	}
	t.Logf("%d requests and connections in %d ms", r.Requests, r.DurationMS)
}

func TestTLSEarlyData(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	tests := []struct {
		name     string
		location string
		token    bool
		want     string
	}{
		{"taken with a genuine token", "if ($http_authorization != 'Bearer " + token + "') { return 401 '{}'; } return 200 '{\"items\":[1]}';", true, "-> 200"},
		{"taken with a made-up token", "return 401 '{}';", false, "-> 401"},
		{"too early", "if ($ssl_early_data) { return 425 '{}'; } return 401 '{}';", false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dial := nginx(t, tt.location)
			s := server{Hello: func(c net.Conn, _ []byte) bool { tunnel(t, c, dial); return true }}
			if tt.token {
				s.Token = token
			}
			f := serve(t, s)
			f.Config.Protected = []string{"/items"}
			if tt.want == "" {
				mustPass(t, f, tlsEarlyData)
				return
			}
			e := mustFind(t, f, tlsEarlyData, tt.want, "before the end of the handshake", "-early_data")
			if (e[0].Confidence == "") != tt.token {
				t.Errorf("got confidence %q, want high for a genuine token only", e[0].Confidence)
			}
		})
	}
}

// nginx takes early data on a socket in the file system.
func nginx(t testing.TB, location string) func() (net.Conn, error) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx"
		if _, err := os.Stat(path); err != nil {
			t.Fatal("nginx is missing: apt-get install nginx")
		}
	}
	dir, err := os.MkdirTemp("", "nginx") // short: socket paths are limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	leaf := testPKI(t).leaf(t, "127.0.0.1")
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	for name, data := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"nginx.conf": fmt.Appendf(nil, `daemon off; master_process off; worker_processes 1; pid %[1]s/pid; error_log stderr;
events { worker_connections 64; }
http {
  access_log off; default_type application/json; server_tokens off;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/c;
  server {
    listen unix:%[2]s ssl; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_early_data on; add_header Strict-Transport-Security max-age=31536000 always;
    location / { return 404 '{}'; }
    location /items { %[3]s }
  }
}`, dir, socket, location),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path, "-c", filepath.Join(dir, "nginx.conf"), "-p", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	dial := func() (net.Conn, error) { return net.Dial("unix", socket) }
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := dial()
		if err == nil {
			c.Close()
			return dial
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not accept: %v", err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// tunnel joins c to a connection of dial until one end hangs up.
func tunnel(t testing.TB, c net.Conn, dial func() (net.Conn, error)) {
	up, err := dial()
	if err != nil {
		t.Errorf("dial nginx: %v", err)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	stop := context.AfterFunc(ctx, func() { up.Close(); c.Close() })
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(up, c)
		up.Close()
	}()
	_, _ = io.Copy(c, up)
	c.Close()
	<-done
	stop()
	cancel()
}

// clientHello is what a scripted peer looks at.
type clientHello struct {
	version uint16
	suites  []uint16
	modern  bool // offers TLS 1.3
}

func (h clientHello) has(suite uint16) bool {
	for _, s := range h.suites {
		if s == suite {
			return true
		}
	}
	return false
}

// answerHello answers hellos up to TLS 1.2 by what choose returns. Nil: by
// crypto/tls.
func answerHello(choose func(clientHello) []byte) func(net.Conn, []byte) bool {
	return func(c net.Conn, record []byte) bool {
		if len(record) < 46 || record[0] != 0x16 {
			return false
		}
		h := clientHello{version: binary.BigEndian.Uint16(record[9:])}
		rest := record[44+int(record[43]):]
		n := int(binary.BigEndian.Uint16(rest))
		for i := 2; i < 2+n; i += 2 {
			h.suites = append(h.suites, binary.BigEndian.Uint16(rest[i:]))
		}
		h.modern = h.has(0x1301)
		out := choose(h)
		if out == nil {
			return false
		}
		_, _ = c.Write(out)
		return true
	}
}

// serverHello is the record of a hello with or without renegotiation_info.
func serverHello(version, suite uint16, renegotiation bool) []byte {
	body := binary.BigEndian.AppendUint16(nil, version)
	body = append(body, strings.Repeat("r", 32)...)
	body = append(body, 0)
	body = append(binary.BigEndian.AppendUint16(body, suite), 0)
	if renegotiation {
		body = append(body, 0, 5, 0xFF, 0x01, 0, 1, 0)
	}
	message := append([]byte{2, 0, 0, byte(len(body))}, body...)
	record := binary.BigEndian.AppendUint16([]byte{0x16}, version)
	return append(binary.BigEndian.AppendUint16(record, uint16(len(message))), message...)
}
