package serve_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/serve"
)

func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	good := ca.files(t, spec{names: []string{"a.test"}})
	other := ca.files(t, spec{names: []string{"b.test"}})
	dir := t.TempDir()
	file := func(name string, blocks ...[]byte) string {
		path := filepath.Join(dir, name)
		var all []byte
		for _, b := range blocks {
			all = append(all, b...)
		}
		write(t, path, all)
		return path
	}
	leaf := ca.issue(t, spec{names: []string{"c.test"}})
	leafPEM, caPEM := pemCert(leaf.Certificate[0]), pemCert(ca.cert.Raw)
	strangerPEM := pemCert(newCA(t, "stranger").cert.Raw)
	leafKey := file("leaf-key.pem", pemKey(t, leaf.PrivateKey.(*keyOf)))
	weak := ca.files(t, spec{names: []string{"weak.test"}, rsaBits: 1024})

	for _, tc := range []struct {
		name string
		conf serve.TLS
		want []string // all must be in the error
	}{
		{"nothing", serve.TLS{}, []string{"0 sources", "exactly one"}},
		{"two sources", serve.TLS{Certificates: []serve.CertFile{good}, Dev: &serve.Dev{Dir: dir}}, []string{"2 sources"}},
		{"missing files", files(dir+"/none.pem", dir+"/none-key.pem"), []string{"none.pem", "none-key.pem", "no such file"}},
		{"a directory", files(dir, good.Key), []string{dir, "is a directory"}},
		{"key of another", files(good.Cert, other.Key), []string{good.Cert, other.Key, "does not belong"}},
		{"mixed up", files(good.Key, good.Cert), []string{"no certificate; are certificate and key file mixed up", "no key; are certificate"}},
		{"empty", files(file("empty.pem"), good.Key), []string{"empty.pem", "no PEM block"}},
		{"garbage", files(file("garbage.pem", []byte("garbage")), good.Key), []string{"garbage.pem", "no PEM block"}},
		{"garbage in PEM", files(file("der.pem", pemCert([]byte("garbage"))), good.Key), []string{"certificate 1", "der.pem"}},
		{"garbage key", files(good.Cert, file("k.pem", block("PRIVATE KEY", nil, "garbage"))), []string{"k.pem", "PKCS #8"}},
		{"encrypted key", files(good.Cert, file("e.pem", block("ENCRYPTED PRIVATE KEY", nil, "x"))), []string{"e.pem", "is encrypted", "openssl pkey"}},
		{"encrypted key of old", files(good.Cert, file("o.pem", block("RSA PRIVATE KEY", map[string]string{"DEK-Info": "AES-128-CBC,00"}, "x"))), []string{"o.pem", "is encrypted"}},
		{"issuer first", files(file("rev.pem", caPEM, leafPEM), leafKey), []string{"rev.pem", "wrong order", "certificate 2"}},
		{"a stranger in the chain", files(file("odd.pem", leafPEM, strangerPEM), leafKey), []string{"odd.pem", "not the issuer"}},
		{"weak key", serve.TLS{Certificates: []serve.CertFile{weak}}, []string{weak.Key, "1024 bits", "2048"}},
		{"huge", files(file("huge.pem", make([]byte, 1<<20+1)), good.Key), []string{"huge.pem", "1 MiB"}},
		{"all at once", serve.TLS{Certificates: []serve.CertFile{{dir + "/x1", good.Key}, {good.Cert, dir + "/x2"}}, ClientCA: dir + "/x3"}, []string{"x1", "x2", "x3"}},
		{"old version", serve.TLS{Certificates: []serve.CertFile{good}, MinVersion: "1.1"}, []string{`"1.1"`, `"1.2" or "1.3"`}},
		{"required of nobody", serve.TLS{Certificates: []serve.CertFile{good}, RequireClientCert: true}, []string{"client_ca"}},
		{"missing client CA", serve.TLS{Certificates: []serve.CertFile{good}, ClientCA: dir + "/nobody.pem"}, []string{"client_ca", "nobody.pem"}},
		{"empty client CA", serve.TLS{Certificates: []serve.CertFile{good}, ClientCA: file("void.pem")}, []string{"client_ca", "void.pem"}},
		{"client CA is a leaf", serve.TLS{Certificates: []serve.CertFile{good}, ClientCA: good.Cert}, []string{"client_ca", good.Cert, "not a CA"}},
		{"acme of nothing", serve.TLS{ACME: &serve.ACME{}}, []string{"storage", "hosts"}},
		{"acme in clear", serve.TLS{ACME: &serve.ACME{Storage: dir, Hosts: []string{"a.test"}, Directory: "http://a.test/"}}, []string{"http://a.test/", "https"}},
		{"acme hosts", serve.TLS{ACME: &serve.ACME{Storage: dir, Hosts: []string{"*.a.test", "10.0.0.1", "a b"}}}, []string{"*.a.test", "10.0.0.1", "a b"}},
		{"dev of nowhere", serve.TLS{Dev: &serve.Dev{Hosts: []string{"ä.test"}}}, []string{"directory", "ä.test"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, err := serve.NewCertificates(t.Context(), tc.conf, nil)
			if err == nil {
				c.Close()
				t.Fatal("got no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
		})
	}
}

func files(cert, key string) serve.TLS {
	return serve.TLS{Certificates: []serve.CertFile{{Cert: cert, Key: key}}}
}

func block(kind string, headers map[string]string, body string) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: []byte(body)})
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	day := 24 * time.Hour
	for _, tc := range []struct {
		name string
		s    spec
		mode os.FileMode
		want string // empty: no warning
	}{
		{"fine", spec{names: []string{"a.test"}}, 0o600, ""},
		{"expired", spec{names: []string{"a.test"}, from: time.Now().Add(-9 * day), until: time.Now().Add(-day)}, 0o600, "has expired"},
		{"soon", spec{names: []string{"a.test"}, from: time.Now().Add(-60 * day), until: time.Now().Add(day)}, 0o600, "within a week"},
		{"short-lived by design", spec{names: []string{"a.test"}, until: time.Now().Add(6 * day)}, 0o600, ""},
		{"not yet", spec{names: []string{"a.test"}, from: time.Now().Add(day)}, 0o600, "not valid yet"},
		{"nameless", spec{}, 0o600, "no DNS name"},
		{"for clients", spec{names: []string{"a.test"}, usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, 0o600, "not meant for servers"},
		{"open key", spec{names: []string{"a.test"}}, 0o644, "can be read by every user"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := ca.files(t, tc.s)
			if err := os.Chmod(f.Key, tc.mode); err != nil {
				t.Fatal(err)
			}
			var log records
			c, err := serve.NewCertificates(t.Context(), serve.TLS{Certificates: []serve.CertFile{f}}, log.logger())
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			got := log.String()
			if tc.want == "" && got != "" {
				t.Errorf("got %q, want no record", got)
			}
			if tc.want != "" && count(got, tc.want) != 1 {
				t.Errorf("got %q, want one record with %q", got, tc.want)
			}
		})
	}
}

