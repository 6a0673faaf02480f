package issuer_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/issuer"
)

func loginJSON(name, password string) request {
	return request{path: "/auth/login", json: map[string]string{"username": name, "password": password}}
}

func TestLoginAnswers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, tc := range []struct {
		name string
		q    request
	}{
		{"JSON", loginJSON("alice", testPassword)},
		{"form", request{path: "/auth/login", form: url.Values{"username": {"alice"}, "password": {testPassword}}}},
		{"form with more", request{path: "/auth/login", form: url.Values{"username": {"alice"}, "password": {testPassword}, "remember": {"1"}}}},
		{"JSON with more", request{path: "/auth/login", body: `{"remember":true,"x":[{}],"username":"alice","password":"` + testPassword + `"}`, kind: "application/json; charset=UTF-8"}},
		{"trailing slash", request{path: "/auth/login/", json: map[string]string{"username": "alice", "password": testPassword}}},
	} {
		a := f.do(tc.q)
		raw := a.access(t)
		if got := slices.Sorted(mapKeys(a.json)); !slices.Equal(got, []string{"access_token", "expires_in", "scope", "token_type"}) {
			t.Errorf("%s: got members %v", tc.name, got)
		}
		if a.json["token_type"] != "Bearer" || a.json["expires_in"] != 300.0 || a.json["scope"] != "read write" {
			t.Errorf("%s: got %v", tc.name, a.json)
		}
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: got Cache-Control %q, want no-store", tc.name, got)
		}
		if err := f.verifies(raw); err != nil {
			t.Errorf("%s: token does not verify: %v", tc.name, err)
		}
	}
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestAccessTokenIsRFC9068 holds the token to the profile, by another library.
func TestAccessTokenIsRFC9068(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		f := newFixture(t, func(c *issuer.Config) { c.Algorithm = alg })
		first, second := f.login("alice").access, f.login("alice").access
		h := header(t, first)
		if h["alg"] != alg || h["typ"] != "at+jwt" || h["kid"] == "" {
			t.Errorf("%s: got header %v", alg, h)
		}
		keys := f.do(request{path: "/.well-known/jwks.json"})
		parsed, err := jwt.Parse(first, func(tok *jwt.Token) (any, error) { return publicKey(t, keys.body, tok.Header["kid"].(string)), nil },
			jwt.WithValidMethods([]string{alg}), jwt.WithIssuer(testURL), jwt.WithAudience(testAudience), jwt.WithTimeFunc(f.clock.now),
			jwt.WithIssuedAt(), jwt.WithExpirationRequired())
		if err != nil || !parsed.Valid {
			t.Errorf("%s: golang-jwt refuses the token: %v", alg, err)
		}
		got := claims(t, first)
		now := float64(f.clock.now().Unix())
		want := map[string]any{
			"iss": testURL, "aud": testAudience, "sub": "alice", "iat": now, "nbf": now, "exp": now + 300,
			"client_id": "wiretight", "scope": "read write", "jti": got["jti"], "sid": got["sid"], "cnf": got["cnf"],
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: claims differ (-want +got):\n%s", alg, diff)
		}
		if id, _ := got["jti"].(string); len(id) != 22 || id == claims(t, second)["jti"] {
			t.Errorf("%s: got jti %q, want 128 random bits", alg, id)
		}
		if got["sid"] == claims(t, second)["sid"] {
			t.Errorf("%s: two logins have one session", alg)
		}
	}
}

