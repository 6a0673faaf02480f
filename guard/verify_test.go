package guard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/token"
)

// TestMostSpecificRoute holds that the most specific route decides, and about methods.
func TestMostSpecificRoute(t *testing.T) {
	t.Parallel()
	second := newUpstream(t)
	f := newFixture(t, func(c *guard.Config) {
		c.Upstreams = append(c.Upstreams, guard.Upstream{Name: "second", URL: second.URL})
		c.Routes = []guard.Route{
			{Path: "/a/*", Scopes: []string{"a"}},
			{Path: "/a/b/*", Scopes: []string{"b"}},
			{Path: "/a/b/c", Scopes: []string{"c"}},
			{Path: "/a/b/c/*", Scopes: []string{"d"}},
			{Path: "/exact", Scopes: []string{"e"}},
			{Path: "/get", Methods: []string{"GET"}},
			{Path: "/post", Methods: []string{"POST", "PUT"}},
			{Path: "/options", Methods: []string{"OPTIONS"}},
			{Path: "/second/*", Upstream: "second"},
			{Path: "/open", Public: true, Methods: []string{"GET"}},
			{Path: "/lower/*", Public: true},
			{Path: "/lower/secret"},
		}
	})
	scoped := map[string]string{"": f.mint(nil)}
	for _, s := range []string{"a", "b", "c", "d", "e"} {
		scoped[s] = f.mint(map[string]any{"scope": s})
	}
	for path, scope := range map[string]string{
		"/a": "a", "/a/": "a", "/a/x": "a", "/a/b": "b", "/a/b/": "b", "/a/b/x/y": "b", "/a/b/c": "c", "/a/b/c/": "c",
		"/a/b/c/x": "d", "/a/b/cc": "b", "/a/bb": "a", "/exact": "e", "/exact/": "e", "/%65xact": "e", "/exact?x": "e",
		"/ab": "", "/A/b": "", "/EXACT": "", "/exact/x": "", "/": "",
	} {
		for _, with := range []string{"", "a", "b", "c", "d", "e"} {
			want := 403
			if scope == "" || with == scope {
				want = 200
			}
			if got := f.get(path, "Authorization", "Bearer "+scoped[with]); got.status != want {
				t.Errorf("%s with scope %q: got %d, want %d", path, with, got.status, want)
			}
		}
	}
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/get", 200, ""},
		{"HEAD", "/get", 200, ""},
		{"POST", "/get", 405, "HEAD, GET"},
		{"OPTIONS", "/get", 405, "HEAD, GET"},
		{"GET", "/post", 405, "POST, PUT"},
		{"HEAD", "/post", 405, "POST, PUT"},
		{"PUT", "/post", 200, ""},
		{"OPTIONS", "/options", 200, ""},
		{"GET", "/options", 405, "OPTIONS"},
		{"PATCH", "/any", 200, ""},
		{"OPTIONS", "/any", 200, ""},
		{"POST", "/open", 405, "HEAD, GET"},
		{"PROPFIND", "/any", 200, ""},
		{"TRACE", "/any", 400, ""},
		{"get", "/any", 400, ""},
		{"Get", "/get", 400, ""},
		{"GET/1", "/any", 400, ""},
	} {
		before := f.upstream.count()
		got := f.raw(testHost, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n\r\n", c.method, c.path, testHost, f.bearer()))
		if len(got) != 1 || got[0].status != c.status || got[0].header.Get("Allow") != c.allow {
			t.Errorf("%s %s: got %v, want %d and Allow %q", c.method, c.path, got, c.status, c.allow)
			continue
		}
		if n := f.upstream.count(); (n == before) != (c.status != 200) {
			t.Errorf("%s %s: the upstream was reached %d times", c.method, c.path, n-before)
		}
	}
	if got := f.get("/second/x", "Authorization", f.bearer()); got.status != 200 || second.count() != 1 {
		t.Errorf("route with its own upstream: got %v", got)
	}
	if got := f.get("/lower/x"); got.status != 200 {
		t.Errorf("public tree: got %v", got)
	}
	if got := f.get("/lower/secret"); got.status != 401 {
		t.Errorf("secret within a public tree: got %v", got)
	}
}

