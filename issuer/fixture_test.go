package issuer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/token"
	"github.com/wiretight/wiretight/issuer"
)

const (
	testURL      = "https://api.example.com"
	testAudience = "api.example.com"
	testPassword = "correct horse battery"
	// patience is how long a test waits for what should come at once. The
	// machine may be busy.
	patience = 20 * time.Second
)

func TestMain(m *testing.M) {
	if childMain() || hasherMain() {
		return
	}
	goleak.VerifyTestMain(m)
}

// clock is a clock that tests set.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// fixture is an issuer behind a TLS server of its own, with a user alice whose
// scopes are read and write.
type fixture struct {
	t      testing.TB
	issuer *issuer.Issuer
	config issuer.Config
	store  *faultyStore
	clock  *clock
	server *httptest.Server
	log    *logBuffer
	// certificate is what clients show from now on. Nil: none.
	certificate *tls.Certificate
}

func newFixture(t testing.TB, change func(*issuer.Config)) *fixture {
	t.Helper()
	f := newEmptyFixture(t, change)
	f.addUser("alice", "read", "write")
	return f
}

func newEmptyFixture(t testing.TB, change func(*issuer.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: newClock(), log: &logBuffer{}}
	memory := store.NewMemory(f.clock.now, 0)
	t.Cleanup(func() { _ = memory.Close() })
	f.store = &faultyStore{Store: memory}
	f.config = issuer.Config{
		URL: testURL, Audience: testAudience, RefreshGrace: 10 * time.Second,
		Clients: []issuer.Client{
			{ID: "billing", Secret: redact.NewText("billing-secret-0123456789"), Scopes: []string{"read"}, Introspect: true},
			{ID: "mobile", Secret: redact.NewText("mobile+secret/0123456789"), Scopes: []string{"read", "write"}, Grants: []string{"password", "refresh_token"}},
			{ID: "kiosk", Secret: redact.NewText("kiosk-secret-0123456789"), Scopes: []string{"read"}, Grants: []string{"password"}},
		},
		Store: f.store, KeyEncryption: issuer.NewKeyEncryption(), Logger: f.log.logger(), Now: f.clock.now,
	}
	if change != nil {
		change(&f.config)
	}
	f.issuer, f.server = f.start()
	return f
}

// start makes one more instance on the same store.
func (f *fixture) start() (*issuer.Issuer, *httptest.Server) {
	f.t.Helper()
	is, err := issuer.New(f.config)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = is.Close() })
	server := httptest.NewUnstartedServer(is.Handler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	f.t.Cleanup(server.Close)
	return is, server
}

func (f *fixture) addUser(name string, scopes ...string) {
	f.t.Helper()
	if err := f.issuer.Users().Add(f.t.Context(), name, testPassword, scopes); err != nil {
		f.t.Fatal(err)
	}
}

// request is one call as a test writes it.
type request struct {
	method  string // empty: POST, or GET without a body
	path    string
	form    url.Values
	json    any
	body    string // with contentType
	kind    string
	header  http.Header
	cookies map[string]string
	basic   string // user:password
	bearer  string
}

// answer is what came back.
type answer struct {
	status  int
	header  http.Header
	cookies map[string]*http.Cookie
	body    string
	json    map[string]any
}

func (a answer) access(t testing.TB) string {
	t.Helper()
	s, _ := a.json["access_token"].(string)
	if a.status != 200 || s == "" {
		t.Fatalf("got status %d and %s, want an access token", a.status, shorten(a.body))
	}
	return s
}

func (a answer) refresh(t testing.TB) string {
	t.Helper()
	if s, _ := a.json["refresh_token"].(string); s != "" {
		return s
	}
	if c := a.cookies["__Host-refresh"]; c != nil && c.Value != "" {
		return c.Value
	}
	t.Fatalf("got status %d and %s without a refresh token", a.status, shorten(a.body))
	return ""
}

func shorten(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}