func TestCookiesAreLockedDown(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		change   func(*issuer.Config)
		sameSite http.SameSite
		names    []string
	}{
		{"default", nil, http.SameSiteStrictMode, []string{"__Host-fingerprint", "__Host-refresh"}},
		{"lax", func(c *issuer.Config) { c.SameSite = "lax" }, http.SameSiteLaxMode, []string{"__Host-fingerprint", "__Host-refresh"}},
		{"access cookie", func(c *issuer.Config) { c.AccessCookie = true }, http.SameSiteStrictMode, []string{"__Host-access", "__Host-fingerprint", "__Host-refresh"}},
		{"no binding", func(c *issuer.Config) { c.Binding = issuer.BindNothing }, http.SameSiteStrictMode, []string{"__Host-refresh"}},
	} {
		f := newFixture(t, tc.change)
		a := f.do(loginJSON("alice", testPassword))
		if got := slices.Sorted(mapKeys(a.cookies)); !slices.Equal(got, tc.names) {
			t.Errorf("%s: got cookies %v, want %v", tc.name, got, tc.names)
		}
		for name, c := range a.cookies {
			if !c.HttpOnly || !c.Secure || c.Path != "/" || c.Domain != "" || c.SameSite != tc.sameSite {
				t.Errorf("%s: cookie %s is %s", tc.name, name, c)
			}
			if want := 86400; name != "__Host-access" && c.MaxAge != want {
				t.Errorf("%s: cookie %s lives %d s, want %d", tc.name, name, c.MaxAge, want)
			}
		}
		if _, inBody := a.json["access_token"]; inBody == slices.Contains(tc.names, "__Host-access") {
			t.Errorf("%s: access token in the body: %v", tc.name, inBody)
		}
		if _, inBody := a.json["refresh_token"]; inBody {
			t.Errorf("%s: a cookie's refresh token is in the body too", tc.name)
		}
	}
}

// TestFailedLoginsLookAlike compares every kind of failure byte by byte: nobody
// learns from them who exists.
func TestFailedLoginsLookAlike(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *issuer.Config) { c.Login = issuer.Rate{Count: 1000, Per: time.Minute} })
	f.addUser("bob", "read")
	f.addUser("eve")
	if err := f.issuer.Users().SetDisabled(t.Context(), "bob", true); err != nil {
		t.Fatal(err)
	}
	type seen struct {
		status int
		header http.Header
		body   string
	}
	look := func(q request) seen {
		a := f.do(q)
		a.header.Del("Date")
		return seen{a.status, a.header, a.body}
	}
	want := look(loginJSON("alice", "wrong password"))
	if want.status != 401 || !strings.Contains(want.body, "Wrong username or password") {
		t.Fatalf("got %d %s, want 401 and no more than that it is wrong", want.status, want.body)
	}
	for _, tc := range []struct{ name, user, password string }{
		{"unknown user", "nobody", "wrong password"},
		{"disabled user, right password", "bob", testPassword},
		{"disabled user, wrong password", "bob", "wrong password"},
		{"no user", "", "wrong password"},
		{"no password", "alice", ""},
		{"neither", "", ""},
		{"other case", "Alice", testPassword},
		{"space behind", "alice ", testPassword},
		{"client's id", "billing", "billing-secret-0123456789"},
		{"control characters", "ali\x00ce", testPassword},
		{"long name", strings.Repeat("a", 5000), testPassword},
		{"long password", "alice", strings.Repeat("a", 5000)},
		{"password and a newline", "alice", testPassword + "\n"},
	} {
		if diff := cmp.Diff(want, look(loginJSON(tc.user, tc.password)), cmp.AllowUnexported(seen{})); diff != "" {
			t.Errorf("%s is told apart (-want +got):\n%s", tc.name, diff)
		}
	}
	token := func(user, password string) seen {
		return look(request{path: "/auth/token", form: url.Values{"grant_type": {"password"}, "username": {user}, "password": {password}}})
	}
	if diff := cmp.Diff(token("alice", "wrong password"), token("nobody", "wrong password"), cmp.AllowUnexported(seen{})); diff != "" {
		t.Errorf("the token endpoint tells them apart (-want +got):\n%s", diff)
	}
}

// TestUnknownUserCostsTheSame compares medians: an unknown user must cost the
// hash that a known one costs, within what a busy machine adds.
func TestUnknownUserCostsTheSame(t *testing.T) {
	f := newFixture(t, func(c *issuer.Config) { c.Login = issuer.Rate{Count: 100000, Per: time.Minute} })
	median := func(name func(int) string) time.Duration {
		var took []time.Duration
		for i := range 15 {
			start := time.Now()
			f.do(loginJSON(name(i), "wrong password"))
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	var ratio float64
	for range 5 { // whatever else the machine does passes
		known := median(func(int) string { return "alice" })
		unknown := median(func(i int) string { return "nobody" + strconv.Itoa(i) })
		ratio = float64(unknown) / float64(known)
		if 0.7 < ratio && ratio < 1.4 {
			t.Logf("known %v, unknown %v", known, unknown)
			return
		}
	}
	t.Errorf("an unknown user costs %.2f times what a known one costs", ratio)
}

// TestLimitOfMany has intervals that are shorter than the store takes.
func TestLimitOfMany(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *issuer.Config) {
		c.Login = issuer.Rate{Count: 60_000_000, Per: time.Minute}
		c.Store, c.Now = nil, time.Now // the time of day goes on
	})
	for range 5 {
		if a := f.do(loginJSON("alice", "wrong password")); a.status != 401 {
			t.Errorf("got %d for a wrong password, want 401", a.status)
		}
	}
}

