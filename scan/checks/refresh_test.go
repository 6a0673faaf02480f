package checks

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/scan"
)

// sessionAPI is an API whose logins can be refreshed. The zero value rotates
// strictly; each field opens something.
type sessionAPI struct {
	// rotation is what a refresh does:
	//   ""           a new token, and who shows an old one ends the family
	//   "same"       the same token again
	//   "none"       no token, and the first lives on
	//   "once"       no token, and the first is used up
	//   "any"        a new token, and old ones live on
	//   "grace"      an old one brings a new one until its successor is used
	//   "repeat"     an old one always brings the same successor
	//   "limited"    an old one is answered 429
	//   "sick"       an old one is answered 500
	//   "broken"     the first refresh is refused
	//   "no refresh" there is no such path
	//   "no refresh tokens" the login gives none
	rotation string
	// mint makes refresh tokens, the nth at a time. Nil: random.
	mint func(n int, now time.Time) string
	// claims are added to access tokens, and extra to answers.
	claims, extra map[string]any
	// opaque makes access tokens that are no JWTs.
	opaque bool
	// cache is Cache-Control by path; "-" is none at all. Absent: no-store.
	cache map[string]string
	// failure answers the nth failed login. Nil: 401, and 429 from the sixth.
	failure func(w http.ResponseWriter, n int)
	// cookie puts the access token into a cookie instead of the body.
	cookie bool
	// date is the header Date of logins; empty: none. Nil: as servers send it.
	date func() string
}

// runningAPI is a sessionAPI and what it remembers.
type runningAPI struct {
	sessionAPI
	mu           sync.Mutex
	made, failed int
	access       map[string]bool
	links        map[string]*link
}

// link is a refresh token.
type link struct {
	next       string
	used, dead bool
}

func (a sessionAPI) start(t testing.TB) *fixture {
	t.Helper()
	s := &runningAPI{sessionAPI: a, access: map[string]bool{}, links: map[string]*link{}}
	f := serve(t, server{Handler: http.HandlerFunc(s.serve)})
	f.Config.LoginURL, f.Config.LoginJSON = "/login", `{"username":"alice","password":"correct horse"}`
	f.Config.Protected = []string{"/me"}
	return f
}

func (s *runningAPI) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch v := s.cache[r.URL.Path]; v {
	case "":
	case "-":
		w.Header().Del("Cache-Control")
	default:
		w.Header().Set("Cache-Control", v)
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c, err := r.Cookie("sid"); err == nil && s.cookie {
		token = c.Value
	}
	switch {
	case r.URL.Path == "/login" && r.Method == "POST":
		s.login(w, r)
	case r.URL.Path == "/refresh" && r.Method == "POST" && s.rotation != "no refresh":
		s.refresh(w, r)
	case r.URL.Path == "/me" && s.access[token]:
		answer(w, 200, `{"name":"alice"}`)
	case r.URL.Path == "/me":
		answer(w, 401, `{"detail":"Not authenticated"}`)
	default:
		answer(w, 404, `{"detail":"Not Found"}`)
	}
}

func (s *runningAPI) login(w http.ResponseWriter, r *http.Request) {
	var b struct{ Username, Password string }
	if json.NewDecoder(r.Body).Decode(&b) != nil {
		answer(w, 400, `{"detail":"Malformed"}`)
		return
	}
	if s.date != nil {
		w.Header()["Date"] = nil
		if d := s.date(); d != "" {
			w.Header().Set("Date", d)
		}
	}
	if b.Username == "alice" && b.Password == "correct horse" {
		s.grant(w, s.issue())
		return
	}
	s.failed++
	switch {
	case s.failure != nil:
		s.failure(w, s.failed)
	case s.failed > 5:
		w.Header().Set("Retry-After", "60")
		answer(w, 429, `{"detail":"Too many requests"}`)
	default:
		answer(w, 401, `{"detail":"Wrong"}`)
	}
}

