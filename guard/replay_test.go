package guard_test

import (
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/store"
)

// atOnce sends n requests at the same time and counts the answers by status.
func atOnce(t testing.TB, n int, ask func() (int, error)) map[int]int {
	t.Helper()
	var (
		mu    sync.Mutex
		tasks sync.WaitGroup
		count = map[int]int{}
		start = make(chan struct{})
	)
	for range n {
		tasks.Go(func() {
			<-start
			status, err := ask()
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			count[status]++
		})
	}
	close(start)
	tasks.Wait()
	return count
}

// status asks over HTTP/2 and returns the status alone.
func (f *fixture) status(r *http.Request) (int, error) {
	res, err := f.h2.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return res.StatusCode, nil
}

func onceRoutes(c *guard.Config) {
	c.Routes = []guard.Route{
		{Path: "/pay", Once: true},
		{Path: "/pay/more", Once: true},
		{Path: "/scoped", Once: true, Scopes: []string{"pay"}},
		{Path: "/post", Once: true, Methods: []string{"POST"}},
		{Path: "/bound", Once: true, Binding: guard.BindingRequired},
	}
}

// TestConsumedOnce holds that of 64 requests at once with one token, or one
// proof, exactly one passes, on one instance and on two.
func TestConsumedOnce(t *testing.T) {
	t.Parallel()
	engines := map[string]func(testing.TB) store.Store{
		"memory": func(testing.TB) store.Store { return store.NewMemory(nil, 1000) },
		"bolt": func(t testing.TB) store.Store {
			s, err := store.Open(t.Context(), "bolt://"+filepath.Join(t.TempDir(), "state.db"), nil)
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	}
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared := open(t)
			t.Cleanup(func() { _ = shared.Close() })
			one := newFixture(t, func(c *guard.Config) { c.Store = shared; onceRoutes(c) })
			two := newFixture(t, func(c *guard.Config) {
				c.Store = shared
				onceRoutes(c)
				c.Tokens.Issuers[0].JWKS = jwks(t, one.signer)
			})
			h := newHolder(one)
			plain, bare, bound := one.mint(nil), one.mint(map[string]any{"jti": nil}), h.token(nil)
			for what, c := range map[string]struct {
				path   string
				header []string
			}{
				"a token":             {"/pay", []string{"Authorization", "Bearer " + plain}},
				"a token without jti": {"/pay", []string{"Authorization", "Bearer " + bare}},
				"a proof":             {"/items", []string{"Authorization", "DPoP " + bound, "Dpop", h.proof(bound, "/items", nil)}},
			} {
				var mu sync.Mutex
				turn := 0
				before := one.upstream.count() + two.upstream.count()
				got := atOnce(t, 64, func() (int, error) {
					mu.Lock()
					f := []*fixture{one, two}[turn%2]
					turn++
					r := f.request("https", "GET", c.path, "", c.header...)
					mu.Unlock()
					return f.status(r)
				})
				if got[200] != 1 || got[401] != 63 {
					t.Errorf("%s: got %v, want one 200 and 63 times 401", what, got)
				}
				if n := one.upstream.count() + two.upstream.count() - before; n != 1 {
					t.Errorf("%s: %d requests reached the upstream", what, n)
				}
			}
		})
	}
}

// TestSameToken holds what counts as the same token on a route that takes it
// once.
func TestSameToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t, onceRoutes)
	first := f.mint(map[string]any{"jti": "one"})
	bare := map[string]any{"jti": nil, "sub": "bare", "iat": f.clock.now().Unix()}
	for _, c := range []struct {
		name, path, raw string
		status          int
	}{
		{"first use", "/pay", first, 200},
		{"second use", "/pay", first, 401},
		{"under a trailing slash", "/pay/", first, 401},
		{"on another route that takes it once", "/pay/more", first, 401},
		{"on a route that takes it often", "/items", first, 200},
		{"another token with the same jti", "/pay", f.mint(map[string]any{"jti": "one", "sub": "bob"}), 401},
		{"another jti", "/pay", f.mint(nil), 200},
		{"without jti", "/pay", f.mint(bare), 200},
		{"without jti, signed once more", "/pay", f.mint(bare), 401},
		{"without jti, another subject", "/pay", f.mint(map[string]any{"jti": nil, "sub": "other"}), 200},
	} {
		got := f.get(c.path, "Authorization", "Bearer "+c.raw)
		if got.status != c.status {
			t.Errorf("%s: got %v, want %d", c.name, got, c.status)
		}
		if rule, _ := f.refusal(got); c.status == 401 && (rule != "replay" || got.problem().Detail != "Invalid token") {
			t.Errorf("%s: got %v by %q, want Invalid token by replay", c.name, got, rule)
		}
	}
}