func TestHostsAndNotAfter(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	early, late := time.Now().Add(50*time.Hour).Truncate(time.Second).UTC(), time.Now().Add(99*time.Hour).Truncate(time.Second).UTC()
	c := certificates(t, serve.TLS{Certificates: []serve.CertFile{
		ca.files(t, spec{names: []string{"B.test", "*.w.test", "127.0.0.1"}, until: late}),
		ca.files(t, spec{names: []string{"a.test", "b.test"}, until: early}),
	}})
	if diff := cmp.Diff([]string{"127.0.0.1", "a.test", "b.test"}, c.Hosts()); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	want := map[string]time.Time{"127.0.0.1": late, "*.w.test": late, "a.test": early, "b.test": early}
	if diff := cmp.Diff(want, c.NotAfter()); diff != "" {
		t.Errorf("not after (-want +got):\n%s", diff)
	}
}

func TestReloadOfBadKeepsOld(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	f := ca.files(t, spec{commonID: "old", names: []string{"a.test"}})
	conf := serve.TLS{Certificates: []serve.CertFile{f}}
	c := certificates(t, conf)
	addr := start(t, secure(c, text("hello"))).Addr("tls").String()
	config := &tls.Config{RootCAs: ca.pool(), ServerName: "a.test"}
	shown := func() string {
		t.Helper()
		state, _, err := ask(addr, config)
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].Subject.CommonName
	}

	write(t, f.Cert, []byte("half a certif"))
	if err := c.Reload(conf); err == nil || !strings.Contains(err.Error(), f.Cert) {
		t.Errorf("got error %v, want one that names %s", err, f.Cert)
	}
	if got := shown(); got != "old" {
		t.Errorf("got %q after a bad reload, want old", got)
	}
	if err := c.Reload(serve.TLS{Certificates: conf.Certificates, ClientCA: "/nowhere", RequireClientCert: true}); err == nil {
		t.Error("got no error for a client CA that is not there")
	}
	ca.refill(t, f, spec{commonID: "new", names: []string{"a.test"}})
	if err := c.Reload(conf); err != nil {
		t.Fatal(err)
	}
	if got := shown(); got != "new" {
		t.Errorf("got %q after a good reload, want new", got)
	}
	c.Close()
	if err := c.Reload(conf); err == nil {
		t.Error("got no error for a reload after Close")
	}
	if got := shown(); got != "new" {
		t.Errorf("got %q after Close, want handshakes to go on", got)
	}
}

func TestReloadUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	f := ca.files(t, spec{names: []string{"a.test"}})
	conf := serve.TLS{Certificates: []serve.CertFile{f}}
	c := certificates(t, conf)
	addr := start(t, secure(c, text("hello"))).Addr("tls").String()

	ctx, stop := context.WithCancel(t.Context())
	var (
		wg     sync.WaitGroup
		served atomic.Int64
	)
	for i := range 4 {
		wg.Go(func() {
			keepAlive := client(t, &tls.Config{RootCAs: ca.pool(), ServerName: "a.test"}, i%2 == 0)
			cache := tls.NewLRUClientSessionCache(4)
			for ctx.Err() == nil {
				if _, _, err := ask(addr, &tls.Config{RootCAs: ca.pool(), ServerName: "a.test", ClientSessionCache: cache}); err != nil {
					t.Errorf("new connection: %v", err)
				}
				res, err := keepAlive.Get("https://" + addr)
				if err != nil {
					t.Errorf("kept connection: %v", err)
					continue
				}
				_ = res.Body.Close()
				served.Add(2)
			}
		})
	}
	for reloads := range 15 {
		before := served.Load()
		ca.refill(t, f, spec{names: []string{"a.test"}})
		if err := c.Reload(conf); err != nil {
			t.Errorf("reload %d: %v", reloads, err)
		}
		eventually(t, "requests go on", func() bool { return served.Load() > before+8 || t.Failed() })
	}
	stop()
	wg.Wait()
	t.Logf("%d requests over 15 reloads", served.Load())
}

func TestSwap(t *testing.T) {
	t.Parallel()
	var h serve.Swap
	s := start(t, plain(&h))
	get := func() int {
		t.Helper()
		res, err := client(t, nil, false).Get("http://" + s.Addr("plain").String())
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	if got := get(); got != http.StatusServiceUnavailable {
		t.Errorf("got %d before any handler, want 503", got)
	}
	h.Set(text(""))
	if got := get(); got != http.StatusOK {
		t.Errorf("got %d, want 200", got)
	}
	h.Set(http.NotFoundHandler())
	if got := get(); got != http.StatusNotFound {
		t.Errorf("got %d, want 404", got)
	}
}

// FuzzCertificateFile feeds one file as both certificate and key.
func FuzzCertificateFile(f *testing.F) {
	ca := newCA(f, "ca")
	leaf := ca.issue(f, spec{names: []string{"a.test"}})
	good := append(pemCert(leaf.Certificate[0]), pemKey(f, leaf.PrivateKey.(*keyOf))...)
	f.Add(good)
	f.Add(append(good, pemCert(ca.cert.Raw)...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Add(block("ENCRYPTED PRIVATE KEY", nil, "x"))
	path := filepath.Join(f.TempDir(), "both.pem")
	f.Fuzz(func(t *testing.T, data []byte) {
		write(t, path, data)
		c, err := serve.NewCertificates(t.Context(), files(path, path), nil)
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		defer c.Close()
		if c.Config().MinVersion < tls.VersionTLS12 {
			t.Error("got a version below TLS 1.2")
		}
		// What was taken must be a pair that crypto/tls takes too.
		if _, err := tls.X509KeyPair(data, data); err != nil {
			t.Errorf("accepted what crypto/tls refuses: %v", err)
		}
	})
}
