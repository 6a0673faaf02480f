package guard_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/token"
)

// shower is a client that shows a token in its own way.
type shower struct {
	name string
	show func(r *http.Request, raw string)
}

// twins are two guards that differ in one thing: the first remembers tokens.
type twins struct {
	*fixture
	clock   *clock
	guards  [2]*guard.Guard
	keys    *keyset.Source
	handler [2]http.Handler
	tokens  []string
	showers []shower
	one     *token.KeySet
	none    *token.KeySet
}

const otherIssuer = "https://other.example/"

func newTwins(t *testing.T) *twins {
	w := &twins{fixture: &fixture{t: t, clock: newClock(), log: &records{}}}
	w.clock = w.fixture.clock
	w.signer = newSigner(t, "key-1")
	stranger := newSigner(t, "key-2")
	var err error
	if w.one, _, err = token.ParseJWKS(jwks(t, w.signer)); err != nil {
		t.Fatal(err)
	}
	if w.none, _, err = token.ParseJWKS(jwks(t, stranger)); err != nil {
		t.Fatal(err)
	}
	w.keys = keyset.NewLocal(w.one)
	other := newParty(t, "HS256")
	for i := range w.guards {
		g, err := guard.New(guard.Config{
			Hosts: []string{testHost},
			Tokens: guard.Tokens{Cache: []int{64, 0}[i], Issuers: []guard.Issuer{
				{Issuer: testIssuer, Audiences: []string{testAudience}, Algorithms: []string{"ES256"}, Keys: w.keys},
				other.issuer(otherIssuer),
			}},
			Routes: []guard.Route{
				{Path: "/scoped", Scopes: []string{"a"}},
				{Path: "/other", Issuers: []string{otherIssuer}},
				{Path: "/once", Once: true},
				{Path: "/open", Public: true},
				{Path: "/bound", Binding: guard.BindingRequired},
				{Path: "/loose", Binding: guard.BindingOff},
			},
			RateLimit: neverLimited,
			Now:       w.clock.now,
		})
		if err != nil {
			t.Fatal(err)
		}
		w.guards[i] = g
		w.handler[i] = g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, ok := guard.ClaimsFrom(r.Context())
			fmt.Fprintln(w, ok, c.Subject, c.Issuer, c.Scopes, c.ID)
		}))
	}
	w.fill(other)
	return w
}

// fill makes tokens of every kind and clients of every kind.
func (w *twins) fill(other *party) {
	h, thief := newHolder(w.fixture), newHolder(w.fixture)
	own, print := clientCertificate(w.t)
	foreign, _ := clientCertificate(w.t)
	sum := sha256.Sum256([]byte("fingerprint"))
	now := w.clock.now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	good := w.mint(map[string]any{"sid": "one"})
	w.tokens = []string{
		good, good[:len(good)-4] + "AAAA", w.mint(map[string]any{"scope": "a b", "sid": "two"}), w.mint(map[string]any{"scope": "b"}),
		other.mint(w.fixture, map[string]any{"iss": otherIssuer}), other.mint(w.fixture, map[string]any{"iss": testIssuer}),
		w.mint(map[string]any{"exp": at(time.Minute)}), w.mint(map[string]any{"nbf": at(time.Minute)}),
		w.mint(map[string]any{"exp": at(50 * time.Minute), "aud": "other"}), w.mint(map[string]any{"exp": at(50 * time.Minute)}),
		h.token(map[string]any{"exp": at(50 * time.Minute)}), w.mint(map[string]any{"cnf": map[string]any{"x5t#S256": print}}),
		w.mint(map[string]any{"cnf": map[string]any{"fp#S256": base64url(sum[:])}, "jti": nil}), "garbage", "eyJ.e30.AA",
	}
	scheme := func(r *http.Request, scheme, raw string) { r.Header.Set("Authorization", scheme+" "+raw) }
	shown := func(c *tls.Certificate) []*x509.Certificate {
		cert, err := x509.ParseCertificate(c.Certificate[0])
		if err != nil {
			w.t.Fatal(err)
		}
		return []*x509.Certificate{cert}
	}
	mine, theirs := shown(own), shown(foreign)
	w.showers = []shower{
		{"bare", func(r *http.Request, raw string) { scheme(r, "Bearer", raw) }},
		{"with a proof", func(r *http.Request, raw string) {
			scheme(r, "DPoP", raw)
			r.Header.Set("Dpop", h.proof(raw, r.URL.Path, nil))
		}},
		{"with a thief's proof", func(r *http.Request, raw string) {
			scheme(r, "DPoP", raw)
			r.Header.Set("Dpop", thief.proof(raw, r.URL.Path, nil))
		}},
		{"with a certificate", func(r *http.Request, raw string) { scheme(r, "Bearer", raw); r.TLS.PeerCertificates = mine }},
		{"with a thief's certificate", func(r *http.Request, raw string) { scheme(r, "Bearer", raw); r.TLS.PeerCertificates = theirs }},
		{"with a cookie", func(r *http.Request, raw string) {
			scheme(r, "Bearer", raw)
			r.Header.Set("Cookie", "__Host-fingerprint=fingerprint")
		}},
		{"with a thief's cookie", func(r *http.Request, raw string) {
			scheme(r, "Bearer", raw)
			r.Header.Set("Cookie", "__Host-fingerprint=other")
		}},
	}
}

