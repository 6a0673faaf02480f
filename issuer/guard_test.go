package issuer_test

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/issuer"
)

// guarded is an issuer on the origin of a guard, before an API that answers
// /items with the caller's subject.
type guarded struct {
	*fixture
	guard *guard.Guard
}

// newGuarded puts a guard in front. It runs by the real clock.
func newGuarded(t testing.TB, change func(*issuer.Config), more func(*guard.Config)) *guarded {
	t.Helper()
	f := &fixture{t: t, clock: newClock(), log: &logBuffer{}}
	f.clock.at.Store(time.Now().UnixNano())
	memory := store.NewMemory(nil, 0)
	t.Cleanup(func() { _ = memory.Close() })
	f.store = &faultyStore{Store: memory}
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = true
	origin := "https://" + server.Listener.Addr().String()
	f.config = issuer.Config{
		URL: origin, Audience: testAudience, RefreshGrace: time.Second,
		Clients: []issuer.Client{{ID: "billing", Secret: redact.NewText("billing-secret-0123456789"), Scopes: []string{"read"}, Introspect: true}},
		Store:   f.store, KeyEncryption: issuer.NewKeyEncryption(), Logger: f.log.logger(),
	}
	if change != nil {
		change(&f.config)
	}
	is, err := issuer.New(f.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = is.Close() })
	f.issuer, f.server = is, server
	gc := guard.Config{
		Hosts: []string{server.Listener.Addr().String()},
		Tokens: guard.Tokens{Cache: 100, Issuers: []guard.Issuer{{
			Issuer: origin, Audiences: []string{testAudience},
			Algorithms: []string{"ES256"}, Types: []string{"at+jwt"}, MaxLifetime: 5 * time.Minute, Keys: is.Keys(),
		}}},
		Local: []guard.Local{{Paths: is.Paths(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := issuer.WithRequestID(issuer.WithClient(r.Context(), guard.ClientFrom(r.Context())), guard.RequestIDFrom(r.Context()))
			is.Handler().ServeHTTP(w, r.WithContext(ctx))
		})}},
		Routes: []guard.Route{{Path: "/admin", Scopes: []string{"admin"}}},
		Store:  f.store,
	}
	if more != nil {
		more(&gc)
	}
	g := &guarded{fixture: f}
	if g.guard, err = guard.New(gc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.guard.Close() })
	server.Config.Handler = g.guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/items" {
			http.FileServer(http.Dir("../examples/browser")).ServeHTTP(w, r)
			return
		}
		c, _ := guard.ClaimsFrom(r.Context())
		_, _ = io.WriteString(w, "items of "+c.Subject)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	f.addUser("alice", "read", "write")
	return g
}

// items calls the API with a session's token and fingerprint.
func (g *guarded) items(s session) answer {
	g.t.Helper()
	return g.do(s.call("GET", "/items"))
}

// TestFromLoginToLogout is the way of a session through the guard.
func TestFromLoginToLogout(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil, nil)
	if a := g.do(request{method: "GET", path: "/items"}); a.status != 401 {
		t.Fatalf("without a token: got %d, want 401", a.status)
	}
	s := g.login("alice")
	if a := g.items(s); a.status != 200 || a.body != "items of alice" {
		t.Fatalf("got %d %s, want alice's items", a.status, a.body)
	}
	if a := g.do(request{method: "GET", path: "/admin", bearer: s.access, cookies: s.cookies}); a.status != 403 {
		t.Errorf("without the scope: got %d, want 403", a.status)
	}
	b := g.do(request{path: "/auth/refresh", cookies: s.cookies})
	renewed := session{access: b.access(t), cookies: s.with(b.refresh(t))}
	if a := g.items(renewed); a.status != 200 {
		t.Errorf("after a refresh: got %d, want 200", a.status)
	}
	if a := g.do(request{path: "/auth/logout", cookies: renewed.cookies}); a.status != 204 {
		t.Fatalf("logout: got %d %s", a.status, a.body)
	}
	for name, s := range map[string]session{"first": s, "second": renewed} {
		eventually(t, "the guard's refusal of the "+name+" token after logout", func() bool { return g.items(s).status == 401 })
	}
}

