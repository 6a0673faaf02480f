package guard_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/internal/serve"
	"github.com/wiretight/wiretight/internal/testpki"
	"github.com/wiretight/wiretight/internal/testproc"
	"github.com/wiretight/wiretight/internal/token"
)

const (
	testHost     = "api.example.com"
	testIssuer   = "https://id.example.com/"
	testAudience = "api.example.com"
	// patience is how long a test waits for what should come at once. The
	// machine may be busy.
	patience = 20 * time.Second
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a guard behind a real TLS server (HTTP/1.1 and HTTP/2) and a real
// plain one, before an upstream that records what it gets.
type fixture struct {
	t        testing.TB
	guard    *guard.Guard
	config   guard.Config // as given to New, for Reload
	addr     string       // of the TLS listener
	stop     func()       // takes it down
	plain    *httptest.Server
	upstream *upstream
	signer   *token.Signer
	clock    *clock
	log      *records
	registry *prometheus.Registry
	h1, h2   *http.Client // reach the server under whatever host a URL has
}

// newFixture starts everything. change may alter the configuration, nil leaves
// it: hosts api.example.com and www.example.com, one ES256 issuer, one upstream.
func newFixture(t testing.TB, change func(*guard.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: newClock(), log: &records{}, registry: prometheus.NewRegistry(), upstream: newUpstream(t)}
	f.signer = newSigner(t, "key-1")
	metrics, err := guard.NewMetrics(f.registry)
	if err != nil {
		t.Fatal(err)
	}
	f.config = guard.Config{
		Hosts: []string{testHost, "www.example.com"},
		Tokens: guard.Tokens{
			Cache: 1000,
			Issuers: []guard.Issuer{{
				Issuer: testIssuer, Audiences: []string{testAudience}, Algorithms: []string{"ES256"}, JWKS: jwks(t, f.signer),
			}},
		},
		Upstreams: []guard.Upstream{{Name: "app", URL: f.upstream.URL}},
		Logger:    f.log.logger(),
		Metrics:   metrics,
		Now:       f.clock.now,
	}
	if change != nil {
		change(&f.config)
	}
	if f.guard, err = guard.New(f.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.guard.Close() })
	f.listen()
	return f
}

func (f *fixture) listen() {
	quiet := log.New(io.Discard, "", 0)
	f.plain = httptest.NewUnstartedServer(f.guard.Plaintext())
	f.plain.Config.ErrorLog = quiet
	f.plain.Config.DisableGeneralOptionsHandler = true // OPTIONS * is the guard's to refuse
	f.plain.Start()
	f.t.Cleanup(f.plain.Close)
	f.serve(f.guard.Handler())
	f.h1, f.h2 = f.client(false, nil), f.client(true, nil)
}

