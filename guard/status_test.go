package guard_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/store"
)

// TestStatusOfThePolicy lists what is in force in the order in which it counts.
func TestStatusOfThePolicy(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Hosts = []string{testHost, "[::1]:8443", "a.example:444"}
		c.Observe = []guard.Rule{guard.RuleScopes, guard.RuleCORS}
		c.Upstreams = append(c.Upstreams, guard.Upstream{Name: "other", URL: "unix:///run/other.sock"})
		c.Routes = []guard.Route{
			{Path: "/*", Public: true},
			{Path: "/a/b/*", Methods: []string{"GET"}, Scopes: []string{"s"}, Upstream: "other"},
			{Path: "/pay", Once: true, Binding: guard.BindingRequired, Issuers: []string{testIssuer}},
			{Path: "/a/*"},
		}
		c.Local = []guard.Local{{Paths: []string{"/auth/login"}, Handler: http.NotFoundHandler()}}
	})
	got := f.guard.Status()
	if diff := cmp.Diff([]string{"[::1]:8443", "a.example:444", testHost}, got.Hosts); diff != "" {
		t.Errorf("hosts: %s", diff)
	}
	if got.Mode != guard.Enforce || !cmp.Equal(got.Observed, []guard.Rule{guard.RuleCORS, guard.RuleScopes}) {
		t.Errorf("got mode %v and %v on trial", got.Mode, got.Observed)
	}
	first := f.config.Upstreams[0].Name
	want := []guard.RouteStatus{
		{Path: "/auth/login", Public: true, Local: true, Binding: guard.BindingOptional},
		{Path: "/pay", Once: true, Binding: guard.BindingRequired, Issuers: []string{testIssuer}, Upstream: first},
		{Path: "/a/b/*", Methods: []string{"GET"}, Scopes: []string{"s"}, Binding: guard.BindingOptional, Upstream: "other"},
		{Path: "/a/*", Binding: guard.BindingOptional, Upstream: first},
		{Path: "/*", Public: true, Binding: guard.BindingOptional, Upstream: first},
		{Binding: guard.BindingOptional, Upstream: first},
	}
	if diff := cmp.Diff(want, got.Routes); diff != "" {
		t.Errorf("routes: %s", diff)
	}
	if n := len(got.Upstreams); n != 2 || got.Upstreams[1] != (guard.UpstreamStatus{Name: "other", URL: "unix:///run/other.sock"}) {
		t.Errorf("got upstreams %v", got.Upstreams)
	}
	reloaded := f.config
	reloaded.Mode = guard.ObserveOnly
	if err := f.guard.Reload(reloaded); err != nil {
		t.Fatal(err)
	}
	if got := f.guard.Status().Mode; got != guard.ObserveOnly {
		t.Errorf("got mode %v after the reload, want observe", got)
	}
}

// TestStatusOfWhatIsHeld counts, names keys, and says what is missing.
func TestStatusOfWhatIsHeld(t *testing.T) {
	t.Parallel()
	down := newIDP(t, nil)
	frail := newFrailStore(store.NewMemory(nil, 100), sound)
	t.Cleanup(func() { _ = frail.Close() })
	f := newFixture(t, func(c *guard.Config) {
		c.Store = frail
		c.Tokens.Issuers = append(c.Tokens.Issuers, down.issuer("https://down.example/"))
	})
	raw := f.mint(nil)
	for range 2 {
		if got := f.get("/items", "Authorization", "Bearer "+raw); got.status != 200 {
			t.Fatalf("got %v", got)
		}
	}
	f.inClear("GET", "/items", "", "Authorization", "Bearer "+f.mint(nil))
	s := f.guard.Status()
	if s.Remembered != 1 || s.Revocations != 1 || s.StoreError != "" {
		t.Errorf("got %d remembered, %d revocations, store %q; want 1, 1 and none", s.Remembered, s.Revocations, s.StoreError)
	}
	if s.CopyAge < 0 || s.Staleness != 5*time.Second {
		t.Errorf("got a copy of age %v, good for %v", s.CopyAge, s.Staleness)
	}
	own, other := s.Issuers[0], s.Issuers[1]
	if len(own.Keys) == 0 || own.Keys[0].ID == "" || len(own.Keys[0].Algorithms) != 1 || own.Error != "" || own.Age >= 0 {
		t.Errorf("got %+v, want a named key with one algorithm", own)
	}
	if len(other.Keys) != 0 || other.Issuer != "https://down.example/" {
		t.Errorf("got %+v, want no keys", other)
	}
	eventually(t, "the reason why keys are missing", func() bool { return f.guard.Status().Issuers[1].Error != "" })
	down.serve(jwks(t, newSigner(t, "fetched")))
	eventually(t, "the fetched key and its age", func() bool {
		is := f.guard.Status().Issuers[1]
		return len(is.Keys) == 1 && is.Keys[0].ID == "fetched" && is.Age >= 0 && is.Error == ""
	})
	frail.set(failing)
	eventually(t, "the store's loss", func() bool { return f.guard.Status().StoreError != "" })
	for _, part := range strings.Split(raw, ".")[1:] {
		if strings.Contains(fmt.Sprintf("%+v", f.guard.Status()), part) {
			t.Error("the status holds a part of a token")
		}
	}
}