// issue makes a refresh token. Those of the same text are one.
func (s *runningAPI) issue() string {
	s.made++
	refresh := rand.Text()
	if s.mint != nil {
		refresh = s.mint(s.made, time.Now())
	}
	if s.links[refresh] == nil {
		s.links[refresh] = &link{}
	}
	return refresh
}

func (s *runningAPI) refresh(w http.ResponseWriter, r *http.Request) {
	var b struct {
		Refresh string `json:"refresh_token"`
	}
	if json.NewDecoder(r.Body).Decode(&b) != nil {
		answer(w, 422, `{"detail":"Malformed"}`)
		return
	}
	l := s.links[b.Refresh]
	if l == nil || l.dead || s.rotation == "broken" {
		answer(w, 401, `{"detail":"Invalid refresh token"}`)
		return
	}
	again := l.used
	l.used = true
	switch {
	case s.rotation == "same":
		s.grant(w, b.Refresh)
	case s.rotation == "none":
		s.grant(w, "")
	case s.rotation == "repeat" && again:
		s.grant(w, l.next)
	case s.rotation == "limited" && again:
		answer(w, 429, `{"detail":"Too many requests"}`)
	case s.rotation == "sick" && again:
		answer(w, 500, `{"detail":"Internal Server Error"}`)
	case s.rotation == "once" && !again:
		s.grant(w, "")
	case s.rotation == "grace" && again && s.links[l.next].used, s.rotation == "once", again && s.rotation != "any" && s.rotation != "grace":
		l.dead = true
		answer(w, 401, `{"detail":"Invalid refresh token"}`)
	default:
		l.next = s.issue()
		s.grant(w, l.next)
	}
}