// ask sends one request to both and returns their answers without what is
// different in every answer.
func (w *twins) ask(path, raw string, s shower) (answers [2]string) {
	r := httptest.NewRequest(http.MethodGet, "https://"+testHost+path, nil)
	r.RequestURI = path
	s.show(r, raw)
	for i, h := range w.handler {
		again := r.Clone(r.Context())
		again.TLS = r.TLS
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, again)
		got := reply{rec.Code, "", rec.Header(), rec.Body.String()}
		answers[i] = fmt.Sprint(got.status, got.problem().Detail, got.header["Www-Authenticate"])
		if got.status == 200 {
			answers[i] += got.body
		}
	}
	return answers
}

// TestMemoryChangesNothing holds that, over any mixture of routes, tokens,
// clients, time, revocations and keys, a guard that remembers tokens answers as
// one that does not.
func TestMemoryChangesNothing(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		w := newTwins(t)
		defer w.guards[0].Close()
		defer w.guards[1].Close()
		for range rapid.IntRange(10, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 19).Draw(rt, "action") {
			case 0:
				w.clock.advance(time.Duration(rapid.IntRange(1, 100).Draw(rt, "seconds")) * time.Second)
			case 1:
				w.revoke(rapid.SampledFrom([]int{0, 2}).Draw(rt, "revoked"))
			case 2:
				w.keys.Set(rapid.SampledFrom([]*token.KeySet{w.one, w.one, w.none, nil}).Draw(rt, "keys"))
			default:
				path := rapid.SampledFrom([]string{"/", "/scoped", "/other", "/once", "/open", "/bound", "/loose"}).Draw(rt, "path")
				i := rapid.IntRange(0, len(w.tokens)-1).Draw(rt, "token")
				s := rapid.SampledFrom(w.showers).Draw(rt, "client")
				got := w.ask(path, w.tokens[i], s)
				seen[got[0][:3]]++
				if got[0] != got[1] {
					rt.Fatalf("token %d on %s %s: with memory %s, without %s", i, path, s.name, got[0], got[1])
				}
			}
		}
	})
	for _, status := range []string{"200", "401", "403", "503"} {
		if seen[status] == 0 {
			t.Errorf("no answer was %s: %v", status, seen)
		}
	}
	t.Logf("answers by status: %v", seen)
}

// revoke revokes the session of a token on both guards.
func (w *twins) revoke(i int) {
	sid := map[int]string{0: "one", 2: "two"}[i]
	for _, g := range w.guards {
		if err := g.Revoke(w.t.Context(), guard.Revocation{SID: sid}); err != nil {
			w.t.Fatal(err)
		}
	}
	for j := range w.guards {
		eventually(w.t, "the revocation", func() bool { return w.ask("/", w.tokens[i], w.showers[0])[j][:3] != "200" })
	}
}