func TestLoginRefusesBodies(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	good := `{"username":"alice","password":"` + testPassword + `"}`
	form := "username=alice&password=" + url.QueryEscape(testPassword)
	const asJSON, asForm = "application/json", "application/x-www-form-urlencoded"
	for _, tc := range []struct {
		name   string
		q      request
		status int
	}{
		{"text/plain, as a cross-site form can send", request{body: good, kind: "text/plain"}, 415},
		{"no type", request{body: good}, 415},
		{"multipart", request{body: good, kind: "multipart/form-data; boundary=x"}, 415},
		{"XML", request{body: "<a/>", kind: "application/xml"}, 415},
		{"other charset", request{body: form, kind: asForm + "; charset=utf-16"}, 415},
		{"two types", request{body: good, kind: "", header: http.Header{"Content-Type": {asJSON, "text/plain"}}}, 415},
		{"compressed", request{body: good, kind: asJSON, header: http.Header{"Content-Encoding": {"gzip"}}}, 415},
		{"huge form", request{body: form + "&x=" + strings.Repeat("a", 1<<20), kind: asForm}, 413},
		{"huge JSON", request{body: `{"x":"` + strings.Repeat("a", 1<<20) + `"}`, kind: asJSON}, 413},
		{"deep JSON", request{body: `{"x":` + strings.Repeat("[", 15000), kind: asJSON}, 400},
		{"username twice in the form", request{body: form + "&username=bob", kind: asForm}, 400},
		{"username twice in JSON", request{body: `{"username":"bob",` + good[1:], kind: asJSON}, 400},
		{"semicolons", request{body: "username=alice;password=x", kind: asForm}, 400},
		{"bad escape", request{body: "username=%zz", kind: asForm}, 400},
		{"not UTF-8 in the form", request{body: "username=%ff", kind: asForm}, 400},
		{"not UTF-8 in JSON", request{body: "{\"username\":\"\xff\"}", kind: asJSON}, 400},
		{"array", request{body: "[" + good + "]", kind: asJSON}, 400},
		{"two objects", request{body: good + good, kind: asJSON}, 400},
		{"cut short", request{body: good[:len(good)-1], kind: asJSON}, 400},
		{"empty", request{kind: asJSON, body: " "}, 400},
		{"null", request{body: "null", kind: asJSON}, 400},
		{"names are no strings", request{body: `{"username":["alice"],"password":{"a":1}}`, kind: asJSON}, 401},
		{"in the URL", request{path: "/auth/login?username=alice&password=x", body: form, kind: asForm}, 400},
		{"GET", request{method: "GET"}, 405},
		{"PUT", request{method: "PUT", body: good, kind: asJSON}, 405},
	} {
		if tc.q.path == "" {
			tc.q.path = "/auth/login"
		}
		a := f.do(tc.q)
		if a.status != tc.status {
			t.Errorf("%s: got status %d, want %d (%s)", tc.name, a.status, tc.status, shorten(a.body))
		}
		if len(a.cookies) > 0 {
			t.Errorf("%s: a refusal sets cookies", tc.name)
		}
		if tc.status == 405 && a.header.Get("Allow") != "POST" {
			t.Errorf("%s: got Allow %q, want POST", tc.name, a.header.Get("Allow"))
		}
	}
}

func TestLoginNarrowsScopes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.addUser("plain")
	for _, tc := range []struct {
		name, user, scope string
		status            int
		want              string
	}{
		{"all", "alice", "", 200, "read write"},
		{"fewer", "alice", "write", 200, "write"},
		{"twice the same", "alice", "read read", 200, "read"},
		{"more", "alice", "read admin", 400, ""},
		{"of nobody", "plain", "read", 400, ""},
		{"none", "plain", "", 200, ""},
	} {
		q := loginJSON(tc.user, testPassword)
		q.json.(map[string]string)["scope"] = tc.scope
		a := f.do(q)
		if a.status != tc.status {
			t.Errorf("%s: got status %d, want %d", tc.name, a.status, tc.status)
			continue
		}
		if tc.status == 200 {
			if got, _ := claims(t, a.access(t))["scope"].(string); got != tc.want {
				t.Errorf("%s: got scope %q, want %q", tc.name, got, tc.want)
			}
		}
	}
}