// TestStolenTokens: what a thief has is worth nothing without the rest.
func TestStolenTokens(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil, nil)
	s := g.login("alice")
	for name, cookies := range map[string]map[string]string{
		"no fingerprint":      nil,
		"another fingerprint": {"__Host-fingerprint": g.login("alice").cookies["__Host-fingerprint"]},
	} {
		for range 2 { // the second time the guard remembers the token
			if a := g.do(request{method: "GET", path: "/items", bearer: s.access, cookies: cookies}); a.status != 401 {
				t.Errorf("%s: got %d, want 401", name, a.status)
			}
		}
	}
	if a := g.items(s); a.status != 200 {
		t.Errorf("the owner: got %d, want 200", a.status)
	}
}

// TestReuseReachesTheGuard: when a family ends, its access tokens do within a
// second, remembered or not.
func TestReuseReachesTheGuard(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, func(c *issuer.Config) { c.RefreshGrace = 0 }, nil)
	s := g.login("alice")
	if a := g.items(s); a.status != 200 {
		t.Fatalf("got %d, want 200", a.status)
	}
	b := g.do(request{path: "/auth/refresh", cookies: s.cookies})
	renewed := session{access: b.access(t), cookies: s.with(b.refresh(t))}
	if a := g.do(request{path: "/auth/refresh", cookies: s.cookies}); a.status != 401 {
		t.Fatalf("reuse: got %d, want 401", a.status)
	}
	start := time.Now()
	for _, s := range []session{s, renewed} {
		eventually(t, "the guard's refusal", func() bool { return g.items(s).status == 401 })
	}
	if took := time.Since(start); took > patience/2 {
		t.Errorf("the access tokens lived for %s after the end of their family", took)
	}
}

func TestDPoPThroughTheGuard(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, func(c *issuer.Config) { c.Binding = issuer.BindDPoP }, nil)
	p := newProver(t)
	htu := func(path string, more map[string]any) map[string]any {
		m := map[string]any{"htu": g.config.URL + path}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	a := g.do(request{
		path: "/auth/token", form: form("grant_type", "password", "username", "alice", "password", testPassword),
		header: dpopHeader(p.proof(time.Now(), "POST", "/auth/token", htu("/auth/token", nil))),
	})
	raw := a.access(t)
	get := func(scheme, proof string) int {
		h := http.Header{"Authorization": {scheme + " " + raw}}
		if proof != "" {
			h["Dpop"] = []string{proof}
		}
		return g.do(request{method: "GET", path: "/items", header: h}).status
	}
	proof := p.proof(time.Now(), "GET", "/items", htu("/items", map[string]any{"ath": accessHash(raw)}))
	if got := get("DPoP", proof); got != 200 {
		t.Errorf("with a proof: got %d, want 200", got)
	}
	if got := get("DPoP", proof); got != 401 {
		t.Errorf("with the same proof again: got %d, want 401", got)
	}
	if got := get("Bearer", ""); got != 401 {
		t.Errorf("as a bearer token: got %d, want 401", got)
	}
	sessions := p.proof(time.Now(), "GET", "/auth/sessions", htu("/auth/sessions", map[string]any{"ath": accessHash(raw)}))
	if b := g.do(request{method: "GET", path: "/auth/sessions", header: http.Header{"Authorization": {"DPoP " + raw}, "Dpop": {sessions}}}); b.status != 200 {
		t.Errorf("its sessions: got %d %s, want 200", b.status, b.body)
	}
}

// TestAccessCookie: nothing that a script could read.
func TestAccessCookie(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, func(c *issuer.Config) { c.AccessCookie = true }, func(c *guard.Config) {
		c.Tokens.Sources = []string{"header", "cookie:__Host-access"}
	})
	a := g.do(request{path: "/auth/login", json: map[string]string{"username": "alice", "password": testPassword}})
	cookies := map[string]string{}
	for name, c := range a.cookies {
		cookies[name] = c.Value
	}
	if strings.Contains(a.body, "eyJ") || cookies["__Host-access"] == "" {
		t.Fatalf("got body %s and %d cookies", shorten(a.body), len(cookies))
	}
	if b := g.do(request{method: "GET", path: "/items", cookies: cookies}); b.status != 200 || b.body != "items of alice" {
		t.Errorf("got %d %s, want alice's items", b.status, b.body)
	}
	if b := g.do(request{path: "/items", cookies: cookies, header: http.Header{"Origin": {"https://evil.example"}}}); b.status != 403 {
		t.Errorf("from another site: got %d, want 403", b.status)
	}
	b := g.do(request{path: "/auth/refresh", cookies: cookies})
	if b.status != 200 || strings.Contains(b.body, "eyJ") || b.cookies["__Host-access"] == nil {
		t.Errorf("refresh: got %d %s", b.status, shorten(b.body))
	}
	if b := g.do(request{method: "GET", path: "/auth/sessions", cookies: cookies}); b.status != 200 {
		t.Errorf("sessions: got %d %s, want 200", b.status, b.body)
	}
}

