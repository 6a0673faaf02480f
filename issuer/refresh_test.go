package issuer_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/issuer"
)

// refreshCookie refreshes as a browser does.
func (f *fixture) refreshCookie(cookies map[string]string) answer {
	f.t.Helper()
	return f.do(request{path: "/auth/refresh", cookies: cookies})
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	s := f.login("alice")
	seen := map[string]bool{s.refreshToken(): true, s.access: true}
	cookies := s.cookies
	for range 5 {
		f.clock.advance(time.Minute)
		a := f.refreshCookie(cookies)
		raw, next := a.access(t), a.refresh(t)
		if seen[raw] || seen[next] {
			t.Fatal("a token came twice")
		}
		seen[raw], seen[next] = true, true
		if c := a.cookies["__Host-refresh"]; !c.HttpOnly || !c.Secure || c.Path != "/" || c.SameSite != http.SameSiteStrictMode {
			t.Errorf("cookie is %s", c)
		}
		if _, inBody := a.json["refresh_token"]; inBody {
			t.Error("the refresh token of a cookie is in the body")
		}
		if claims(t, raw)["sid"] != claims(t, s.access)["sid"] {
			t.Error("a refresh changes the session")
		}
		if err := f.verifies(raw); err != nil {
			t.Error(err)
		}
		cookies = s.with(next)
	}
}

// TestReuseEndsTheFamily: once the grace is over, a token that was used before
// is in two hands. Nobody can tell which is the thief's, so both lose.
func TestReuseEndsTheFamily(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	s := f.login("alice")
	other := f.login("alice")
	first := f.refreshCookie(s.cookies)
	f.clock.advance(11 * time.Second)
	if a := f.refreshCookie(s.cookies); a.status != 401 || a.json["detail"] != "Invalid token" || len(a.cookies) > 0 {
		t.Errorf("reuse: got %d %s, want 401 Invalid token", a.status, a.body)
	}
	if a := f.refreshCookie(s.with(first.refresh(t))); a.status != 401 {
		t.Errorf("the family's newest token: got status %d, want 401", a.status)
	}
	for name, raw := range map[string]string{"first": s.access, "second": first.access(t)} {
		if f.active(raw) {
			t.Errorf("the family's %s access token is good still", name)
		}
	}
	if a := f.refreshCookie(other.cookies); a.status != 200 {
		t.Errorf("another session of the same user: got status %d, want 200", a.status)
	}
}

// TestGraceGivesTheSameSuccessor: an answer may be lost on the way, and two
// tabs may ask at once.
func TestGraceGivesTheSameSuccessor(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	s := f.login("alice")
	want := f.refreshCookie(s.cookies).refresh(t)
	for _, after := range []time.Duration{0, 3 * time.Second, 7 * time.Second} { // 10 s in all
		f.clock.advance(after)
		a := f.refreshCookie(s.cookies)
		if got := a.refresh(t); got != want {
			t.Errorf("%s later the repeat has another successor", after)
		}
		if err := f.verifies(a.access(t)); err != nil {
			t.Error(err)
		}
	}
	if a := f.refreshCookie(s.with(want)); a.status != 200 {
		t.Fatalf("successor: got status %d, want 200", a.status)
	}
	// Its successor has been used, so this repeat is no lost answer.
	if a := f.refreshCookie(s.cookies); a.status != 401 {
		t.Errorf("repeat after the successor was used: got status %d, want 401", a.status)
	}
	if a := f.refreshCookie(s.with(want)); a.status != 401 {
		t.Errorf("the family lives on: got status %d, want 401", a.status)
	}
}

func TestWithoutGraceEveryRepeatIsReuse(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *issuer.Config) { c.RefreshGrace = 0 })
	s := f.login("alice")
	next := f.refreshCookie(s.cookies).refresh(t)
	if a := f.refreshCookie(s.cookies); a.status != 401 {
		t.Errorf("got status %d, want 401", a.status)
	}
	if a := f.refreshCookie(s.with(next)); a.status != 401 {
		t.Errorf("the family lives on: got status %d, want 401", a.status)
	}
}