// TestLoginLimits: wrong passwords count by user and by address, whoever is
// meant by the client's own headers.
func TestLoginLimits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		user func(int) string
		more http.Header
	}{
		{"one user", func(int) string { return "alice" }, nil},
		{"one address, many names", func(i int) string { return "user" + strconv.Itoa(i) }, nil},
		{"one address, forged headers", func(i int) string { return "user" + strconv.Itoa(i) }, http.Header{"X-Forwarded-For": {"198.51.100.7"}, "Forwarded": {"for=198.51.100.8"}, "X-Real-Ip": {"198.51.100.9"}}},
	} {
		f := newFixture(t, nil)
		for i := range 10 {
			q := loginJSON(tc.user(i), "wrong password")
			if tc.more != nil {
				q.header = tc.more.Clone()
				q.header["X-Forwarded-For"] = []string{fmt.Sprintf("198.51.100.%d", i)}
			}
			if a := f.do(q); a.status != 401 {
				t.Fatalf("%s: attempt %d: got status %d, want 401", tc.name, i, a.status)
			}
		}
		a := f.do(loginJSON(tc.user(0), testPassword))
		wait, err := strconv.Atoi(a.header.Get("Retry-After"))
		if a.status != 429 || err != nil || wait < 1 || wait > 60 {
			t.Errorf("%s: got status %d and Retry-After %q, want 429 and some seconds", tc.name, a.status, a.header.Get("Retry-After"))
		}
		f.clock.advance(time.Duration(wait) * time.Second)
		if a := f.do(loginJSON("alice", testPassword)); a.status != 200 {
			t.Errorf("%s: got status %d after the wait, want 200", tc.name, a.status)
		}
	}
}

// TestLoginLimitCountsByUserFromEverywhere spreads guesses over addresses, and
// over instances that share a store.
func TestLoginLimitCountsByUserFromEverywhere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	second, _ := f.start()
	statuses := map[int]int{}
	for i := range 30 {
		is := f.issuer
		if i%2 == 1 {
			is = second
		}
		server := httptest.NewServer(from(is, fmt.Sprintf("192.0.2.%d", i+1)))
		statuses[f.doAt(server, loginJSON("alice", "wrong password")).status]++
		server.Close()
	}
	if diff := cmp.Diff(map[int]int{401: 10, 429: 20}, statuses); diff != "" {
		t.Errorf("statuses differ (-want +got):\n%s", diff)
	}
}

// TestOneNetworkIsOneAddress: a customer has a whole /64 of IPv6.
func TestOneNetworkIsOneAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	statuses := map[int]int{}
	for i := range 20 {
		server := httptest.NewServer(from(f.issuer, fmt.Sprintf("2001:db8::%x", i+1)))
		statuses[f.doAt(server, loginJSON("nobody"+strconv.Itoa(i), "wrong password")).status]++
		server.Close()
	}
	if diff := cmp.Diff(map[int]int{401: 10, 429: 10}, statuses); diff != "" {
		t.Errorf("statuses differ (-want +got):\n%s", diff)
	}
	server := httptest.NewServer(from(f.issuer, "2001:db8:0:1::1"))
	defer server.Close()
	if a := f.doAt(server, loginJSON("alice", testPassword)); a.status != 200 {
		t.Errorf("another network: got status %d, want 200", a.status)
	}
}

// TestGuessesAtOnceDoNotSlipThrough: the limit holds for guesses that are all
// under way before the first has failed.
func TestGuessesAtOnceDoNotSlipThrough(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	var guessed, refused atomic.Int64
	each(40, func(int) {
		switch f.do(loginJSON("alice", "wrong password")).status {
		case 401:
			guessed.Add(1)
		case 429:
			refused.Add(1)
		}
	})
	if guessed.Load() > 10 || guessed.Load()+refused.Load() != 40 {
		t.Errorf("got %d guesses and %d refusals of 40, want at most 10 guesses", guessed.Load(), refused.Load())
	}
}