// TestOptionsNeedsToken holds that only a preflight goes without a token.
func TestOptionsNeedsToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, header := range [][]string{nil, {"Origin", "https://app.example.com"}, {"Access-Control-Request-Method", "GET"}} {
		if got := f.send(f.h1, "OPTIONS", "/items", "", header...); got.status != 401 {
			t.Errorf("%q: got %v, want 401", header, got)
		}
	}
}

// TestScopes holds the challenge of RFC 6750 §3.1 and the forms of the claim.
func TestScopes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Routes = []guard.Route{{Path: "/both", Scopes: []string{"read", "write"}}, {Path: "/read", Scopes: []string{"read"}}}
	})
	for name, c := range map[string]struct {
		claims map[string]any
		path   string
		ok     bool
	}{
		"one of two":             {map[string]any{"scope": "read"}, "/both", false},
		"both":                   {map[string]any{"scope": "write read"}, "/both", true},
		"both and more":          {map[string]any{"scope": "a write b read c"}, "/both", true},
		"array":                  {map[string]any{"scope": []string{"read", "write"}}, "/both", true},
		"scp":                    {map[string]any{"scp": []string{"read", "write"}}, "/both", true},
		"none":                   {nil, "/read", false},
		"prefix":                 {map[string]any{"scope": "rea"}, "/read", false},
		"longer":                 {map[string]any{"scope": "reader read:all"}, "/read", false},
		"other case":             {map[string]any{"scope": "READ"}, "/read", false},
		"joined by a comma":      {map[string]any{"scope": "read,write"}, "/read", false},
		"in another claim":       {map[string]any{"scopes": "read", "roles": []string{"read"}}, "/read", false},
		"a space within a scope": {map[string]any{"scope": []string{"x read"}}, "/read", false},
	} {
		raw := f.mint(c.claims)
		for range 2 { // verified, then remembered
			got := f.get(c.path, "Authorization", "Bearer "+raw)
			if c.ok {
				if got.status != 200 {
					t.Errorf("%s: got %v, want 200", name, got)
				}
				continue
			}
			want := `Bearer error="insufficient_scope", scope="read"`
			if c.path == "/both" {
				want = `Bearer error="insufficient_scope", scope="read write"`
			}
			rule, _ := f.refusal(got)
			if rule != "scopes" && rule != "token" || rule == "scopes" && (got.status != 403 || got.problem().Detail != "Insufficient scope" || got.header.Get("Www-Authenticate") != want) {
				t.Errorf("%s: got %v by %q", name, got, rule)
			}
		}
	}
}

// TestIssuers holds that each issuer's tokens verify with its own keys only.
func TestIssuers(t *testing.T) {
	t.Parallel()
	const one, two, three = "https://one.example/", "https://two.example/", "https://three.example/"
	a, b, c := newParty(t, "ES256"), newParty(t, "ES256"), newParty(t, "HS256")
	f := newFixture(t, func(cfg *guard.Config) {
		cfg.RateLimit = neverLimited
		cfg.Tokens.Issuers = []guard.Issuer{a.issuer(one), b.issuer(two), c.issuer(three)}
		cfg.Tokens.Issuers[1].Audiences = []string{"other.example.com"}
		cfg.Routes = []guard.Route{{Path: "/two/*", Issuers: []string{two}}, {Path: "/onethree/*", Issuers: []string{one, three}}}
	})
	audience := map[string]string{one: testAudience, two: "other.example.com", three: testAudience}
	for iss, right := range map[string]*party{one: a, two: b, three: c} {
		for name, signer := range map[string]*party{one: a, two: b, three: c} {
			for aud := range map[string]bool{testAudience: true, "other.example.com": true} {
				raw := signer.mint(f, map[string]any{"iss": iss, "aud": aud})
				for path, takes := range map[string]bool{"/": true, "/two/x": iss == two, "/onethree/x": iss != two} {
					want := 401
					if signer == right && aud == audience[iss] && takes {
						want = 200
					}
					for range 2 {
						if got := f.get(path, "Authorization", "Bearer "+raw); got.status != want {
							rule, reason := f.refusal(got)
							t.Errorf("iss %s, key of %s, aud %s on %s: got %d by %s (%s), want %d", iss, name, aud, path, got.status, rule, reason, want)
						}
					}
				}
			}
		}
	}
	got := f.get("/two/x", "Authorization", "Bearer "+a.mint(f, map[string]any{"iss": one}))
	if rule, _ := f.refusal(got); rule != "issuer" || got.problem().Detail != "Invalid token" {
		t.Errorf("a route of another issuer: got %v by %q, want Invalid token by issuer", got, rule)
	}
}

