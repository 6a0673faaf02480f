package serve_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/serve"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	files := []serve.CertFile{ca.files(t, spec{names: []string{"a.test"}})}
	for _, tc := range []struct {
		min     string
		version uint16
		ok      bool
	}{
		{"", tls.VersionTLS10, false},
		{"", tls.VersionTLS11, false},
		{"", tls.VersionTLS12, true},
		{"", tls.VersionTLS13, true},
		{"1.2", tls.VersionTLS11, false},
		{"1.2", tls.VersionTLS12, true},
		{"1.3", tls.VersionTLS12, false},
		{"1.3", tls.VersionTLS13, true},
	} {
		t.Run(fmt.Sprintf("min %q offers %s", tc.min, tls.VersionName(tc.version)), func(t *testing.T) {
			t.Parallel()
			s := start(t, secure(certificates(t, serve.TLS{Certificates: files, MinVersion: tc.min}), text("hello")))
			state, body, err := ask(s.Addr("tls").String(), &tls.Config{
				RootCAs: ca.pool(), ServerName: "a.test", MinVersion: tc.version, MaxVersion: tc.version,
			})
			if (err == nil) != tc.ok {
				t.Fatalf("got error %v, want accepted %v", err, tc.ok)
			}
			if tc.ok && (state.Version != tc.version || body != "hello") {
				t.Errorf("got %s and %q, want %s and hello", tls.VersionName(state.Version), body, tls.VersionName(tc.version))
			}
		})
	}
}

// bothKeys is a server with an RSA and an ECDSA certificate for a.test, so that
// no suite is refused for want of a key.
func bothKeys(t *testing.T) (testCA, string) {
	t.Helper()
	ca := newCA(t, "ca")
	c := certificates(t, serve.TLS{Certificates: []serve.CertFile{
		ca.files(t, spec{names: []string{"a.test"}}),
		ca.files(t, spec{names: []string{"a.test"}, rsaBits: 2048}),
	}})
	return ca, start(t, secure(c, text("hello"))).Addr("tls").String()
}

func TestSuites(t *testing.T) {
	t.Parallel()
	ca, addr := bothKeys(t)
	want := map[string]bool{
		"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256":       true,
		"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384":       true,
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": true,
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256":         true,
		"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384":         true,
		"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256":   true,
	}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		_, _, err := ask(addr, &tls.Config{
			RootCAs: ca.pool(), ServerName: "a.test", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID},
		})
		if (err == nil) != want[suite.Name] {
			t.Errorf("%s: got error %v, want accepted %v", suite.Name, err, want[suite.Name])
		}
	}
}

// openssl runs s_client and returns all it says.
func openssl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if len(out) == 0 && err != nil {
		t.Fatalf("run openssl (Debian package openssl): %v", err)
	}
	return string(out)
}

// TestForeignSuites tries what Go's own client cannot speak: DHE, CCM, ARIA,
// CAMELLIA, PSK, NULL, anonymous.
func TestForeignSuites(t *testing.T) {
	t.Parallel()
	_, addr := bothKeys(t)
	list := strings.TrimSpace(openssl(t, "", "ciphers", "-s", "-tls1_2", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"))
	want := []string{
		"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
		"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305",
	}
	// Whatever the server chooses is struck off the offer, until it finds none.
	var got []string
	offer := strings.Split(list, ":")
	if len(offer) < 80 {
		t.Errorf("got only %d suites of openssl to offer, want 80 or more", len(offer))
	}
	for len(got) <= len(want) {
		out := openssl(t, "", "s_client", "-connect", addr, "-servername", "a.test", "-tls1_2", "-cipher", strings.Join(offer, ":")+":@SECLEVEL=0")
		_, rest, _ := strings.Cut(out, "Cipher is ")
		chosen, _, _ := strings.Cut(rest, "\n")
		if !slices.Contains(offer, chosen) {
			break
		}
		got = append(got, chosen)
		offer = slices.DeleteFunc(offer, func(s string) bool { return s == chosen })
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got suites %v, want %v", got, want)
	}
}

func TestCurves(t *testing.T) {
	t.Parallel()
	ca, addr := bothKeys(t)
	for _, tc := range []struct {
		curve tls.CurveID
		ok    bool
	}{
		{tls.X25519MLKEM768, true}, {tls.X25519, true}, {tls.CurveP256, true}, {tls.CurveP384, true}, {tls.CurveP521, false},
	} {
		state, _, err := ask(addr, &tls.Config{
			RootCAs: ca.pool(), ServerName: "a.test", MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tc.curve},
		})
		if (err == nil) != tc.ok {
			t.Errorf("%v: got error %v, want accepted %v", tc.curve, err, tc.ok)
		}
		if tc.ok && err == nil && state.CurveID != tc.curve {
			t.Errorf("got curve %v, want %v", state.CurveID, tc.curve)
		}
	}
}

func TestNoRenegotiation(t *testing.T) {
	t.Parallel()
	_, addr := bothKeys(t)
	out := openssl(t, "R\n", "s_client", "-connect", addr, "-servername", "a.test", "-tls1_2")
	if !strings.Contains(out, "RENEGOTIATING") || !strings.Contains(out, "SSL alert number") {
		t.Errorf("got %q, want the request for renegotiation refused", out)
	}
}

func TestNoEarlyData(t *testing.T) {
	t.Parallel()
	_, addr := bothKeys(t)
	out := openssl(t, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
		"s_client", "-connect", addr, "-servername", "a.test", "-tls1_3", "-ign_eof")
	if !strings.Contains(out, "Post-Handshake New Session Ticket arrived") {
		t.Fatalf("got no session ticket: %q", out)
	}
	if n := strings.Count(out, "Max Early Data:"); n == 0 || n != strings.Count(out, "Max Early Data: 0\n") {
		t.Errorf("got a ticket that allows early data: %q", out)
	}
}

func TestALPN(t *testing.T) {
	t.Parallel()
	ca, addr := bothKeys(t)
	for _, tc := range []struct {
		name  string
		offer []string
		want  string
		ok    bool
	}{
		{"none", nil, "", true},
		{"h2 and http/1.1", []string{"http/1.1", "h2"}, "h2", true},
		{"http/1.1", []string{"http/1.1"}, "http/1.1", true},
		{"unknown", []string{"spdy/3"}, "", false},
		{"a challenge without acme", []string{"acme-tls/1"}, "", false},
	} {
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{RootCAs: ca.pool(), ServerName: "a.test", NextProtos: tc.offer}}
		c, err := d.Dial("tcp", addr)
		if (err == nil) != tc.ok {
			t.Errorf("%s: got error %v, want accepted %v", tc.name, err, tc.ok)
		}
		if err != nil {
			continue
		}
		if got := c.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
		_ = c.Close()
	}
}