// TestRightPasswordsDoNotCount: a busy user is no attacker.
func TestRightPasswordsDoNotCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for i := range 15 {
		if a := f.do(loginJSON("alice", testPassword)); a.status != 200 {
			t.Fatalf("login %d: got status %d, want 200", i, a.status)
		}
	}
}

// TestLoginMakesANewSession: what a browser brought along is not taken over,
// and the session that it had ends (session fixation).
func TestLoginMakesANewSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	old := f.login("alice")
	q := loginJSON("alice", testPassword)
	q.cookies = old.cookies
	renewed := f.sessionOf(f.do(q))
	for _, name := range []string{"__Host-refresh", "__Host-fingerprint"} {
		if renewed.cookies[name] == old.cookies[name] {
			t.Errorf("cookie %s stayed the same over a login", name)
		}
	}
	if a := f.do(request{path: "/auth/refresh", cookies: old.cookies}); a.status != 401 {
		t.Errorf("the replaced session refreshes: got status %d, want 401", a.status)
	}
	if f.active(old.access) {
		t.Error("the replaced session's access token is good still")
	}
	if a := f.do(request{path: "/auth/refresh", cookies: renewed.cookies}); a.status != 200 {
		t.Errorf("the new session: got status %d, want 200", a.status)
	}
	q.cookies = map[string]string{"__Host-refresh": "wtr_fixed", "__Host-fingerprint": "fixed"}
	if fixed := f.sessionOf(f.do(q)); fixed.cookies["__Host-fingerprint"] == "fixed" {
		t.Error("a fingerprint that was planted is taken over")
	}
}

func TestLoginWithoutStore(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		hurt func(*faultyStore)
	}{
		{"gone", func(s *faultyStore) { s.down.Store(true) }},
		{"full", func(s *faultyStore) { s.full.Store(true) }},
		{"gone at the session", func(s *faultyStore) { s.failAt.Store(1) }},
	} {
		f := newFixture(t, nil)
		tc.hurt(f.store)
		start := time.Now()
		a := f.do(loginJSON("alice", testPassword))
		if a.status != 503 || a.header.Get("Retry-After") == "" || a.json["detail"] != "Temporarily unavailable" {
			t.Errorf("%s: got %d %s, want 503 Temporarily unavailable", tc.name, a.status, a.body)
		}
		if len(a.cookies) > 0 || a.json["access_token"] != nil {
			t.Errorf("%s: a refused login gives something out", tc.name)
		}
		if took := time.Since(start); took > patience {
			t.Errorf("%s: the answer took %s", tc.name, took)
		}
		f.store.down.Store(false)
		f.store.full.Store(false)
		if a := f.do(loginJSON("alice", testPassword)); a.status != 200 {
			t.Errorf("%s: got status %d after it, want 200", tc.name, a.status)
		}
	}
}

// TestWrongPasswordThatCannotBeCounted must not be answered as wrong: with the
// store away guesses would be free.
func TestWrongPasswordThatCannotBeCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.store.failAt.Store(1)
	if a := f.do(loginJSON("alice", "wrong password")); a.status != 503 {
		t.Errorf("got status %d, want 503", a.status)
	}
}

// TestNothingSecretIsLoggedOrStored looks for canaries in every sink.
func TestNothingSecretIsLoggedOrStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	s := f.login("alice")
	body := f.password("alice")
	f.do(loginJSON("alice", "canary-wrong-password"))
	next := f.do(request{path: "/auth/refresh", cookies: s.cookies})
	f.do(request{path: "/auth/refresh", cookies: map[string]string{"__Host-refresh": "wtr_canary"}})
	f.do(request{path: "/auth/logout", cookies: s.with(next.refresh(t))})
	secrets := []string{testPassword, "canary", "billing-secret", s.access, s.refreshToken(), s.cookies["__Host-fingerprint"], body.refresh(t), next.refresh(t)}
	var sinks bytes.Buffer
	sinks.WriteString(f.log.String())
	for k, v := range f.store.all(t) {
		sinks.WriteString(k + "\n" + v + "\n")
	}
	for _, secret := range secrets {
		if strings.Contains(sinks.String(), secret) {
			t.Errorf("%s… stands in the log or the store", secret[:min(6, len(secret))])
		}
	}
	if !strings.Contains(f.log.String(), "refresh") {
		t.Error("the log is empty, so that this test tells nothing")
	}
}