// idp is an issuer's server, which can be down and can change its keys.
type idp struct {
	*httptest.Server
	mu    sync.Mutex
	keys  []byte // nil: down
	count int
}

func newIDP(t testing.TB, keys []byte) *idp {
	t.Helper()
	i := &idp{keys: keys}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

func (i *idp) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.count++
	if i.keys == nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(i.keys)
}

func (i *idp) serve(keys []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

func (i *idp) asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.count
}

func (i *idp) issuer(name string) guard.Issuer {
	return guard.Issuer{Issuer: name, Audiences: []string{testAudience}, Algorithms: []string{"ES256"}, JWKSURL: i.URL}
}

// TestRotation holds that a new key is fetched when a token names it, once,
// and that the tokens of a key that has gone are refused at once although they
// are remembered.
func TestRotation(t *testing.T) {
	t.Parallel()
	old, next := newSigner(t, "old"), newSigner(t, "next")
	i := newIDP(t, jwks(t, old))
	f := newFixture(t, func(c *guard.Config) {
		c.RateLimit = neverLimited
		c.Tokens.Issuers = []guard.Issuer{i.issuer(testIssuer)}
	})
	eventually(t, "the first keys", func() bool { return f.guard.Ready().Ready })
	of := map[string]string{"old": f.mintWith(old, nil), "next": f.mintWith(next, nil)}
	want := func(name string, status int) {
		t.Helper()
		if got := f.get("/", "Authorization", "Bearer "+of[name]); got.status != status {
			_, reason := f.refusal(got)
			t.Errorf("token of key %s: got %v (%s), want %d", name, got, reason, status)
		}
	}
	for range 3 {
		want("old", 200)
	}
	asked := i.asked()
	want("next", 401) // fetched again, in vain
	for range 20 {    // and no more for any kid
		if got := f.get("/", "Authorization", "Bearer "+f.mintWith(newSigner(t, randomID()), nil)); got.status != 401 {
			t.Errorf("token of an unknown key: got %v, want 401", got)
		}
	}
	if n := i.asked() - asked; n != 1 {
		t.Errorf("the issuer was asked %d times for 21 unknown keys, want once", n)
	}
	i.serve(jwks(t, old, next))
	f.clock.advance(31 * time.Second) // a key that was missing is asked for again
	want("next", 200)
	want("old", 200)
	i.serve(jwks(t, next))
	f.clock.advance(11 * time.Second)
	f.get("/", "Authorization", "Bearer "+f.mintWith(newSigner(t, "any"), nil)) // makes the guard look
	want("old", 401)
	want("old", 401)
	want("next", 200)
	i.serve(nil)
	f.clock.advance(11 * time.Second)
	f.get("/", "Authorization", "Bearer "+f.mintWith(newSigner(t, "another"), nil))
	want("old", 401) // an issuer that is down brings no key back
	want("next", 200)
}