// do sends a request. Answers have all cookies that were set.
func (f *fixture) do(q request) answer {
	f.t.Helper()
	return f.doAt(f.server, q)
}

func (f *fixture) doAt(server *httptest.Server, q request) answer {
	f.t.Helper()
	a, err := send(f.t.Context(), f.client(server), server.URL, q)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

func (f *fixture) client(server *httptest.Server) *http.Client {
	if f.certificate == nil {
		return server.Client()
	}
	base := server.Client().Transport.(*http.Transport)
	tr := &http.Transport{TLSClientConfig: base.TLSClientConfig.Clone(), ForceAttemptHTTP2: true}
	tr.TLSClientConfig.Certificates = []tls.Certificate{*f.certificate}
	f.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func send(ctx context.Context, client *http.Client, base string, q request) (answer, error) {
	method, body, kind := q.method, q.body, q.kind
	switch {
	case q.form != nil:
		body, kind = q.form.Encode(), "application/x-www-form-urlencoded"
	case q.json != nil:
		b, err := json.Marshal(q.json)
		if err != nil {
			return answer{}, err
		}
		body, kind = string(b), "application/json"
	case method == "" && body == "" && (strings.HasPrefix(q.path, "/.well-known") || q.path == "/auth/sessions"):
		method = http.MethodGet
	}
	if method == "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, base+q.path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	for name, value := range q.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	if user, password, ok := strings.Cut(q.basic, ":"); ok {
		r.SetBasicAuth(user, password)
	}
	if q.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+q.bearer)
	}
	res, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: res.StatusCode, header: res.Header, cookies: map[string]*http.Cookie{}, body: string(data)}
	for _, c := range res.Cookies() {
		a.cookies[c.Name] = c
	}
	_ = json.Unmarshal(data, &a.json) // not every answer is JSON
	return a, nil
}

// login logs a user in and fails the test if that fails.
func (f *fixture) login(name string) session {
	f.t.Helper()
	return f.sessionOf(f.do(request{path: "/auth/login", json: map[string]string{"username": name, "password": testPassword}}))
}

// session is a browser's cookies and its access token.
type session struct {
	access  string
	cookies map[string]string
}

func (f *fixture) sessionOf(a answer) session {
	f.t.Helper()
	s := session{access: a.access(f.t), cookies: map[string]string{}}
	for name, c := range a.cookies {
		s.cookies[name] = c.Value
	}
	return s
}

// with gives the session's cookies, with the refresh token replaced.
func (s session) with(refresh string) map[string]string {
	c := map[string]string{"__Host-refresh": refresh}
	if fp, ok := s.cookies["__Host-fingerprint"]; ok {
		c["__Host-fingerprint"] = fp
	}
	return c
}

func (s session) refreshToken() string { return s.cookies["__Host-refresh"] }

// password gets tokens as a client without cookies does.
func (f *fixture) password(name string) answer {
	f.t.Helper()
	a := f.do(request{path: "/auth/token", form: url.Values{"grant_type": {"password"}, "username": {name}, "password": {testPassword}}})
	a.access(f.t)
	return a
}

// refreshBody refreshes at the token endpoint.
func (f *fixture) refreshBody(refresh string) answer {
	f.t.Helper()
	return f.do(request{path: "/auth/token", form: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}})
}

// claims reads a token's payload without looking at the signature.
func claims(t testing.TB, raw string) map[string]any {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("got %d parts, want a compact token", len(parts))
	}
	return decodePart(t, parts[1])
}

func header(t testing.TB, raw string) map[string]any {
	t.Helper()
	return decodePart(t, strings.Split(raw, ".")[0])
}

