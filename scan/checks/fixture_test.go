package checks

import (
	"bufio"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/internal/testpki"
	"github.com/wiretight/wiretight/scan"
)

// fixture is an API that checks are run against, and the scan that does it.
type fixture struct {
	// URL and Token are those of Config, for reading.
	URL, Token string
	// Config is for scan.Run. Tests may change it before.
	Config scan.Config

	mu    sync.Mutex
	dead  bool
	conns []net.Conn // that the scan has dialled
}

// server says what a fixture serves. The zero value is as strict as an edge can
// be: HTTPS alone, by a certificate that the scan trusts, with HSTS, for its own
// host only, and every path is 404. Every field opens something.
type server struct {
	// Handler is the API. It sees what comes over HTTPS for the right host. Nil:
	// every path is 404.
	Handler http.Handler
	// Plain answers plain HTTP on the same port. Nil: 403.
	Plain http.Handler
	// Insecure makes the URL http: there is no TLS at all, and Handler answers.
	Insecure bool
	// Bare gives Handler everything that comes over HTTPS as it is, whatever its
	// Host, and adds no header.
	Bare bool
	// Closed has nobody listen at port 80.
	Closed bool
	// Name is the host of the URL. It is "reached" at port 443, and at 80 in
	// clear, and is no loopback name. Empty: 127.0.0.1 and the port.
	Name string
	// TLS changes the configuration of TLS.
	TLS func(*tls.Config)
	// Hello sees the first record of each connection that is not plain HTTP, and
	// takes the connection over by returning true. Others go to crypto/tls.
	Hello func(c net.Conn, hello []byte) bool
	// Token is the user's genuine token.
	Token string
}

// serve starts a server until the test ends.
func serve(t testing.TB, s server) *fixture {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Token: s.Token}
	f.URL = "https://" + l.Addr().String()
	if s.Name != "" {
		f.URL = "https://" + s.Name
	}
	if s.Insecure {
		f.URL = "http" + strings.TrimPrefix(f.URL, "https")
	}
	f.Config = scan.Config{
		URL: f.URL, Token: redact.NewText(s.Token), CA: testPKI(t).pool, Rate: 1e6, Timeout: 3 * time.Second,
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if s.Closed && strings.HasSuffix(addr, ":80") {
				return nil, errors.New("connection refused")
			}
			return f.dial(ctx, network, l.Addr().String())
		},
	}
	s.listen(t, l)
	return f
}

func (f *fixture) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case f.dead:
		c.Close()
		return nil, errors.New("the target is dead")
	}
	f.conns = append(f.conns, c)
	return c, nil
}

// kill ends every connection, and makes all from now on fail.
func (f *fixture) kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
	for _, c := range f.conns {
		c.Close()
	}
}

// listen parts what comes in by its first byte.
func (s server) listen(t testing.TB, l net.Listener) {
	secure, plain := newQueue(l.Addr()), newQueue(l.Addr())
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				p := &peeked{Conn: c, r: bufio.NewReaderSize(c, 32<<10)}
				_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
				hello, err := p.firstRecord()
				_ = c.SetReadDeadline(time.Time{})
				switch {
				case err != nil:
					c.Close()
				case hello[0] >= 'A' && hello[0] <= 'z' || s.Insecure:
					plain.put(p)
				case s.Hello != nil && s.Hello(p, hello):
					c.Close()
				default:
					secure.put(p)
				}
			})
		}
	})
	quiet := log.New(io.Discard, "", 0)
	servers := []*http.Server{
		{Handler: s.secureHandler(), ErrorLog: quiet, ReadHeaderTimeout: 5 * time.Second},
		{Handler: s.plainHandler(), ErrorLog: quiet, ReadHeaderTimeout: 5 * time.Second},
	}
	for i, inner := range []net.Listener{tls.NewListener(secure, s.tlsConfig(t)), plain} {
		conns.Go(func() { _ = servers[i].Serve(inner) })
	}
	t.Cleanup(func() {
		l.Close()
		for _, h := range servers {
			h.Close()
		}
		secure.Close()
		plain.Close()
		conns.Wait()
	})
}

func (s server) tlsConfig(t testing.TB) *tls.Config {
	name := s.Name
	if name == "" {
		name = "127.0.0.1"
	}
	c := &tls.Config{Certificates: []tls.Certificate{testPKI(t).leaf(t, name)}, MinVersion: tls.VersionTLS12}
	if s.TLS != nil {
		s.TLS(c)
	}
	return c
}