// keysOf is the set of the signers' public keys.
func keysOf(t testing.TB, signers ...*token.Signer) *token.KeySet {
	t.Helper()
	ks, _, err := token.ParseJWKS(jwks(t, signers...))
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

// TestLocalKeys holds the same for an issuer in this process, whose change
// needs no fetch.
func TestLocalKeys(t *testing.T) {
	t.Parallel()
	old, next := newSigner(t, "old"), newSigner(t, "next")
	source := keyset.NewLocal(keysOf(t, old))
	f := newFixture(t, func(c *guard.Config) {
		c.Tokens.Issuers[0].JWKS, c.Tokens.Issuers[0].Keys = nil, source
	})
	raw := f.mintWith(old, nil)
	ask := func() int { return f.get("/", "Authorization", "Bearer "+raw).status }
	if got := []int{ask(), ask()}; got[0] != 200 || got[1] != 200 {
		t.Errorf("got %v", got)
	}
	source.Set(keysOf(t, next, old))
	if got := ask(); got != 200 {
		t.Errorf("after another key came: got %d", got)
	}
	source.Set(keysOf(t, next))
	if got := ask(); got != 401 {
		t.Errorf("after the key went: got %d, want 401", got)
	}
	source.Set(nil)
	if got := ask(); got != 503 {
		t.Errorf("without keys: got %d, want 503", got)
	}
	source.Set(keysOf(t, old))
	if got := ask(); got != 200 {
		t.Errorf("after the key came back: got %d, want 200", got)
	}
}

// TestIssuerDown holds that a guard starts without an issuer's keys, refuses
// only what it cannot decide, and comes back by itself.
func TestIssuerDown(t *testing.T) {
	t.Parallel()
	const up, down = "https://up.example/", "https://down.example/"
	signer := newSigner(t, "k")
	there, away := newParty(t, "ES256"), newIDP(t, nil)
	f := newFixture(t, func(c *guard.Config) {
		c.RateLimit.AuthFailures = guard.Rate{Count: 1, Per: time.Hour}
		c.Tokens.Issuers = []guard.Issuer{there.issuer(up), away.issuer(down)}
		c.Routes = []guard.Route{{Path: "/open", Public: true}}
	})
	ofUp, ofDown := there.mint(f, map[string]any{"iss": up}), f.mintWith(signer, map[string]any{"iss": down})
	for range 3 {
		got := f.get("/", "Authorization", "Bearer "+ofDown)
		if p := got.problem(); got.status != 503 || p.Detail != "Temporarily unavailable" || got.header.Get("Retry-After") == "" {
			t.Errorf("token of the issuer that is down: got %v, want 503", got)
		}
	}
	if got := f.get("/", "Authorization", "Bearer "+ofUp); got.status != 200 {
		t.Errorf("token of the other issuer: got %v, want 200", got)
	}
	if got := f.get("/open", "Authorization", "Bearer "+ofDown); got.status != 200 || f.upstream.last(t).header["Authorization"] != nil {
		t.Errorf("public route: got %v, want 200 and no token upstream", got)
	}
	if r := f.guard.Ready(); r.Ready || len(r.Reasons) != 1 {
		t.Errorf("got readiness %+v, want one reason", r)
	}
	away.serve(jwks(t, signer))
	began := time.Now()
	eventually(t, "the keys", func() bool { return f.guard.Ready().Ready })
	if got := f.get("/", "Authorization", "Bearer "+ofDown); got.status != 200 {
		t.Errorf("after the keys came: got %v, want 200", got)
	}
	t.Logf("ready %v after the issuer", time.Since(began).Round(time.Millisecond))
}

// TestNoStaleKeys holds that remembered tokens do not outlive the time for
// which keys may be used without having been fetched again.
func TestNoStaleKeys(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, "k")
	i := newIDP(t, jwks(t, signer))
	f := newFixture(t, func(c *guard.Config) {
		c.Tokens.Issuers = []guard.Issuer{i.issuer(testIssuer)}
		c.Tokens.Issuers[0].MaxLifetime = 24 * time.Hour
	})
	eventually(t, "the keys", func() bool { return f.guard.Ready().Ready })
	raw := f.mintWith(signer, map[string]any{"exp": f.clock.now().Add(20 * time.Hour).Unix()})
	if got := f.get("/", "Authorization", "Bearer "+raw); got.status != 200 {
		t.Fatalf("got %v", got)
	}
	i.serve(nil)
	f.clock.advance(3 * time.Hour) // the timer that would fetch does not know
	if got := f.get("/", "Authorization", "Bearer "+raw); got.status != 503 {
		t.Errorf("with keys that are too old: got %v, want 503", got)
	}
}