// TestCrossSiteThroughTheGuard: what another site sends with the victim's
// cookies never reaches the issuer.
func TestCrossSiteThroughTheGuard(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil, func(c *guard.Config) {
		c.CORS = &guard.CORS{Origins: []string{"https://app.example.com"}, Credentials: true}
	})
	s := g.login("alice")
	for _, path := range []string{"/auth/login", "/auth/refresh", "/auth/logout", "/auth/token", "/auth/revoke"} {
		for name, h := range map[string]http.Header{
			"another site": {"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
			"old browser":  {"Origin": {"https://evil.example"}},
			"look-alike":   {"Origin": {"https://app.example.com.evil.example"}},
			"sandbox":      {"Origin": {"null"}},
		} {
			q := request{path: path, cookies: s.cookies, header: h, form: form("username", "alice", "password", testPassword, "token", s.refreshToken())}
			if a := g.do(q); a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s to %s: got %d, want 403 without CORS headers", name, path, a.status)
			}
		}
	}
	a := g.do(request{path: "/auth/refresh", cookies: s.cookies, header: http.Header{"Origin": {"https://app.example.com"}, "Sec-Fetch-Site": {"cross-site"}}})
	if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
		t.Errorf("an allowed origin: got %d %s, want 200 and leave to read it", a.status, a.body)
	}
}

// TestLimitsByTheGuardsClient: the address is the guard's finding, not the
// client's claim.
func TestLimitsByTheGuardsClient(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil, nil)
	statuses, began := map[int]int{}, time.Now()
	for i := range 15 {
		q := loginJSON("user"+string(rune('a'+i)), "wrong password")
		q.header = http.Header{"X-Forwarded-For": {"198.51.100." + string(rune('1'+i%9))}, "X-Real-Ip": {"203.0.113.9"}, "Forwarded": {"for=203.0.113.8"}}
		statuses[g.do(q).status]++
	}
	// The limit gives one more each six seconds, and a slow machine takes long.
	more := int(time.Since(began)/(6*time.Second)) + 1
	if statuses[401] < 10 || statuses[401] > 10+more || statuses[401]+statuses[429] != 15 {
		t.Errorf("got %v in %v, want 10 of 401, perhaps %d more, and the rest 429", statuses, time.Since(began), more)
	}
}

// TestRetiredKeysLeaveTheGuard at once, with the tokens that it remembers.
func TestRetiredKeysLeaveTheGuard(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil, nil)
	s := g.login("alice")
	if a := g.items(s); a.status != 200 {
		t.Fatalf("got %d, want 200", a.status)
	}
	if _, err := g.issuer.Ring().Retire(t.Context(), header(t, s.access)["kid"].(string), true); err != nil {
		t.Fatal(err)
	}
	if a := g.items(s); a.status != 401 {
		t.Errorf("a token of a key that is gone: got %d, want 401", a.status)
	}
	if a := g.items(g.login("alice")); a.status != 200 {
		t.Errorf("a token of the next key: got %d, want 200", a.status)
	}
}

// TestRefusalsCarryTheRequestsID so that they can be found in the log.
func TestRefusalsCarryTheRequestsID(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil, nil)
	a := g.do(loginJSON("alice", "wrong password"))
	if id := a.header.Get("X-Request-Id"); id == "" || a.json["request_id"] != id {
		t.Errorf("got request_id %v, want the header's %s", a.json["request_id"], id)
	}
	if a.header.Get("Content-Type") != "application/problem+json" || a.json["type"] != "urn:wiretight:problem:wrong-username-or-password" || a.json["status"] != 401.0 {
		t.Errorf("got %s %s", a.header.Get("Content-Type"), a.body)
	}
	if _, err := url.Parse(a.json["type"].(string)); err != nil {
		t.Error(err)
	}
}