func (s server) handler() http.Handler {
	if s.Handler == nil {
		return http.NotFoundHandler()
	}
	return s.Handler
}

func (s server) secureHandler() http.Handler {
	if s.Bare {
		return s.handler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		w.Header().Set("Cache-Control", "no-store")
		if host, _, _ := strings.Cut(r.Host, ":"); host != "127.0.0.1" && host != s.Name {
			answer(w, http.StatusMisdirectedRequest, `{"detail":"Host not allowed"}`)
			return
		}
		s.handler().ServeHTTP(w, r)
	})
}

func (s server) plainHandler() http.Handler {
	switch {
	case s.Insecure:
		return s.handler()
	case s.Plain != nil:
		return s.Plain
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusForbidden, `{"detail":"HTTPS required"}`)
	})
}

// answer writes a JSON body.
func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// guarded is a handler that answers 200 to good and 401 to every other token,
// and to none.
func guarded(good string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+good {
			w.Header().Set("WWW-Authenticate", "Bearer")
			answer(w, http.StatusUnauthorized, `{"detail":"Not authenticated"}`)
			return
		}
		answer(w, http.StatusOK, `{"items":[1,2,3]}`)
	}
}

// text is a secret for scan.Config.
func text(s string) redact.Text { return redact.NewText(s) }

// hs256 signs claims with secret.
func hs256(t testing.TB, secret string, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + enc.EncodeToString(mac.Sum(nil))
}

// goodToken is genuine for an hour, by a secret that nobody guesses, and says
// all that a token should.
func goodToken(t testing.TB) string {
	t.Helper()
	now := time.Now().Unix()
	return hs256(t, rand.Text()+rand.Text(), map[string]any{
		"iss": "https://id.example/", "aud": "api.example", "sub": "alice", "jti": rand.Text(), "iat": now, "exp": now + 600,
	})
}

// pki has a CA that the scans of fixtures trust.
type pki struct {
	ca   *testpki.Identity
	pool *x509.CertPool
}

var newPKI = sync.OnceValues(func() (*pki, error) {
	ca, err := testpki.Issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "Test Root"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().AddDate(-2, 0, 0), NotAfter: time.Now().AddDate(5, 0, 0),
	}, nil, nil)
	if err != nil {
		return nil, err
	}
	return &pki{ca, ca.Pool()}, nil
})

func testPKI(t testing.TB) *pki {
	t.Helper()
	p, err := newPKI()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// leaf issues a certificate for a name or an address, changed by mutate.
func (p *pki) leaf(t testing.TB, name string, mutate ...func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	return issued(t, testpki.Server(name), nil, p.ca, mutate)
}

// issued is a certificate that is good for a year, changed by mutate.
func issued(t testing.TB, template *x509.Certificate, key crypto.Signer, by *testpki.Identity, mutate []func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)
	for _, m := range mutate {
		m(template)
	}
	made, err := testpki.Issue(template, key, by)
	if err != nil {
		t.Fatal(err)
	}
	return made.TLS()
}

// look runs one check against a fixture and returns its verdict, also where it
// was given by the scan in its place.
func look(t testing.TB, f *fixture, c scan.Check) scan.Verdict {
	t.Helper()
	v, _ := lookAt(t, f, c, nil)
	return v
}

// lookDying is look at a target that stops answering when the check begins.
func lookDying(t testing.TB, f *fixture, c scan.Check) scan.Verdict {
	t.Helper()
	v, _ := lookAt(t, f, c, f.kill)
	return v
}

// lookAt calls before ahead of the check, and returns the report as well.
func lookAt(t testing.TB, f *fixture, c scan.Check, before func()) (scan.Verdict, *scan.Report) {
	t.Helper()
	var got *scan.Verdict
	run := c.Run
	c.Run = func(ctx context.Context, target *scan.Target) scan.Verdict {
		if before != nil {
			before()
		}
		v := run(ctx, target)
		kept := v
		kept.Findings = slices.Clone(v.Findings) // the scan may sort its own
		got = &kept
		return v
	}
	r, err := scan.Run(t.Context(), f.Config, []scan.Check{c})
	if err != nil {
		t.Fatalf("scan %s: %v", f.URL, err)
	}
	if got != nil {
		return *got, r
	}
	for _, u := range r.Skipped {
		if u.ID == c.ID {
			return scan.Skip(u.Reason), r
		}
	}
	for _, u := range r.Inconclusive {
		if u.ID == c.ID {
			return scan.Unsure(u.Reason), r
		}
	}
	t.Fatalf("%s was not run: %+v", c.ID, r)
	return scan.Verdict{}, nil
}