// serve puts h on a TLS listener of the server that the program uses.
func (f *fixture) serve(h http.Handler) {
	f.t.Helper()
	s, err := serve.New(serve.Config{Listeners: []serve.Listener{{Name: "https", Addr: "127.0.0.1:0", Handler: h, Refuse: f.guard.Malformed, TLS: &tls.Config{
		Certificates: []tls.Certificate{serverCertificate(f.t)}, ClientAuth: tls.RequestClientCert, NextProtos: []string{"h2", "http/1.1"},
	}}}})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := s.Start(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	f.addr, f.stop = s.Addr("https").String(), func() { _ = s.Shutdown(0) }
	f.t.Cleanup(f.stop)
}

// client makes a client that reaches the TLS server under any name, shows
// certificate if it has one, and follows no redirect.
func (f *fixture) client(h2 bool, certificate *tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(serverCertificate(f.t).Leaf)
	conf := &tls.Config{RootCAs: roots}
	if certificate != nil {
		conf.Certificates = []tls.Certificate{*certificate}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	tr := &http.Transport{
		TLSClientConfig: conf, Protocols: protocols, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", f.addr)
		},
	}
	f.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// mint signs a token that is good for five minutes. Claims given replace the
// usual ones; a nil value takes one out.
func (f *fixture) mint(claims map[string]any) string {
	f.t.Helper()
	return f.mintWith(f.signer, claims)
}

func (f *fixture) mintWith(signer *token.Signer, claims map[string]any) string {
	f.t.Helper()
	raw, err := signer.Sign("at+jwt", f.claims(claims))
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

func (f *fixture) claims(changes map[string]any) map[string]any {
	now := f.clock.now()
	all := map[string]any{
		"iss": testIssuer, "aud": testAudience, "sub": "alice", "jti": randomID(),
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	for k, v := range changes {
		all[k] = v
		if v == nil {
			delete(all, k)
		}
	}
	return all
}

// bearer is the value of Authorization with a fresh good token.
func (f *fixture) bearer() string { return "Bearer " + f.mint(nil) }

// reply is an answer, read to its end.
type reply struct {
	status int
	proto  string
	header http.Header
	body   string
}

// problem is the body of a refusal, or empty if it is none.
func (r reply) problem() (p struct {
	Type, Title, Detail string
	Status              int
	RequestID           string `json:"request_id"`
},
) {
	if r.header.Get("Content-Type") == "application/problem+json" {
		_ = json.Unmarshal([]byte(r.body), &p)
	}
	return p
}

func (r reply) String() string { return fmt.Sprintf("%d %v %s", r.status, r.header, r.body) }

// get asks over HTTP/1.1; header is name, value, name, value. The path is sent
// as it is written (unless it begins with two slashes: those need raw), and a
// header named Host sets the host.
func (f *fixture) get(path string, header ...string) reply {
	f.t.Helper()
	return f.send(f.h1, "GET", path, "", header...)
}

// send asks through any client of the fixture.
func (f *fixture) send(c *http.Client, method, path, body string, header ...string) reply {
	f.t.Helper()
	res, err := c.Do(f.request("https", method, path, body, header...))
	if err != nil {
		f.t.Fatal(err)
	}
	return readReply(f.t, res)
}

// inClear asks the plain listener.
func (f *fixture) inClear(method, path, body string, header ...string) reply {
	f.t.Helper()
	tr := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", f.plain.Listener.Addr().String())
	}}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(f.request("http", method, path, body, header...))
	if err != nil {
		f.t.Fatal(err)
	}
	return readReply(f.t, res)
}

func (f *fixture) request(scheme, method, path, body string, header ...string) *http.Request {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	f.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, scheme+"://"+testHost+"/", strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if body == "" {
		r.Body, r.ContentLength = nil, 0
	}
	r.URL.Path, r.URL.Opaque = "", path // sent as it is
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	return r
}

func readReply(t testing.TB, res *http.Response) reply {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	if res.Close {
		res.Header.Set("Connection", "close") // net/http takes it out
	}
	return reply{res.StatusCode, res.Proto, res.Header, string(body)}
}

// raw writes bytes over TLS 1.3 with HTTP/1.1, reads the first answer, says
// that no more will come, and reads what else the server answers until it
// closes. An answer without a status line is none.
func (f *fixture) raw(sni, text string) []reply {
	f.t.Helper()
	c, err := tls.Dial("tcp", f.addr,
		&tls.Config{InsecureSkipVerify: true, ServerName: sni, NextProtos: []string{"http/1.1"}})
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	return exchangeRaw(f.t, c, text)
}

// rawClear is raw on the plain listener.
func (f *fixture) rawClear(text string) []reply {
	f.t.Helper()
	c, err := net.Dial("tcp", f.plain.Listener.Addr().String())
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	return exchangeRaw(f.t, c, text)
}

func exchangeRaw(t testing.TB, c net.Conn, text string) (all []reply) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	in := bufio.NewReader(c)
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return all
		}
		if res.StatusCode == http.StatusContinue {
			continue
		}
		all = append(all, readReply(t, res))
		if len(all) == 1 {
			if w, ok := c.(interface{ CloseWrite() error }); ok {
				_ = w.CloseWrite()
			}
		}
	}
}