// TestRefusedConsumesNothing holds that a request which another rule refuses
// leaves the token, and the proof, for a better one.
func TestRefusedConsumesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, onceRoutes)
	h := newHolder(f)
	raw := f.mint(map[string]any{"scope": "none"})
	a := []string{"Authorization", "Bearer " + raw}
	for name, got := range map[string]reply{
		"scope":   f.get("/scoped", a...),
		"method":  f.get("/post", a...),
		"binding": f.get("/bound", a...),
		"host":    f.get("/pay", append(a, "Host", "elsewhere.example.com")...),
		"path":    f.get("/pay/../pay", a...),
		"headers": f.get("/pay", append(a, "Content_Length", "5")...),
		"two":     f.get("/pay", append(a, "Authorization", "Bearer "+raw)...),
		"query":   f.get("/pay?access_token="+raw, a...),
		"clear":   f.inClear("GET", "/pay", ""),
	} {
		if got.status < 300 {
			t.Errorf("%s: got %v, want a refusal", name, got)
		}
	}
	if got := f.get("/pay", a...); got.status != 200 {
		t.Errorf("the token afterwards: got %v, want 200", got)
	}
	bound := h.token(nil)
	proof := h.proof(bound, "/scoped", nil)
	ask := func(path string) int {
		return f.get(path, "Authorization", "DPoP "+bound, "Dpop", proof).status
	}
	if got := ask("/scoped"); got != 403 {
		t.Errorf("a proof for too little scope: got %d, want 403", got)
	}
	if got := ask("/items"); got != 401 {
		t.Errorf("a proof for another path: got %d, want 401", got)
	}
	scoped := h.token(map[string]any{"scope": "pay"})
	first := h.proof(scoped, "/scoped", map[string]any{"jti": "p1"})
	if got := f.get("/scoped", "Authorization", "DPoP "+scoped, "Dpop", first); got.status != 200 {
		t.Errorf("a good request: got %v, want 200", got)
	}
	if got := f.get("/scoped", "Authorization", "DPoP "+scoped, "Dpop", h.proof(scoped, "/scoped", nil)); got.status != 401 {
		t.Errorf("the token again with a fresh proof: got %v, want 401", got)
	}
}

// TestProofOfAnother holds that two clients may happen to choose the same jti.
func TestProofOfAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, h := range []*holder{newHolder(f), newHolder(f)} {
		raw := h.token(nil)
		for i, want := range []int{200, 401} {
			if got := h.ask(raw, "/", map[string]any{"jti": "same"}); got.status != want {
				t.Errorf("use %d: got %v, want %d", i, got, want)
			}
		}
	}
}

// TestReplayNeedsStore holds that a store which cannot answer, or is full,
// refuses, and that the token is good when it can again.
func TestReplayNeedsStore(t *testing.T) {
	t.Parallel()
	memory := store.NewMemory(nil, 2)
	t.Cleanup(func() { _ = memory.Close() })
	frail := newFrailStore(memory, sound)
	f := newFixture(t, func(c *guard.Config) {
		c.Store, c.StoreStaleness = frail, time.Hour
		onceRoutes(c)
	})
	h := newHolder(f)
	want := func(what string, got reply, status int) {
		t.Helper()
		if got.status != status || status == 503 && (got.problem().Detail != "Temporarily unavailable" || got.header.Get("Retry-After") == "") {
			t.Errorf("%s: got %v, want %d", what, got, status)
		}
		if rule, _ := f.refusal(got); status == 503 && rule != "replay" {
			t.Errorf("%s: rule is %q, want replay", what, rule)
		}
	}
	raw, bound := f.mint(nil), h.token(nil)
	for _, way := range []frailty{failing, hanging} {
		frail.set(way)
		before := f.upstream.count()
		want("once", f.get("/pay", "Authorization", "Bearer "+raw), 503)
		want("a proof", h.ask(bound, "/", nil), 503)
		if n := f.upstream.count() - before; n != 0 {
			t.Errorf("%d requests reached the upstream", n)
		}
		want("a token that is consumed nowhere", f.get("/", "Authorization", "Bearer "+raw), 200)
	}
	frail.set(sound)
	want("once, later", f.get("/pay", "Authorization", "Bearer "+raw), 200)
	want("a proof, later", h.ask(bound, "/", nil), 200)
	want("a full store", f.get("/pay", "Authorization", "Bearer "+f.mint(nil)), 503)
	want("what was consumed before", f.get("/pay", "Authorization", "Bearer "+raw), 401)
}

// TestConsumedRecordsEnd holds that a record of what was consumed outlives what
// it is for, and no longer.
func TestConsumedRecordsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := store.NewMemory(nil, 1000)
		defer memory.Close()
		o := newOffline(t, func(c *guard.Config) {
			c.Store = memory
			c.Tokens.Leeway = 30 * time.Second
		})
		defer o.guard.Close()
		raw := o.token(nil) // five minutes
		o.want("first", "/once", raw, 200)
		for range 32 {
			o.want("again", "/once", raw, 401)
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
		time.Sleep(11 * time.Second)
		if p := o.ask("/once", raw).problem(); p.Detail != "Token expired" {
			t.Errorf("after leeway: got %+v, want Token expired", p)
		}
		n := 0
		if err := memory.List(t.Context(), "", func(store.Record) bool { n++; return true }); err != nil || n != 0 {
			t.Errorf("got %d records and %v, want none", n, err)
		}
	})
}

// TestObservedReplay holds that a rule on trial counts and lets pass.
func TestObservedReplay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		onceRoutes(c)
		c.Observe = []guard.Rule{guard.RuleReplay}
	})
	raw := f.mint(nil)
	for range 3 {
		if got := f.get("/pay", "Authorization", "Bearer "+raw); got.status != 200 {
			t.Errorf("got %v, want 200", got)
		}
	}
	if n := f.metric("wiretight_observed_refusals_total", "route", "/pay", "rule", "replay"); n != 2 {
		t.Errorf("got %v observed refusals, want 2", n)
	}
}
