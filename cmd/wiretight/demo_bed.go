package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/lab"
	"github.com/wiretight/wiretight/internal/serve"
)

// demoBed is the weak API, the guard before it, and an attacker's server.
type demoBed struct {
	dir      string
	lab      *lab.Server
	guard    *guard.Guard // has no limit of failures, or the attacks would end early
	limited  *guard.Guard // has one
	log      *ruleLog
	certs    *serve.Certificates
	server   *serve.Server
	attacker *attackerServer
	weak     *demoSide
	guarded  *demoSide
	rows     []demoRow
	left     int // forged tokens that no header can carry
}

// demoSide is one of the two that every request goes to.
type demoSide struct {
	guarded bool
	base    string // where requests go: https at the guard
	plain   string // where requests in clear go
	limited string // a guard with a limit of failures, or base
	host    string
	client  *http.Client // HTTP/1.1, follows no redirect
	h2      *http.Client
	roots   *x509.CertPool
}

// newDemoBed starts everything. All of it is on loopback.
func newDemoBed(ctx context.Context, dir string, o demoOptions) (b *demoBed, err error) {
	b = &demoBed{dir: dir, log: &ruleLog{}}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.lab, err = lab.Start(ctx, "127.0.0.1:0"); err != nil {
		return b, err
	}
	if b.attacker, err = startAttacker(ctx); err != nil {
		return b, err
	}
	if err = b.startGuard(ctx, o); err != nil {
		return b, err
	}
	b.weak = &demoSide{base: b.lab.URL, plain: b.lab.URL, limited: b.lab.URL, client: demoClient(nil, false), h2: demoClient(nil, false)}
	b.weak.host = strings.TrimPrefix(b.lab.URL, "http://")
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return b, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return b, fmt.Errorf("read %s: no certificate in it", filepath.Join(dir, "ca.pem"))
	}
	host := localhost(b.server.Addr("https"))
	b.guarded = &demoSide{
		guarded: true, base: "https://" + host, plain: "http://" + localhost(b.server.Addr("plaintext")), host: host,
		limited: "https://" + localhost(b.server.Addr("limited")), roots: roots,
		client: demoClient(roots, false), h2: demoClient(roots, true),
	}
	return b, nil
}

// demoConfig is the guard's configuration, as a user would write it for this
// API. What it leaves out is at its strictest.
func (b *demoBed) demoConfig() guard.Config {
	return guard.Config{
		Hosts:     []string{"localhost", "127.0.0.1"},
		Upstreams: []guard.Upstream{{Name: "api", URL: b.lab.URL}},
		Tokens: guard.Tokens{
			Sources: []string{"header", "cookie:session"},
			Cache:   1000,
			Issuers: []guard.Issuer{{Issuer: lab.Issuer, Audiences: []string{lab.Audience}, Algorithms: []string{"ES256"}, JWKS: b.lab.JWKS()}},
		},
		Routes: []guard.Route{
			{Path: "/healthz", Public: true},
			{Path: "/login", Public: true, Methods: []string{"POST"}},
			{Path: "/admin/*", Scopes: []string{"admin"}},
			{Path: "/pay", Once: true, Methods: []string{"POST"}},
		},
		CORS: &guard.CORS{
			Origins: []string{lab.DefaultOrigin}, Credentials: true, Methods: []string{"GET", "POST"},
			RequestHeaders: []string{"Authorization", "Content-Type"},
		},
		Logger: slog.New(b.log),
	}
}

func (b *demoBed) startGuard(ctx context.Context, o demoOptions) error {
	limited := b.demoConfig()
	config := b.demoConfig()
	config.RateLimit.AuthFailures = guard.Rate{Count: 1 << 20, Per: time.Minute}
	if o.change != nil {
		o.change(&config)
		o.change(&limited)
	}
	var err error
	if b.guard, err = guard.New(config); err != nil {
		return err
	}
	if b.limited, err = guard.New(limited); err != nil {
		return err
	}
	if b.certs, err = serve.NewCertificates(ctx, serve.TLS{Dev: &serve.Dev{Dir: b.dir}}, nil); err != nil {
		return err
	}
	server, err := serve.New(serve.Config{Listeners: []serve.Listener{
		{Name: "https", Addr: o.listen, TLS: b.certs.Config(), Handler: b.guard.Handler(), Refuse: b.guard.Malformed},
		{Name: "plaintext", Addr: "127.0.0.1:0", Handler: b.guard.Plaintext()},
		{Name: "limited", Addr: "127.0.0.1:0", TLS: b.certs.Config(), Handler: b.limited.Handler(), Refuse: b.limited.Malformed},
	}})
	if err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return err
	}
	b.server = server
	if a, ok := server.Addr("https").(*net.TCPAddr); ok {
		config.RedirectPort = a.Port
	}
	return b.guard.Reload(config)
}

// close ends everything that was started.
func (b *demoBed) close() {
	for _, s := range []*demoSide{b.weak, b.guarded} {
		if s != nil {
			s.client.CloseIdleConnections()
			s.h2.CloseIdleConnections()
		}
	}
	for _, g := range []*guard.Guard{b.guard, b.limited} {
		if g != nil {
			_ = g.Close() // the store is its own and in memory
		}
	}
	if b.server != nil {
		_ = b.server.Shutdown(time.Second) // what is still under way was cut by the guard
	}
	if b.certs != nil {
		b.certs.Close()
	}
	if b.attacker != nil {
		_ = b.attacker.server.Close()
	}
	if b.lab != nil {
		_ = b.lab.Close()
	}
}

// demoClient reaches localhost on 127.0.0.1 and follows no redirect.
func demoClient(roots *x509.CertPool, h2 bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	return &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: protocols, DisableCompression: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, strings.Replace(addr, "localhost:", "127.0.0.1:", 1))
			},
		},
	}
}

// localhost is an address under the name that the certificate has.
func localhost(a net.Addr) string {
	_, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return net.JoinHostPort("localhost", port)
}

// loopbackAddr reports whether an address to listen on is loopback's.
func loopbackAddr(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// attackerServer serves keys to verifiers that fetch what a token names.
type attackerServer struct {
	url    string
	server *http.Server
	calls  atomic.Int64
}

func startAttacker(ctx context.Context) (*attackerServer, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &attackerServer{url: "http://" + ln.Addr().String()}
	answers := map[string]func(string) []byte{
		attack.CallbackSetPath: attack.CallbackJWKS, attack.CallbackKeyPath: attack.CallbackJWK, attack.CallbackCertPath: attack.CallbackCert,
	}
	a.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.calls.Add(1)
		for end, answer := range answers {
			if strings.HasSuffix(r.URL.Path, end) {
				_, _ = w.Write(answer("ES256")) // whoever asked is gone
				return
			}
		}
		http.NotFound(w, r)
	})}
	go func() {
		if err := a.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("the attacker's server ended", "error", err)
		}
	}()
	return a, nil
}