func (s *runningAPI) grant(w http.ResponseWriter, refresh string) {
	access := rand.Text() + rand.Text()
	if !s.opaque {
		now := time.Now().Unix()
		claims := map[string]any{"iss": "https://id.example/", "aud": "api.example", "sub": "alice", "jti": rand.Text(), "iat": now, "exp": now + 600}
		for k, v := range s.claims {
			claims[k] = v
		}
		payload, _ := json.Marshal(claims)
		signed := b64([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b64(payload)
		access = signed + "." + b64(hmac256([]byte("a secret of "+fmt.Sprintf("%p", s)), signed))
	}
	s.access[access] = true
	body := map[string]any{"token_type": "bearer", "expires_in": 600}
	if s.cookie {
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: access, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	} else {
		body["access_token"] = access
	}
	if refresh != "" && s.rotation != "no refresh tokens" {
		body["refresh_token"] = refresh
	}
	for k, v := range s.extra {
		body[k] = v
	}
	text, _ := json.Marshal(body)
	answer(w, 200, string(text))
}

func TestRefreshRotation(t *testing.T) {
	t.Parallel()
	type outcomes struct{ rotated, reuse scan.Outcome }
	bound := map[string]any{"cnf": map[string]any{"jkt": "x"}}
	for name, tt := range map[string]struct {
		api  sessionAPI
		want outcomes
	}{
		"strict":                          {sessionAPI{}, outcomes{scan.Passed, scan.Passed}},
		"the same comes back":             {sessionAPI{rotation: "same"}, outcomes{scan.Found, scan.Skipped}},
		"none comes, the first lives on":  {sessionAPI{rotation: "none"}, outcomes{scan.Found, scan.Skipped}},
		"none comes, the first is gone":   {sessionAPI{rotation: "once"}, outcomes{scan.Passed, scan.Passed}},
		"old ones live on":                {sessionAPI{rotation: "any"}, outcomes{scan.Passed, scan.Found}},
		"repeats only for a lost answer":  {sessionAPI{rotation: "grace"}, outcomes{scan.Passed, scan.Passed}},
		"always the same successor":       {sessionAPI{rotation: "repeat"}, outcomes{scan.Passed, scan.Inconclusive}},
		"a limit in the place of refusal": {sessionAPI{rotation: "limited"}, outcomes{scan.Inconclusive, scan.Inconclusive}},
		"a fault in the place of refusal": {sessionAPI{rotation: "sick"}, outcomes{scan.Inconclusive, scan.Inconclusive}},
		"the first refresh is refused":    {sessionAPI{rotation: "broken"}, outcomes{scan.Inconclusive, scan.Inconclusive}},
		"no path to refresh":              {sessionAPI{rotation: "no refresh"}, outcomes{scan.Skipped, scan.Skipped}},
		"no refresh tokens":               {sessionAPI{rotation: "no refresh tokens"}, outcomes{scan.Skipped, scan.Skipped}},
		"bound by cnf, the same":          {sessionAPI{rotation: "same", claims: bound}, outcomes{scan.Passed, scan.Skipped}},
		"bound by cnf, old ones live on":  {sessionAPI{rotation: "any", claims: bound}, outcomes{scan.Passed, scan.Skipped}},
		"bound by DPoP, the same":         {sessionAPI{rotation: "same", opaque: true, extra: map[string]any{"token_type": "DPoP"}}, outcomes{scan.Passed, scan.Skipped}},
		"opaque access tokens":            {sessionAPI{rotation: "any", opaque: true}, outcomes{scan.Passed, scan.Found}},
		"refresh tokens that are JWTs":    {sessionAPI{rotation: "any", mint: refreshJWT}, outcomes{scan.Passed, scan.Found}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct {
				scan.Check
				want scan.Outcome
			}{{refreshNotRotated, tt.want.rotated}, {refreshReuseAccepted, tt.want.reuse}} {
				v := look(t, tt.api.start(t), c.Check)
				if v.Outcome != c.want || v.Outcome != scan.Found && v.Outcome != scan.Passed && v.Reason == "" {
					t.Errorf("%s: got %s, want %s", c.ID, describe(v), describe(scan.Verdict{Outcome: c.want}))
				}
				for _, e := range v.Findings {
					if !strings.Contains(e.Text, "refresh with R1 again -> 200") || e.URL == "" {
						t.Errorf("%s: got evidence %q %q, want all the refreshes and the URL", c.ID, e.URL, e.Text)
					}
				}
				noToken(t, v.Findings)
			}
		})
	}
}

func TestRefreshUndecided(t *testing.T) {
	t.Parallel()
	for _, c := range refreshChecks() {
		mustBeUnsure(t, sessionAPI{}.start(t), c)
		mustNotDecideDead(t, sessionAPI{}.start(t), c)
		mustSkip(t, site{}.start(t), c)
	}
}

// One that is not rotated is reported once, and its reuse is part of that.
func TestRefreshNotRotatedSubsumesReuse(t *testing.T) {
	t.Parallel()
	r, err := scan.Run(t.Context(), sessionAPI{rotation: "same"}.start(t).Config, refreshChecks())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 1 || r.Findings[0].ID != "refresh.not-rotated" || len(r.Subsumed) != 1 {
		t.Errorf("got findings %v, subsumed %v; want refresh.not-rotated, with the reuse subsumed", r.Findings, r.Subsumed)
	}
}

func refreshJWT(int, time.Time) string {
	payload := b64([]byte(`{"sub":"alice","jti":"` + rand.Text() + `"}`))
	return b64([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + payload + "." + b64([]byte(rand.Text()))
}

// outputs are the first n numbers of a generator, written in hexadecimal.
func outputs(g generator, n int) string {
	var b []byte
	for range n {
		v := g.bits32()
		b = append(b, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return hex.EncodeToString(b)
}

func twisted(seed uint64, words bool) generator {
	g := &twister{words: words}
	g.seed(seed)
	return g
}

func congruent(seed uint64) generator {
	g := &congruence{}
	g.seed(seed)
	return g
}

func letters(g generator, draw func(generator, uint32) (uint32, bool), alphabet string, n int) string {
	var b strings.Builder
	for range n {
		v, _ := draw(g, uint32(len(alphabet)))
		b.WriteByte(alphabet[v])
	}
	return b.String()
}

func TestRefreshPredictable(t *testing.T) {
	t.Parallel()
	// Logins within one second would have one seed: this clock is fast, and its
	// answers tell no time.
	second := func(n int, now time.Time) uint64 { return uint64(now.Unix() - 8 + int64(n)) }
	milli := func(n int, now time.Time) uint64 { return uint64(now.UnixMilli() + 13*int64(n)) }
	slow := func(n int, now time.Time) uint64 { return milli(n, now.Add(-time.Hour)) }
	for name, tt := range map[string]struct {
		mint func(n int, now time.Time) string
		want string // empty: nothing is found
	}{
		"sequential":         {func(n int, _ time.Time) string { return fmt.Sprintf("refresh-%06d", n) }, "same step"},
		"sequential, in hex": {func(n int, _ time.Time) string { return fmt.Sprintf("%016x", 0xabc0000+n*7) }, "same step"},
		"the time":           {func(n int, now time.Time) string { return fmt.Sprint(now.UnixNano()) }, "time of the login"},
		"hash of a number":   {func(n int, _ time.Time) string { return hashOf(t, n) }, "hashes"},
		"short":              {func(int, time.Time) string { return "rt_" + rand.Text()[:10] }, "bits"},
		"the same for all":   {func(int, time.Time) string { return "the-refresh-token" }, "twice"},
		"Python, in seconds": {func(n int, now time.Time) string {
			return letters(twisted(second(n, now), true), byBits, alphabets[0], 32)
		}, "Python"},
		"Python, milliseconds":    {func(n int, now time.Time) string { return outputs(twisted(milli(n, now), true), 8) }, "Python"},
		"PHP, with a prefix":      {func(n int, now time.Time) string { return "rt_" + outputs(twisted(second(n, now), false), 5) }, "Mersenne Twister"},
		"by a clock an hour slow": {func(n int, now time.Time) string { return outputs(twisted(slow(n, now), false), 8) }, "Mersenne"},
		"by a Date that lags":     {func(n int, now time.Time) string { return outputs(twisted(milli(n, now), true), 8) }, "Python"},
		"Java, milliseconds":      {func(n int, now time.Time) string { return letters(congruent(milli(n, now)), byJava, alphabets[1], 40) }, "Java"},
		"random":                  {func(int, time.Time) string { return rand.Text() }, ""},
		"random, in hex":          {func(int, time.Time) string { return outputs(twisted(seedOfNobody(), true), 8) }, ""},
		"random after the time":   {func(n int, now time.Time) string { return fmt.Sprintf("%d.%s", now.UnixMilli(), rand.Text()) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := sessionAPI{mint: tt.mint, date: func() string {
				if strings.Contains(name, "hour slow") {
					return time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
				}
				if strings.Contains(name, "lags") {
					return time.Now().Add(-3 * time.Second).UTC().Format(http.TimeFormat)
				}
				return ""
			}}
			if tt.want == "" {
				mustPass(t, a.start(t), refreshPredictable)
				return
			}
			var made []string
			a.mint = func(n int, now time.Time) string { made = append(made, tt.mint(n, now)); return made[len(made)-1] }
			found := mustFind(t, a.start(t), refreshPredictable, tt.want, "8 logins")
			for _, token := range made {
				if strings.Contains(found[0].Text, token) {
					t.Errorf("the evidence shows a live refresh token: %q", found[0].Text)
				}
			}
		})
	}
	mustSkip(t, sessionAPI{mint: refreshJWT}.start(t), refreshPredictable)
	mustSkip(t, sessionAPI{rotation: "no refresh tokens"}.start(t), refreshPredictable)
}

// seedOfNobody is no time of ours.
func seedOfNobody() uint64 {
	b := make([]byte, 4)
	_, _ = rand.Read(b)
	return 1<<40 + uint64(b[0])<<24 + uint64(b[1])<<16 + uint64(b[2])<<8 + uint64(b[3])
}

func hashOf(t *testing.T, n int) string {
	t.Helper()
	table := []string{"c4ca4238a0b923820dcc509a6f75849b", "c81e728d9d4c2f636f067f89cc14862c", "eccbc87e4b5ce2fe28308fd9f2a7baf3", "a87ff679a2f3e71d9181a67b7542122c", "e4da3b7fbbce2345d7772b0674a318d5", "1679091c5a880faf6fb5e6087eb1b2dc", "8f14e45fceea167a5a36dedd4bea2543", "c9f0f895fb98ab9159f51fd0297e236d", "45c48cce2e2d7fbdea1afc51c7c6ad26", "d3d9446802a44259755d38e6d163e820"}
	return table[(n-1)%len(table)]
}

// What CPython 3 and OpenJDK 17 wrote for these seeds.
func TestSeededGenerators(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1795262400123) // seeded with this, or with its seconds
	for name, text := range map[string]string{
		"getrandbits(128)":        "9f89a5b6a22132ac109a3e3a5de68ca6",
		"randbytes(16)":           "a68ce65d3a3e9a10ac3221a2b6a5899f",
		"UUID of getrandbits":     "9f89a5b6-a221-42ac-909a-3e3a5de68ca6",
		"choice of letters":       "xeONWnjOttw1tA5ZikULwiFWkBv0DO7o",
		"choice, in milliseconds": "n2hWUpGieIz6zR4msGQEehpnpgpTIYbP",
		"choices":                 "wNVjtws3hSvEkvC5P3OmrM76IozLxaKw",
		"choices of 36":           "nw1flmk6ezmrgmq7x6xgkw88tipvnavn08gehbws",
		"choice of hexadecimal":   "b26499b9d45b4f5dae7685a287bdfc0b05c361eb",
		"Java's nextBytes":        "bdec8542f65abd3bbaf4b43675eba3fe",
		"Java's letters":          "47HA5hwGVJF29egSIFS6ZBa4JZ8RAucF",
		"Java's nextLong":         "4285ecbd3bbd5af636b4f4b9fea3eb75",
		"Java's hexadecimal":      "433fb02d200da57d1be4ba8f038d8866",
		"base64 of randbytes(16)": "pozmXTo+mhCsMiGitqWJnw",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if seeded([]identifier{{text, at, at}}, 0) == "" {
				t.Error("got no generator, want one")
			}
		})
	}
	skewed := identifier{"n2hWUpGieIz6zR4msGQEehpnpgpTIYbP", at.Add(9 * time.Second), at.Add(9 * time.Second)}
	if seeded([]identifier{skewed}, clockSkew) == "" {
		t.Error("nine seconds off: got no generator, want one")
	}
	far := identifier{"n2hWUpGieIz6zR4msGQEehpnpgpTIYbP", at.Add(time.Minute), at.Add(time.Minute)}
	if why := seeded([]identifier{far}, clockSkew); why != "" {
		t.Errorf("a minute later: got %q, want nothing", why)
	}
	if why := seeded(nil, clockSkew); why != "" {
		t.Errorf("got %q of no identifier, want nothing", why)
	}
}

func FuzzSeeded(f *testing.F) {
	f.Add("9f89a5b6a22132ac109a3e3a5de68ca6", "rt_x")
	f.Add("", "________")
	f.Add("12345678", "=\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		at := time.Unix(1795262400, 0)
		ids := []identifier{{a, at, at}, {b, at, at}}
		if why := seeded(ids, time.Second); why != "" && a == "" {
			t.Errorf("got %q for an empty identifier, want nothing", why)
		}
	})
}

func BenchmarkSeeded(b *testing.B) {
	at := time.Unix(1795262400, 0)
	for b.Loop() {
		seeded([]identifier{{"n2hWUpGieIz6zR4msGQEehpnpgpTIYbQ", at, at}}, time.Second)
	}
}