// metric is the sum of a metric's series that have all the labels given as
// name, value.
func (f *fixture) metric(name string, labels ...string) (sum float64) {
	f.t.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			matches := true
			for i := 0; i+1 < len(labels); i += 2 {
				matches = matches && have[labels[i]] == labels[i+1]
			}
			if matches {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// eventually waits for a condition that something else brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
		<-tick.C
	}
}

// upstream is an application that notes every request before it answers.
type upstream struct {
	*httptest.Server
	mu     sync.Mutex
	seen   []seen
	answer http.HandlerFunc
	unread bool // answer reads the body itself
}

// seen is a request as the upstream got it.
type seen struct {
	method, target, host, body, proto string
	header                            http.Header
	trailer                           http.Header
}

func newUpstream(t testing.TB) *upstream {
	t.Helper()
	u := &upstream{answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "hello")
	}}
	u.Server = httptest.NewUnstartedServer(u)
	u.Config.ErrorLog = log.New(io.Discard, "", 0)
	u.Start()
	t.Cleanup(u.Close)
	return u
}

// answers replaces what the upstream does. The body was read before and is
// there again.
func (u *upstream) answers(h http.HandlerFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer = h
}

// streams replaces what the upstream does without reading the body first; such
// requests are noted without one.
func (u *upstream) streams(h http.HandlerFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer, u.unread = h, true
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	answer, unread := u.answer, u.unread
	u.mu.Unlock()
	if unread {
		u.note(r, "")
		answer(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		return // the guard gave up
	}
	u.note(r, string(body))
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer(w, r)
}

func (u *upstream) note(r *http.Request, body string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen = append(u.seen, seen{
		method: r.Method, target: r.RequestURI, host: r.Host, body: body, proto: r.Proto,
		header: r.Header.Clone(), trailer: maps.Clone(r.Trailer),
	})
}

// all is every request so far.
func (u *upstream) all() []seen {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]seen(nil), u.seen...)
}

// count is how many requests came through.
func (u *upstream) count() int { return len(u.all()) }

// last is the latest request; there must be one.
func (u *upstream) last(t testing.TB) seen {
	t.Helper()
	all := u.all()
	if len(all) == 0 {
		t.Fatal("nothing reached the upstream")
	}
	return all[len(all)-1]
}

// clock stands still until it is advanced.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now().Truncate(time.Second)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// records is a log, through the redacting handler, that a test can read while
// it is written.
type records struct{ testproc.Output }

func (r *records) logger() *slog.Logger {
	return slog.New(redact.NewHandler(slog.NewJSONHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

// of returns the records of one request, once its last one has been written:
// a client may have its answer a moment sooner.
func (r *records) of(t testing.TB, requestID string) (all []map[string]any) {
	t.Helper()
	eventually(t, "the record of request "+requestID, func() bool {
		all = nil
		ended := false
		for line := range strings.Lines(r.String()) {
			var m map[string]any
			if json.Unmarshal([]byte(line), &m) == nil && m["request_id"] == requestID {
				all = append(all, m)
				ended = ended || m["msg"] == "request"
			}
		}
		return ended
	})
	return all
}

func newSigner(t testing.TB, kid string) *token.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := token.NewSigner("ES256", kid, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// jwks is a key set of the signers' public keys.
func jwks(t testing.TB, signers ...*token.Signer) []byte {
	t.Helper()
	keys := []json.RawMessage{}
	for _, s := range signers {
		keys = append(keys, s.JWK())
	}
	raw, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// serverCertificate is one for all tests: making it costs more than using it.
func serverCertificate(t testing.TB) tls.Certificate {
	t.Helper()
	c, err := makeServerCertificate()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var makeServerCertificate = sync.OnceValues(func() (tls.Certificate, error) {
	id, err := testpki.SelfSigned(testHost, "www.example.com", "elsewhere.example.com", "localhost", "127.0.0.1", "::1")
	if err != nil {
		return tls.Certificate{}, err
	}
	return id.TLS(), nil
})

// askHandler asks a wrapped handler without a wire and returns the status.
func askHandler(h http.Handler, raw string) int {
	r := secureRequest(http.MethodGet, "/x")
	r.Header.Set("Authorization", "Bearer "+raw)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Code
}