// TestRememberedExpire holds that exp and nbf are looked at on every request.
func TestRememberedExpire(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) { c.Tokens.Leeway = 10 * time.Second })
	raw := f.mint(nil)
	ask := func() (int, string) {
		got := f.get("/", "Authorization", "Bearer "+raw)
		return got.status, got.problem().Detail
	}
	for _, c := range []struct {
		after  time.Duration
		status int
		detail string
	}{
		{0, 200, ""},
		{5*time.Minute - time.Second, 200, ""},
		{10 * time.Second, 200, ""},
		{time.Second, 401, "Token expired"},
		{time.Hour, 401, "Token expired"},
		{-time.Hour - time.Second, 200, ""},
		{-10 * time.Minute, 401, "Invalid token"}, // before it was issued
	} {
		f.clock.advance(c.after)
		if status, detail := ask(); status != c.status || detail != c.detail {
			t.Errorf("%v later: got %d %s, want %d %s", c.after, status, detail, c.status, c.detail)
		}
	}
}

// TestMemoryIsBounded holds that no more tokens are remembered than were
// allowed, that those in use stay, and that those forgotten are still good.
// Over the limit of failures only remembered tokens pass, which makes them
// countable.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	p := newParty(t, "HS256")
	for _, size := range []int{0, 16, 160, 1600} {
		o := newOffline(t, func(c *guard.Config) {
			c.Tokens.Cache = size
			c.Tokens.Issuers = []guard.Issuer{p.issuer(testIssuer)}
			c.RateLimit.AuthFailures = guard.Rate{Count: 1, Per: time.Hour}
			c.Logger = nil
		})
		remembered := func(raw string) bool {
			return unwired(o.handler, "192.0.2.99:1", http.Header{"Authorization": {"Bearer " + raw}}, "/").status == 200
		}
		hot := p.mint(o.fixture, nil)
		remembered(hot[:len(hot)-4] + "AAAA") // from here on, this address is over the limit
		o.want("the hot token", "/", hot, 200)
		tokens := make([]string, 3*size+400)
		for i := range tokens {
			tokens[i] = p.mint(o.fixture, nil)
			o.want("a new token", "/", tokens[i], 200)
			if size > 16 && !remembered(hot) {
				t.Fatalf("size %d: the hot token was forgotten after %d others", size, i+1)
			}
		}
		kept := 0
		for _, raw := range append(tokens, hot) {
			if remembered(raw) {
				kept++
			}
		}
		if kept != size {
			t.Errorf("size %d: %d tokens are remembered", size, kept)
		}
		if err := o.guard.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestForgottenAreVerifiedAgain holds that a memory much smaller than the number
// of tokens mixes none of them up.
func TestForgottenAreVerifiedAgain(t *testing.T) {
	t.Parallel()
	p := newParty(t, "HS256")
	f := newFixture(t, func(c *guard.Config) {
		c.Tokens.Cache = 20
		c.Tokens.Issuers = []guard.Issuer{p.issuer(testIssuer)}
	})
	h := f.guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := guard.ClaimsFrom(r.Context())
		_, _ = io.WriteString(w, c.Subject)
	}))
	tokens := make([]string, 300)
	for i := range tokens {
		tokens[i] = p.mint(f, map[string]any{"sub": fmt.Sprint("user-", i)})
	}
	for range 3 {
		for i, raw := range tokens {
			got := unwired(h, "192.0.2.1:1", http.Header{"Authorization": {"Bearer " + raw}}, "/")
			if want := fmt.Sprint("user-", i); got.status != 200 || got.body != want {
				t.Fatalf("got %v, want 200 for %s", got, want)
			}
		}
	}
}

// TestManyScopeSets holds that scopes stay right beyond the number of different
// sets that are kept.
func TestManyScopeSets(t *testing.T) {
	t.Parallel()
	p := newParty(t, "HS256")
	o := newOffline(t, func(c *guard.Config) {
		c.Tokens.Cache = 10000
		c.Tokens.Issuers = []guard.Issuer{p.issuer(testIssuer)}
		c.Routes = []guard.Route{{Path: "/scoped", Scopes: []string{"pay"}}}
		c.Logger = nil
	})
	defer o.guard.Close()
	for i := range 4300 {
		with := p.mint(o.fixture, map[string]any{"scope": fmt.Sprintf("s%d pay", i)})
		without := p.mint(o.fixture, map[string]any{"scope": fmt.Sprintf("s%d pays", i)})
		for range 2 {
			o.want("with the scope", "/scoped", with, 200)
			o.want("without it", "/scoped", without, 403)
		}
		if t.Failed() {
			t.Fatalf("at set %d", i)
		}
	}
}