// TestWrongClientEndsTheFamily: a token in other hands than those it was given
// to was stolen, whether it is new or a repeat.
func TestWrongClientEndsTheFamily(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		steal func(s session) map[string]string
	}{
		{"no fingerprint", func(s session) map[string]string { return map[string]string{"__Host-refresh": s.refreshToken()} }},
		{"another fingerprint", func(s session) map[string]string {
			return map[string]string{"__Host-refresh": s.refreshToken(), "__Host-fingerprint": "stolen"}
		}},
	} {
		for _, repeat := range []bool{false, true} {
			f := newFixture(t, nil)
			s := f.login("alice")
			current := s.refreshToken()
			if repeat {
				current = f.refreshCookie(s.cookies).refresh(t)
			}
			if a := f.refreshCookie(tc.steal(s)); a.status != 401 {
				t.Errorf("%s, repeat %v: got status %d, want 401", tc.name, repeat, a.status)
			}
			if a := f.refreshCookie(s.with(current)); a.status != 401 {
				t.Errorf("%s, repeat %v: the family lives on: got status %d", tc.name, repeat, a.status)
			}
			if f.active(s.access) {
				t.Errorf("%s, repeat %v: its access token is good still", tc.name, repeat)
			}
		}
	}
}

// TestTokensKeepToTheirWay: a cookie's token is not taken in a body, where a
// script could read its successor, nor the other way round.
func TestTokensKeepToTheirWay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *issuer.Config) { c.Binding = issuer.BindNothing })
	s := f.login("alice")
	if a := f.refreshBody(s.refreshToken()); a.status != 400 || a.json["error"] != "invalid_grant" {
		t.Errorf("cookie's token in a body: got %d %s, want 400 invalid_grant", a.status, a.body)
	}
	b := f.password("alice")
	if a := f.refreshCookie(map[string]string{"__Host-refresh": b.refresh(t)}); a.status != 401 {
		t.Errorf("body's token in a cookie: got status %d, want 401", a.status)
	}
}

// TestManyAtOnceGetOneSuccessor is the race that logs users out elsewhere.
func TestManyAtOnceGetOneSuccessor(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	_, second := f.start()
	s := f.login("alice")
	for round := range 5 {
		var mu sync.Mutex
		successors := map[string]int{}
		each(20, func(i int) {
			server := f.server
			if i%2 == 1 {
				server = second
			}
			a := f.doAt(server, request{path: "/auth/refresh", cookies: s.cookies})
			mu.Lock()
			defer mu.Unlock()
			if a.status != 200 {
				t.Errorf("round %d: got status %d %s, want 200", round, a.status, a.body)
				return
			}
			successors[a.cookies["__Host-refresh"].Value]++
		})
		if len(successors) != 1 {
			t.Fatalf("round %d: got %d successors, want one", round, len(successors))
		}
		for next := range successors {
			s.cookies = s.with(next)
		}
	}
}

// TestThiefAndOwnerAtOnce: of two who race with one token, one of them without
// its fingerprint, the thief gets nothing, and the family ends.
func TestThiefAndOwnerAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for range 5 {
		s := f.login("alice")
		var mu sync.Mutex
		latest := s.refreshToken()
		each(8, func(i int) {
			if i%2 == 0 {
				if a := f.refreshCookie(map[string]string{"__Host-refresh": s.refreshToken()}); a.status != 401 {
					t.Errorf("thief: got status %d, want 401", a.status)
				}
				return
			}
			if a := f.refreshCookie(s.cookies); a.status == 200 {
				mu.Lock()
				defer mu.Unlock()
				latest = a.cookies["__Host-refresh"].Value
			}
		})
		if a := f.refreshCookie(s.with(latest)); a.status != 401 {
			t.Errorf("the family lives on: got status %d, want 401", a.status)
		}
	}
}

func TestFamilyHasAnEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *issuer.Config) { c.RefreshTTL = time.Hour })
	s := f.login("alice")
	began := f.clock.now()
	for range 11 {
		f.clock.advance(5 * time.Minute)
		a := f.refreshCookie(s.cookies)
		if left := began.Add(time.Hour).Sub(f.clock.now()); a.cookies["__Host-refresh"].MaxAge != int(left/time.Second) {
			t.Errorf("cookie lives %d s, want what is left, %s", a.cookies["__Host-refresh"].MaxAge, left)
		}
		s.cookies = s.with(a.refresh(t))
	}
	f.clock.advance(4*time.Minute + 50*time.Second)
	a := f.refreshCookie(s.cookies)
	if got := a.json["expires_in"]; got != 10.0 {
		t.Errorf("got an access token for %v s, want the 10 s that the session has left", got)
	}
	f.clock.advance(10 * time.Second)
	if a := f.refreshCookie(s.with(a.refresh(t))); a.status != 401 {
		t.Errorf("after its end: got status %d, want 401", a.status)
	}
}

// TestClockMovedBack must neither let anybody in for longer nor lock users out.
func TestClockMovedBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	s := f.login("alice")
	next := f.refreshCookie(s.cookies).refresh(t)
	f.clock.advance(-5 * time.Second)
	if got := f.refreshCookie(s.cookies).refresh(t); got != next {
		t.Error("a small step back makes the repeat another one")
	}
	f.clock.advance(-time.Hour)
	after := f.refreshCookie(s.with(next))
	if after.status != 200 {
		t.Fatalf("an hour back: got status %d, want 200", after.status)
	}
	f.clock.advance(time.Hour)
	if a := f.refreshCookie(s.with(next)); a.status != 401 {
		t.Errorf("the grace began an hour back: got status %d, want 401", a.status)
	}
}

// TestForgedRefreshTokensEndNothing: whoever knows a session's name must not be
// able to end it.
func TestForgedRefreshTokensEndNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	s := f.login("alice")
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(s.refreshToken(), "wtr_"))
	if err != nil {
		t.Fatal(err)
	}
	change := func(at int) string {
		b := append([]byte(nil), raw...)
		b[at] ^= 1
		return "wtr_" + base64.RawURLEncoding.EncodeToString(b)
	}
	other := newFixture(t, nil)
	for name, forged := range map[string]string{
		"empty":                    "",
		"prefix alone":             "wtr_",
		"other prefix":             "wtx_" + s.refreshToken()[4:],
		"subject changed":          change(0),
		"session changed":          change(16),
		"number changed":           change(35),
		"high number":              change(32),
		"mac changed":              change(67),
		"cut short":                s.refreshToken()[:len(s.refreshToken())-1],
		"longer":                   s.refreshToken() + "A",
		"spelt another way":        s.refreshToken()[:len(s.refreshToken())-1] + nextLetter(s.refreshToken()),
		"padded":                   s.refreshToken() + "=",
		"another issuer's":         other.login("alice").refreshToken(),
		"an access token":          s.access,
		"huge":                     "wtr_" + strings.Repeat("A", 4000),
		"zeros of the right shape": "wtr_" + strings.Repeat("A", 91),
	} {
		if a := f.refreshCookie(s.with(forged)); a.status != 401 {
			t.Errorf("%s: got status %d, want 401", name, a.status)
		}
		if a := f.refreshBody(forged); a.status != 400 {
			t.Errorf("%s in the body: got status %d, want 400", name, a.status)
		}
	}
	q := request{path: "/auth/refresh", header: http.Header{"Cookie": {"__Host-refresh=" + s.refreshToken() + "; __Host-refresh=x; __Host-fingerprint=" + s.cookies["__Host-fingerprint"]}}}
	if a := f.do(q); a.status != 401 {
		t.Errorf("two cookies: got status %d, want 401", a.status)
	}
	if a := f.refreshCookie(s.cookies); a.status != 200 {
		t.Errorf("the session was ended by a forgery: got status %d, want 200", a.status)
	}
}

// nextLetter gives another last letter that decodes to the same bytes.
func nextLetter(token string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(letters[strings.IndexByte(letters, token[len(token)-1])+1])
}