// TestRateLimit holds who is slowed down by failures, and who is not.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.RateLimit.AuthFailures = guard.Rate{Count: 5, Per: time.Minute}
		c.Routes = []guard.Route{{Path: "/open", Public: true}}
	})
	h := f.guard.Handler()
	known, fresh := f.mint(nil), f.mint(nil)
	expired := f.mint(map[string]any{"iat": f.clock.now().Add(-time.Hour).Unix(), "exp": f.clock.now().Add(-time.Minute).Unix()})
	forged := known[:len(known)-4] + "AAAA"
	ask := func(peer, path, raw string) reply {
		header := http.Header{}
		if raw != "" {
			header.Set("Authorization", "Bearer "+raw)
		}
		return unwired(h, peer, header, path)
	}
	const here = "192.0.2.1:1000"
	want := func(what, peer, path, raw string, status int) {
		t.Helper()
		if got := ask(peer, path, raw); got.status != status {
			t.Errorf("%s: got %v, want %d", what, got, status)
		}
	}
	want("a good token", here, "/", known, 200)
	for range 20 { // what does not count
		want("an expired token", here, "/", expired, 401)
		want("no token", here, "/", "", 401)
		want("a forged token on a public route", here, "/open", forged, 200)
	}
	for range 5 {
		want("a forged token", here, "/", forged, 401)
	}
	got := ask(here, "/", forged)
	if after, err := strconv.Atoi(got.header.Get("Retry-After")); got.status != 429 || err != nil || after < 1 || after > 60 ||
		got.problem().Detail != "Too many requests" {
		t.Errorf("over the limit: got %v, want 429 with Retry-After", got)
	}
	if rule, _ := f.refusal(got); rule != "rate" {
		t.Errorf("over the limit: rule is %q, want rate", rule)
	}
	want("a true token that was not seen yet, over the limit", here, "/", fresh, 429)
	want("a remembered true token, over the limit", here, "/", known, 200)
	want("no token, over the limit", here, "/", "", 401)
	want("a public route, over the limit", here, "/open", fresh, 200)
	want("the same address from another port", "192.0.2.1:2000", "/", forged, 429)
	want("the same address as IPv6 writes it", "[::ffff:192.0.2.1]:2000", "/", forged, 429)
	want("another address", "192.0.2.2:1000", "/", fresh, 200)
	f.clock.advance(time.Minute / 5)
	want("after Retry-After", here, "/", forged, 401)
	want("but once", here, "/", forged, 429)
	f.clock.advance(time.Minute)
	for range 5 {
		want("after the whole time", here, "/", forged, 401)
	}
	want("over the limit again", here, "/", forged, 429)

	for range 5 {
		want("a forged token over IPv6", "[2001:db8:0:1::1]:1000", "/", forged, 401)
	}
	want("the same /64", "[2001:db8:0:1:ffff::2]:1000", "/", f.mint(nil), 429)
	want("the same /64 with a zone", "[2001:db8:0:1:ffff::2%eth0]:1000", "/", f.mint(nil), 429)
	want("another /64", "[2001:db8:0:2::1]:1000", "/", f.mint(nil), 200)
}