func decodePart(t testing.TB, part string) map[string]any {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// active asks whether a token is good, as a client that may ask about all.
func (f *fixture) active(raw string) bool {
	f.t.Helper()
	a := f.do(request{path: "/auth/introspect", form: url.Values{"token": {raw}}, basic: "billing:billing-secret-0123456789"})
	if a.status != 200 {
		f.t.Fatalf("introspect: got status %d, %s", a.status, shorten(a.body))
	}
	return a.json["active"] == true
}

// verifies tells whether a token passes with the published keys.
func (f *fixture) verifies(raw string) error {
	t, err := token.Parse(raw, token.Limits{})
	if err != nil {
		return err
	}
	keys, _, err := f.issuer.Keys().Current()
	if err != nil {
		return err
	}
	return t.Verify(&token.Policy{
		Issuer: testURL, Audiences: []string{testAudience}, Algorithms: []string{header(f.t, raw)["alg"].(string)},
		Types: []string{"at+jwt"},
	}, keys, f.clock.now())
}

// faultyStore is a store that fails when told.
type faultyStore struct {
	store.Store
	down   atomic.Bool  // every call fails
	full   atomic.Bool  // new records are refused
	failAt atomic.Int64 // the n-th Replace from now fails before it is made
	lostAt atomic.Int64 // the n-th Replace from now is made, and then fails
	lost   atomic.Pointer[time.Time]
}

func (s *faultyStore) Lost() time.Time {
	if at := s.lost.Load(); at != nil {
		return *at
	}
	return s.Store.Lost()
}

var errStore = errors.New("store is away")

func (s *faultyStore) Get(ctx context.Context, key string) (store.Record, error) {
	if s.down.Load() {
		return store.Record{}, errStore
	}
	return s.Store.Get(ctx, key)
}

func (s *faultyStore) Replace(ctx context.Context, key string, old, value []byte, expires time.Time) error {
	if s.down.Load() || s.failAt.Load() > 0 && s.failAt.Add(-1) == 0 {
		return errStore
	}
	if s.full.Load() && old == nil {
		return store.ErrFull
	}
	err := s.Store.Replace(ctx, key, old, value, expires)
	if s.lostAt.Load() > 0 && s.lostAt.Add(-1) == 0 {
		return errStore
	}
	return err
}

func (s *faultyStore) List(ctx context.Context, prefix string, yield func(store.Record) bool) error {
	if s.down.Load() {
		return errStore
	}
	return s.Store.List(ctx, prefix, yield)
}

// all returns every record as text.
func (s *faultyStore) all(t testing.TB) map[string]string {
	t.Helper()
	m := map[string]string{}
	if err := s.Store.List(t.Context(), "", func(r store.Record) bool {
		m[r.Key] = string(r.Value)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return m
}

// prover makes DPoP proofs with one key.
type prover struct {
	t   testing.TB
	key *ecdsa.PrivateKey
}

func newProver(t testing.TB) *prover {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &prover{t, key}
}

func (p *prover) thumbprint() string {
	p.t.Helper()
	s, err := token.Thumbprint(p.key.Public())
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// proof signs a proof for a request. Claims given replace the usual ones.
func (p *prover) proof(now time.Time, method, path string, more map[string]any) string {
	p.t.Helper()
	pub, err := p.key.PublicKey.Bytes()
	if err != nil {
		p.t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	enc := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			p.t.Fatal(err)
		}
		return b64(data)
	}
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": testURL + path, "iat": now.Unix()}
	for k, v := range more {
		claims[k] = v
	}
	text := enc(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": map[string]string{"kty": "EC", "crv": "P-256", "x": b64(pub[1:33]), "y": b64(pub[33:])}}) +
		"." + enc(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		p.t.Fatal(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return text + "." + b64(sig)
}

func accessHash(raw string) string {
	sum := sha256.Sum256([]byte(raw))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// eventually polls until ok, or fails.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come within %s", what, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// from serves the issuer as a front does that vouches for an address.
func from(is *issuer.Issuer, addr string) http.Handler {
	a := netip.MustParseAddr(addr)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		is.Handler().ServeHTTP(w, r.WithContext(issuer.WithClient(r.Context(), a)))
	})
}

// each runs f n times at once, all released together.
func each(n int, f func(i int)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			f(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}