// TestRefreshFollowsTheUser: a lock, a new password and fewer scopes reach
// sessions that run.
func TestRefreshFollowsTheUser(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*issuer.Users) error
	}{
		{"disabled", func(u *issuer.Users) error { return u.SetDisabled(t.Context(), "alice", true) }},
		{"new password", func(u *issuer.Users) error { return u.SetPassword(t.Context(), "alice", "another password") }},
	} {
		f := newFixture(t, nil)
		s, body := f.login("alice"), f.password("alice")
		f.addUser("bob")
		bob := f.login("bob")
		if err := tc.change(issuer.NewUsers(f.store, 0, f.clock.now)); err != nil { // as the verb does
			t.Fatal(err)
		}
		if a := f.refreshCookie(s.cookies); a.status != 401 {
			t.Errorf("%s: got status %d, want 401", tc.name, a.status)
		}
		if a := f.refreshBody(body.refresh(t)); a.status != 400 {
			t.Errorf("%s: got status %d, want 400", tc.name, a.status)
		}
		if f.active(s.access) {
			t.Errorf("%s: an access token is good still", tc.name)
		}
		if a := f.refreshCookie(bob.cookies); a.status != 200 {
			t.Errorf("%s: another user: got status %d, want 200", tc.name, a.status)
		}
	}
}

// TestRefreshFollowsRevocations: what an operator revokes is not renewed.
func TestRefreshFollowsRevocations(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		what func(f *fixture, s session) revocation.Revocation
	}{
		{"session", func(f *fixture, s session) revocation.Revocation {
			return revocation.Revocation{SID: claims(t, s.access)["sid"].(string)}
		}},
		{"subject", func(*fixture, session) revocation.Revocation { return revocation.Revocation{Subject: "alice"} }},
		{"all until now", func(f *fixture, _ session) revocation.Revocation {
			return revocation.Revocation{Before: f.clock.now().Add(time.Second)}
		}},
	} {
		f := newFixture(t, nil)
		s := f.login("alice")
		if err := revocation.Put(t.Context(), f.store, tc.what(f, s), f.clock.now(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if a := f.refreshCookie(s.cookies); a.status != 401 {
			t.Errorf("%s: got status %d, want 401", tc.name, a.status)
		}
		f.clock.advance(2 * time.Hour) // the revocation has expired; the session must have ended
		if a := f.refreshCookie(s.cookies); a.status != 401 {
			t.Errorf("%s: the session came back: got status %d, want 401", tc.name, a.status)
		}
		if a := f.do(loginJSON("alice", testPassword)); a.status != 200 {
			t.Errorf("%s: a new login: got status %d, want 200", tc.name, a.status)
		}
	}
}

// TestRefreshWithoutStore: 503 at once, nothing half done, and the token that
// was not used up is good when the store is back.
func TestRefreshWithoutStore(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		hurt func(*faultyStore)
	}{
		{"gone", func(s *faultyStore) { s.down.Store(true) }},
		{"lost before the write", func(s *faultyStore) { s.failAt.Store(1) }},
		{"lost after the write", func(s *faultyStore) { s.lostAt.Store(1) }},
	} {
		f := newFixture(t, nil)
		s := f.login("alice")
		tc.hurt(f.store)
		a := f.refreshCookie(s.cookies)
		if a.status != 503 || a.json["detail"] != "Temporarily unavailable" || a.header.Get("Retry-After") == "" || len(a.cookies) > 0 {
			t.Errorf("%s: got %d %s, want 503 Temporarily unavailable", tc.name, a.status, a.body)
		}
		f.store.down.Store(false)
		if a := f.refreshCookie(s.cookies); a.status != 200 {
			t.Errorf("%s: got status %d after it, want 200", tc.name, a.status)
		}
	}
}

