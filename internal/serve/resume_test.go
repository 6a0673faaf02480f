package serve_test

import (
	"crypto/tls"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/serve"
)

// clock is a time that tests move by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// resumer connects again and again with the same session cache.
type resumer struct {
	t      *testing.T
	addr   string
	config *tls.Config
}

func (r resumer) want(resumed bool, when string) {
	r.t.Helper()
	state, _, err := ask(r.addr, r.config)
	if err != nil {
		r.t.Fatalf("%s: %v", when, err)
	}
	if state.DidResume != resumed {
		r.t.Errorf("%s: got resumed %v, want %v", when, state.DidResume, resumed)
	}
}

func versions(t *testing.T, run func(t *testing.T, version uint16)) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(v), func(t *testing.T) {
			t.Parallel()
			run(t, v)
		})
	}
}

func TestResumption(t *testing.T) {
	t.Parallel()
	versions(t, func(t *testing.T, version uint16) {
		ca := newCA(t, "ca")
		time0 := &clock{now: time.Now()}
		conf := serve.TLS{Certificates: []serve.CertFile{ca.files(t, spec{names: []string{"a.test"}})}, Now: time0.Now}
		c := certificates(t, conf)
		r := resumer{t, start(t, secure(c, text("hello"))).Addr("tls").String(), &tls.Config{
			RootCAs: ca.pool(), ServerName: "a.test", MinVersion: version, MaxVersion: version,
			ClientSessionCache: tls.NewLRUClientSessionCache(4),
		}}
		r.want(false, "first")
		r.want(true, "second")
		time0.pass(61 * time.Minute)
		r.want(true, "with the key before the newest")
		if err := c.Reload(conf); err != nil {
			t.Fatal(err)
		}
		r.want(false, "after a reload of the same")
		r.want(true, "after that")
		time0.pass(2*time.Hour + time.Minute)
		r.want(false, "with keys that are gone")
	})
}

// TestNoResumptionPastClientCA is CVE-2025-68121 and its kin: a session made
// under one client policy must not be good under another.
func TestNoResumptionPastClientCA(t *testing.T) {
	t.Parallel()
	versions(t, func(t *testing.T, version uint16) {
		ca, old, young := newCA(t, "ca"), newCA(t, "old"), newCA(t, "new")
		files := []serve.CertFile{ca.files(t, spec{names: []string{"a.test"}})}
		oldFile, youngFile := old.file(t), young.file(t)
		open := serve.TLS{Certificates: files}
		optional := serve.TLS{Certificates: files, ClientCA: oldFile}
		required := serve.TLS{Certificates: files, ClientCA: oldFile, RequireClientCert: true}
		changed := serve.TLS{Certificates: files, ClientCA: youngFile, RequireClientCert: true}

		for _, tc := range []struct {
			name          string
			before, after serve.TLS
			cert          bool
		}{
			{"none asked, then required", open, required, false},
			{"optional and none shown, then required", optional, required, false},
			{"CA exchanged", required, changed, true},
			{"optional, CA exchanged", optional, changed, true},
		} {
			t.Run(tc.name, func(t *testing.T) {
				c := certificates(t, tc.before)
				addr := start(t, secure(c, text("hello"))).Addr("tls").String()
				config := &tls.Config{
					RootCAs: ca.pool(), ServerName: "a.test", MinVersion: version, MaxVersion: version,
					ClientSessionCache: tls.NewLRUClientSessionCache(4),
				}
				if tc.cert {
					cert := old.issue(t, spec{commonID: "client"})
					config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
				}
				resumer{t, addr, config}.want(false, "first")
				resumer{t, addr, config}.want(true, "second")
				if err := c.Reload(tc.after); err != nil {
					t.Fatal(err)
				}
				if state, body, err := ask(addr, config); err == nil {
					t.Errorf("got %q, resumed %v, want the handshake refused", body, state.DidResume)
				}
			})
		}
	})
}
