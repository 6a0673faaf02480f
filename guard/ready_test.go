package guard_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/store"
)

// TestReady holds that readiness names everything that is missing, and what was
// accepted.
func TestReady(t *testing.T) {
	t.Parallel()
	local := keyset.NewLocal(nil)
	down := newIDP(t, nil)
	frail := newFrailStore(store.NewMemory(nil, 100), failing)
	t.Cleanup(func() { _ = frail.Close() })
	risks := []string{"jwt.long-lived", "jwt.token-in-url"}
	f := newFixture(t, func(c *guard.Config) {
		c.Store = frail
		c.AcceptRisk = risks
		c.Tokens.Issuers = append(c.Tokens.Issuers, guard.Issuer{Issuer: "https://local.example/", Audiences: []string{"a"}, Keys: local},
			down.issuer("https://down.example/"))
	})
	r := f.guard.Ready()
	all := strings.Join(r.Reasons, "\n")
	for _, want := range []string{"https://local.example/", "https://down.example/", "store"} {
		if !strings.Contains(all, want) {
			t.Errorf("reasons do not name %s: %q", want, r.Reasons)
		}
	}
	if r.Ready || strings.Contains(all, testIssuer) {
		t.Errorf("got %+v, want not ready, for three reasons", r)
	}
	if !slices.Equal(r.AcceptedRisks, risks) || !slices.Equal(f.guard.AcceptedRisks(), risks) {
		t.Errorf("got accepted risks %q, want %q", r.AcceptedRisks, risks)
	}
	for _, id := range risks {
		if n := f.metric("wiretight_accepted_risk", "id", id); n != 1 {
			t.Errorf("wiretight_accepted_risk of %s is %v, want 1", id, n)
		}
	}
	if n := f.metric("wiretight_ready"); n != 0 {
		t.Errorf("wiretight_ready is %v, want 0", n)
	}
	signer := newSigner(t, "k")
	down.serve(jwks(t, signer))
	local.Set(keysOf(t, signer))
	frail.set(sound)
	eventually(t, "readiness", func() bool { return f.guard.Ready().Ready })
	eventually(t, "wiretight_ready", func() bool { return f.metric("wiretight_ready") == 1 })
	if r := f.guard.Ready(); r.Reasons == nil || len(r.Reasons) != 0 {
		t.Errorf("got reasons %q, want none and not nil", r.Reasons)
	}
	eventually(t, "the age of keys", func() bool {
		families, err := f.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if family.GetName() == "wiretight_jwks_age_seconds" {
				return len(family.GetMetric()) == 1 // the only issuer whose keys are fetched
			}
		}
		return false
	})
}

// TestCloseLeavesNothing holds that no goroutine outlives Close, whatever the
// guard was waiting for. It does not run beside others, whose goroutines it
// would find.
func TestCloseLeavesNothing(t *testing.T) {
	there := goleak.IgnoreCurrent()
	stuck := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stuck:
		case <-r.Context().Done():
		}
	}))
	dead := newIDP(t, nil)
	memory := store.NewMemory(nil, 100)
	frail := newFrailStore(memory, hanging)
	c := guard.Config{
		Hosts: []string{testHost}, Store: frail,
		Tokens: guard.Tokens{Cache: 10, Issuers: []guard.Issuer{
			dead.issuer("https://dead.example/"),
			{Issuer: "https://hung.example/", Audiences: []string{"a"}, JWKSURL: hung.URL},
		}},
		Upstreams: []guard.Upstream{{Name: "app", URL: "http://127.0.0.1:1"}, {Name: "h2c", URL: "h2c://127.0.0.1:1"}},
	}
	g, err := guard.New(c)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.Tokens.Issuers = slices.Clone(c.Tokens.Issuers)
		c.Tokens.Issuers[0].JWKSURL += "/x" // another source, whose old one must end
		if err := g.Reload(c); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
	if _, err := memory.Get(t.Context(), "x"); err == nil || strings.Contains(err.Error(), "closed") {
		t.Errorf("the store that was given is closed: %v", err)
	}
	close(stuck)
	hung.Close()
	dead.Close()
	_ = memory.Close()
	if err := goleak.Find(there); err != nil {
		t.Error(err)
	}
}

// TestCloseByClock holds the same for the store of the guard's own and for many
// guards: a bubble does not end while anything runs in it.
func TestCloseByClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tasks sync.WaitGroup
		for range 8 {
			tasks.Go(func() {
				o := newOffline(t, nil)
				o.want("a token", "/", o.token(nil), 200)
				if err := o.guard.Close(); err != nil {
					t.Error(err)
				}
				o.want("public after Close", "/open", "", 200)
				time.Sleep(10 * time.Second)
				o.want("a token after Close", "/", o.token(nil), 503) // nobody hears of revocations any more
			})
		}
		tasks.Wait()
	})
}