func TestChoiceBySNI(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	c := certificates(t, serve.TLS{Certificates: []serve.CertFile{
		ca.files(t, spec{commonID: "first", names: []string{"a.test"}}),
		ca.files(t, spec{commonID: "wild", names: []string{"*.b.test"}}),
		ca.files(t, spec{commonID: "exact", names: []string{"x.b.test", "Mixed.Test"}}),
		ca.files(t, spec{commonID: "address", names: []string{"127.0.0.1"}}),
	}})
	addr := start(t, secure(c, text(""))).Addr("tls").String()
	for _, tc := range []struct{ sni, want string }{
		{"a.test", "first"},
		{"A.TEST", "first"},
		{"x.b.test", "exact"},
		{"X.b.TesT", "exact"},
		{"mixed.test", "exact"},
		{"y.b.test", "wild"},
		{"Y.B.TEST", "wild"},
		{"y.y.b.test", "first"},
		{"b.test", "first"},
		{"strange.test", "first"},
		{"", "address"},
	} {
		state, _, err := ask(addr, &tls.Config{InsecureSkipVerify: true, ServerName: tc.sni})
		if err != nil {
			t.Errorf("%q: %v", tc.sni, err)
			continue
		}
		if got := state.PeerCertificates[0].Subject.CommonName; got != tc.want {
			t.Errorf("%q: got certificate %q, want %q", tc.sni, got, tc.want)
		}
	}
	// RFC 6066 §3 forbids the final dot.
	if out := openssl(t, "", "s_client", "-connect", addr, "-servername", "x.b.test."); !strings.Contains(out, "no peer certificate available") {
		t.Errorf("got a handshake for a name with a final dot: %s", out)
	}
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ca, clients, strangers := newCA(t, "ca"), newCA(t, "clients"), newCA(t, "strangers")
	good := clients.issue(t, spec{commonID: "good"})
	shown := map[string]*tls.Certificate{"none": nil, "good": &good}
	for name, c := range map[string]tls.Certificate{
		"wrong CA":       strangers.issue(t, spec{commonID: "bad"}),
		"expired":        clients.issue(t, spec{commonID: "bad", from: time.Now().Add(-48 * time.Hour), until: time.Now().Add(-time.Hour)}),
		"not yet valid":  clients.issue(t, spec{commonID: "bad", from: time.Now().Add(time.Hour)}),
		"for servers":    clients.issue(t, spec{commonID: "bad", usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}),
		"self-signed":    selfSigned(t),
		"someone's leaf": {Certificate: good.Certificate, PrivateKey: newKey(t, 0)},
	} {
		shown[name] = &c
	}
	for _, mode := range []struct {
		name     string
		ca       string
		required bool
		ok       []string // the certificates that get in
	}{
		{"not asked", "", false, []string{"none", "good", "wrong CA", "expired", "not yet valid", "for servers", "self-signed", "someone's leaf"}},
		{"optional", clients.file(t), false, []string{"none", "good"}},
		{"required", clients.file(t), true, []string{"good"}},
	} {
		c := certificates(t, serve.TLS{
			Certificates: []serve.CertFile{ca.files(t, spec{names: []string{"a.test"}})},
			ClientCA:     mode.ca, RequireClientCert: mode.required,
		})
		addr := start(t, secure(c, text("hello"))).Addr("tls").String()
		for name, cert := range shown {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				t.Run(mode.name+"/"+name+"/"+tls.VersionName(version), func(t *testing.T) {
					config := &tls.Config{RootCAs: ca.pool(), ServerName: "a.test", MinVersion: version, MaxVersion: version}
					if cert != nil {
						config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
					}
					_, body, err := ask(addr, config)
					if want := slices.Contains(mode.ok, name); (err == nil && body == "hello") != want {
						t.Errorf("got %q and error %v, want accepted %v", body, err, want)
					}
				})
			}
		}
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key := newKey(t, 0)
	leaf := sign(t, spec{commonID: "self", key: key}, nil, key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}