// TestReuseWhileTheStoreFails: the end of the family must not be lost, wherever
// the store fails (fosite CVE-2020-15223).
func TestReuseWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		hurt func(*faultyStore)
	}{
		{"at the family", func(s *faultyStore) { s.failAt.Store(1) }},
		{"after the family", func(s *faultyStore) { s.lostAt.Store(1) }},
		{"at the revocation", func(s *faultyStore) { s.failAt.Store(2) }},
	} {
		f := newFixture(t, nil)
		s := f.login("alice")
		next := f.refreshCookie(s.cookies)
		f.clock.advance(time.Minute)
		tc.hurt(f.store)
		if a := f.refreshCookie(s.cookies); a.status != 503 {
			t.Errorf("%s: got status %d, want 503", tc.name, a.status)
		}
		if a := f.refreshCookie(s.cookies); a.status != 401 {
			t.Errorf("%s: got status %d at the second try, want 401", tc.name, a.status)
		}
		if f.active(next.access(t)) {
			t.Errorf("%s: an access token is good still", tc.name)
		}
		if a := f.refreshCookie(s.with(next.refresh(t))); a.status != 401 {
			t.Errorf("%s: the family lives on: got status %d", tc.name, a.status)
		}
	}
}

// TestRevocationIsMadeUpFor: access tokens of an ended family are revoked as
// soon as the store takes it, without anybody asking again.
func TestRevocationIsMadeUpFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	s := f.login("alice")
	f.store.failAt.Store(2)
	if a := f.do(request{path: "/auth/logout", cookies: s.cookies}); a.status != 503 {
		t.Fatalf("got status %d, want 503", a.status)
	}
	eventually(t, "the revocation", func() bool { return !f.active(s.access) })
}

// TestStoreThatForgot: after a failover a store may lack its last writes. The
// owner's newest token is good still.
func TestStoreThatForgot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	s := f.login("alice")
	var key string
	before := f.store.all(t)
	for k := range before {
		if strings.HasPrefix(k, "issuer/session/") {
			key = k
		}
	}
	next := f.refreshCookie(s.cookies).refresh(t)
	now := f.store.all(t)[key]
	if err := f.store.Replace(t.Context(), key, []byte(now), []byte(before[key]), f.clock.now().Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	a := f.refreshCookie(s.with(next))
	if a.status != 200 {
		t.Fatalf("got status %d, want 200", a.status)
	}
	f.clock.advance(time.Minute)
	if a := f.refreshCookie(s.cookies); a.status != 401 {
		t.Errorf("the old token: got status %d, want 401", a.status)
	}
}

func TestRefreshNarrowsScopes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	b := f.password("alice")
	refresh := func(token, scope string) answer {
		return f.do(request{path: "/auth/token", form: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "scope": {scope}}})
	}
	a := refresh(b.refresh(t), "read")
	if got := claims(t, a.access(t))["scope"]; got != "read" {
		t.Errorf("got scope %v, want read", got)
	}
	if a := refresh(a.refresh(t), "admin"); a.status != 400 || a.json["error"] != "invalid_scope" {
		t.Errorf("more: got %d %s, want 400 invalid_scope", a.status, a.body)
	}
	a = refresh(a.refresh(t), "")
	if got := claims(t, a.access(t))["scope"]; got != "read write" {
		t.Errorf("got scope %v, want all again (RFC 6749 §6)", got)
	}
}

func FuzzRefreshToken(f *testing.F) {
	fix := newFixture(f, nil)
	b := fix.password("alice").refresh(f)
	for _, seed := range []string{b, "", "wtr_", b + "=", b[:50], "wtr_" + strings.Repeat("A", 91), strings.ToUpper(b)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == b {
			return
		}
		if _, err := tokenCall(fix.issuer, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}}); err == nil {
			t.Errorf("a token that was never given out is accepted: %q", text)
		}
	})
}

// TestForeignKeysAreRefused: a lost key encryption file must not be made up for.
func TestForeignKeysAreRefused(t *testing.T) {
	t.Parallel()
	shared := newFixture(t, nil)
	// The same store and another key encryption key cannot even start.
	cfg := shared.config
	cfg.KeyEncryption = issuer.NewKeyEncryption()
	if is, err := issuer.New(cfg); err == nil {
		_ = is.Close()
		t.Error("an issuer starts on keys that it cannot open")
	} else if !strings.Contains(err.Error(), "key encryption file") {
		t.Errorf("got %v, want a word about the key encryption file", err)
	}
}