// TestRefusalsOverTheLimitLinger holds that who is over the limit waits for
// each answer, and nobody else.
func TestRefusalsOverTheLimitLinger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffline(t, func(c *guard.Config) { c.RateLimit.AuthFailures = guard.Rate{Count: 1, Per: time.Hour} })
		defer o.guard.Close()
		const here, there = "192.0.2.1:1000", "192.0.2.2:1000"
		good, fresh := o.token(nil), o.token(nil)
		for _, ask := range []struct {
			what, peer, raw string
			status          int
			took            time.Duration
		}{
			{"a good token", here, good, 200, 0},
			{"a bad one", here, "bad", 401, 0},
			{"a bad one over the limit", here, "bad", 429, 5 * time.Millisecond},
			{"one that is not known", here, fresh, 429, 5 * time.Millisecond},
			{"one that is remembered", here, good, 200, 0},
			{"somebody else", there, fresh, 200, 0},
		} {
			began := time.Now()
			got := unwired(o.handler, ask.peer, http.Header{"Authorization": {"Bearer " + ask.raw}}, "/")
			if took := time.Since(began); got.status != ask.status || took != ask.took {
				t.Errorf("%s: got %d after %v, want %d after %v", ask.what, got.status, took, ask.status, ask.took)
			}
		}
	})
}

// TestRateLimitBehindProxy holds that the limit is the client's, not the
// proxy's, and that X-Forwarded-For of a stranger makes no new client.
func TestRateLimitBehindProxy(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) { c.RateLimit.AuthFailures = guard.Rate{Count: 2, Per: time.Minute} })
	statuses := func(f *fixture) (all []int) {
		for i := range 4 {
			got := unwired(f.guard.Handler(), "127.0.0.1:1000", http.Header{
				"Authorization": {"Bearer eyJ.e30.AA"}, "X-Forwarded-For": {fmt.Sprintf("198.51.100.%d", i)},
			}, "/")
			all = append(all, got.status)
		}
		return all
	}
	if got := fmt.Sprint(statuses(f)); got != "[401 401 429 429]" {
		t.Errorf("a stranger's X-Forwarded-For: got %s", got)
	}
	trusting := newFixture(t, func(c *guard.Config) {
		c.RateLimit.AuthFailures = guard.Rate{Count: 2, Per: time.Minute}
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	if got := fmt.Sprint(statuses(trusting)); got != "[401 401 401 401]" {
		t.Errorf("a trusted proxy's X-Forwarded-For: got %s", got)
	}
}

// TestRateLimitIsBounded holds that more addresses than are kept count neither
// for nothing nor against those who did nothing.
func TestRateLimitIsBounded(t *testing.T) {
	t.Parallel()
	o := newOffline(t, func(c *guard.Config) {
		c.RateLimit.AuthFailures = guard.Rate{Count: 1, Per: time.Hour}
		c.Logger = nil
	})
	defer o.guard.Close()
	header := http.Header{"Authorization": {"Bearer x"}}
	peer := func(i int) string { return fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255) }
	const addresses = 1<<16 + 1000
	for i := range addresses {
		if got := unwired(o.handler, peer(i), header, "/"); got.status != 401 {
			t.Fatalf("first failure of address %d: got %v, want 401", i, got)
		}
	}
	limited, asked := 0, 0
	for i := 0; i < addresses; i += 256 {
		asked++
		if unwired(o.handler, peer(i), header, "/").status == 429 {
			limited++
		}
	}
	if limited < asked/4 || limited > asked*3/4 {
		t.Errorf("%d addresses of %d are limited, want about half", limited, asked)
	}
	good := http.Header{"Authorization": {"Bearer " + o.token(nil)}}
	if got := unwired(o.handler, "192.0.2.7:1", good, "/"); got.status != 200 {
		t.Errorf("an address that did nothing: got %v, want 200", got)
	}
}