// mustFind runs a check that has to find something, in evidence that names what
// each of want says and shows no token, and returns it.
func mustFind(t testing.TB, f *fixture, c scan.Check, want ...string) []scan.Evidence {
	t.Helper()
	v := look(t, f, c)
	if v.Outcome != scan.Found || len(v.Findings) == 0 {
		t.Fatalf("%s: got %s, want a finding", c.ID, describe(v))
	}
	var all strings.Builder
	for _, e := range v.Findings {
		if e.URL == "" || e.Text == "" {
			t.Errorf("%s: got evidence %+v, want a URL and a text", c.ID, e)
		}
		fmt.Fprintf(&all, "%s %s\n%s\n%s\n", e.Method, e.URL, e.Text, e.Repeat)
	}
	for _, w := range want {
		if !strings.Contains(all.String(), w) {
			t.Errorf("%s: got evidence %q, want %q in it", c.ID, all.String(), w)
		}
	}
	if f.Token != "" && strings.Contains(all.String(), f.Token) {
		t.Errorf("%s: the evidence shows the token: %q", c.ID, all.String())
	}
	return v.Findings
}

// mustPass runs a check that has to pass.
func mustPass(t testing.TB, f *fixture, c scan.Check) {
	t.Helper()
	if v := look(t, f, c); v.Outcome != scan.Passed {
		t.Errorf("%s: got %s, want passed", c.ID, describe(v))
	}
}

// mustSkip runs a check that does not apply.
func mustSkip(t testing.TB, f *fixture, c scan.Check) {
	t.Helper()
	if v := look(t, f, c); v.Outcome != scan.Skipped || v.Reason == "" {
		t.Errorf("%s: got %s, want skipped with a reason", c.ID, describe(v))
	}
}

// mustBeUnsure runs a check on a target that dies when it begins. It may not
// decide.
func mustBeUnsure(t testing.TB, f *fixture, c scan.Check) {
	t.Helper()
	if v := lookDying(t, f, c); v.Outcome != scan.Inconclusive || v.Reason == "" {
		t.Errorf("%s on a dying target: got %s, want inconclusive with a reason", c.ID, describe(v))
	}
}

// mustNotDecideDead runs a check on a target that was never there.
func mustNotDecideDead(t testing.TB, f *fixture, c scan.Check) {
	t.Helper()
	f.kill()
	r, err := scan.Run(t.Context(), f.Config, []scan.Check{c})
	switch {
	case err != nil:
		t.Fatalf("scan %s: %v", f.URL, err)
	case r.Incomplete == "" || len(r.Passed) > 0 || len(r.Findings) > 0:
		t.Errorf("%s on a dead target: got %+v, want an incomplete report", c.ID, r)
	}
}

func describe(v scan.Verdict) string {
	name := [...]string{"inconclusive", "passed", "found", "skipped"}[v.Outcome]
	if v.Reason != "" {
		name += " (" + v.Reason + ")"
	}
	for _, e := range v.Findings {
		name += fmt.Sprintf("\n%s %s %s: %s", e.Severity, e.Method, e.URL, e.Text)
	}
	return name
}

// peeked is a connection of which the first byte was looked at.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

// firstRecord looks at the first TLS record, or at one byte of all else.
func (p *peeked) firstRecord() ([]byte, error) {
	first, err := p.r.Peek(1)
	if err != nil || first[0] != 0x16 {
		return first, err
	}
	head, err := p.r.Peek(5)
	if err != nil {
		return nil, err
	}
	return p.r.Peek(5 + int(head[3])<<8 + int(head[4]))
}

func (p *peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// queue is a listener for connections that another one accepted.
type queue struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newQueue(addr net.Addr) *queue {
	return &queue{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (q *queue) put(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		c.Close()
	}
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

func (q *queue) Close() error   { q.once.Do(func() { close(q.done) }); return nil }
func (q *queue) Addr() net.Addr { return q.addr }