// TestTenantsUnderLoad holds that no answer and no identity of one tenant is
// ever another's, while tokens are forgotten and the configuration reloads.
func TestTenantsUnderLoad(t *testing.T) {
	t.Parallel()
	const tenants, tokensEach, asks = 2, 24, 60
	parties := []*party{newParty(t, "ES256"), newParty(t, "HS256")}
	name := func(i int) string { return fmt.Sprintf("https://tenant%d.example/", i) }
	f := newFixture(t, func(c *guard.Config) {
		c.Tokens.Cache = 32
		c.Tokens.Forward = guard.ForwardClaims
		c.Tokens.Issuers = nil
		for i, p := range parties {
			c.Tokens.Issuers = append(c.Tokens.Issuers, p.issuer(name(i)))
		}
		c.Routes = []guard.Route{{Path: "/0/*", Issuers: []string{name(0)}}, {Path: "/1/*", Issuers: []string{name(1)}}}
	})
	f.upstream.answers(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Auth-Issuer")+" "+r.Header.Get("X-Auth-Subject")+" "+r.Header.Get("X-Auth-Scopes"))
	})
	done := make(chan struct{})
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			c := f.config
			c.Tokens.Issuers = slices.Clone(c.Tokens.Issuers)
			slices.Reverse(c.Tokens.Issuers) // indices of issuers mean something else now
			if err := f.guard.Reload(c); err != nil {
				t.Error(err)
			}
			if err := f.guard.Reload(f.config); err != nil {
				t.Error(err)
			}
			runtime.Gosched()
		}
	})
	var load sync.WaitGroup
	for tenant := range tenants {
		for worker := range 4 {
			tokens := make([]string, tokensEach)
			for i := range tokens {
				tokens[i] = parties[tenant].mint(f, map[string]any{"iss": name(tenant), "sub": fmt.Sprintf("%d-%d-%d", tenant, worker, i), "scope": fmt.Sprint("t", tenant)})
			}
			requests := make([]*http.Request, asks)
			for i := range requests {
				requests[i] = f.request("https", "GET", fmt.Sprintf("/%d/x", tenant), "", "Authorization", "Bearer "+tokens[i%tokensEach])
			}
			client := []*http.Client{f.h1, f.h2}[worker%2]
			load.Go(func() {
				for i, r := range requests {
					res, err := client.Do(r)
					if err != nil {
						t.Error(err)
						return
					}
					got, err := io.ReadAll(res.Body)
					_ = res.Body.Close()
					want := fmt.Sprintf("%s %d-%d-%d t%d", name(tenant), tenant, worker, i%tokensEach, tenant)
					if err != nil || string(got) != want {
						t.Errorf("got %d %q (%v), want %q", res.StatusCode, got, err, want)
					}
				}
			})
		}
	}
	load.Wait()
	close(done)
	reloads.Wait()
}

// TestMemorySize measures what remembering costs. It does not run beside others,
// whose memory it would count.
func TestMemorySize(t *testing.T) {
	const tokens, most = 100_000, 20 << 20
	p := newParty(t, "HS256")
	o := newOffline(t, func(c *guard.Config) {
		c.Tokens.Cache = tokens
		c.Tokens.Issuers = []guard.Issuer{p.issuer(testIssuer)}
		c.Logger = nil
	})
	defer o.guard.Close()
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	passing := o.guard.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	before := heap()
	var tasks sync.WaitGroup
	for range 4 {
		tasks.Go(func() {
			for range tokens / 4 {
				raw := p.mint(o.fixture, nil)
				if got := unwired(passing, "192.0.2.1:1", http.Header{"Authorization": {"Bearer " + raw}}, "/"); got.status != 200 {
					t.Errorf("got %v, want 200", got)
					return
				}
			}
		})
	}
	tasks.Wait()
	after := heap()
	t.Logf("%d remembered tokens take %.1f MiB", tokens, float64(after-before)/(1<<20))
	if after > before+most {
		t.Errorf("%d remembered tokens take %d bytes, want at most %d", tokens, after-before, most)
	}
}
