package guard_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// TestTrialOpensOneRuleOnly shows tokens that break the rule on trial and
// another one: what the other refuses stays refused.
func TestTrialOpensOneRuleOnly(t *testing.T) {
	t.Parallel()
	past := map[string]any{"exp": time.Now().Unix() - 300, "iat": time.Now().Unix() - 600}
	breaks := map[guard.Rule]map[string]any{
		guard.RuleExpired: past, guard.RuleIssuer: {"iss": "https://elsewhere.example/"}, guard.RuleAudience: {"aud": "other"}, guard.RuleRate: {},
	}
	others := []struct {
		name, path string
		status     int
		claims     map[string]any
	}{
		{"expired", "/items", 401, past},
		{"issuer", "/items", 401, breaks[guard.RuleIssuer]},
		{"audience", "/items", 401, breaks[guard.RuleAudience]},
		{"no exp", "/items", 401, map[string]any{"exp": nil}},
		{"lifetime", "/items", 401, map[string]any{"exp": time.Now().Unix() + 1<<20}},
		{"no sub", "/items", 401, map[string]any{"sub": nil}},
		{"scope", "/admin", 403, nil},
		{"unbound", "/bound", 401, nil},
		{"bound to a key", "/items", 401, map[string]any{"cnf": map[string]any{"jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}}},
		{"revoked", "/items", 401, map[string]any{"jti": "revoked"}},
	}
	for rule, broken := range breaks {
		t.Run(string(rule), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *guard.Config) {
				c.Observe = []guard.Rule{rule}
				c.Routes = []guard.Route{{Path: "/admin", Scopes: []string{"admin"}}, {Path: "/bound", Binding: guard.BindingRequired}, {Path: "/once", Once: true}}
				if rule == guard.RuleRate {
					c.RateLimit.AuthFailures = guard.Rate{Count: 1, Per: time.Hour}
				}
			})
			if err := f.guard.Revoke(t.Context(), guard.Revocation{JTI: "revoked"}); err != nil {
				t.Fatal(err)
			}
			mint := func(more map[string]any) string {
				claims := map[string]any{}
				for _, from := range []map[string]any{broken, more} {
					for name, value := range from {
						claims[name] = value
					}
				}
				return "Bearer " + f.mint(claims)
			}
			f.get("/items", "Authorization", "Bearer x.y.z") // one failure, which is all that rate allows
			for range 2 {                                    // what is remembered must not make a difference
				if got := f.get("/items", "Authorization", mint(nil)); got.status != 200 {
					t.Errorf("alone: got %v, want 200", got)
				}
			}
			for _, c := range others {
				if c.name == string(rule) {
					continue
				}
				if got := f.get(c.path, "Authorization", mint(c.claims)); got.status != c.status {
					t.Errorf("and %s: got %v, want %d", c.name, got, c.status)
				}
			}
			forged := f.mintWith(newSigner(t, "key-1"), broken)
			for range 2 { // known for a forgery by then
				if got := f.get("/items", "Authorization", "Bearer "+forged); got.status != 401 {
					t.Errorf("forged: got %v, want 401", got)
				}
			}
			once := mint(nil)
			if got := f.get("/once", "Authorization", once); got.status != 200 {
				t.Errorf("once: got %v, want 200", got)
			}
			if got := f.get("/once", "Authorization", once); got.status != 401 {
				t.Errorf("twice: got %v, want 401", got)
			}
		})
	}
}

// TestTrialVouchesForNothing holds that on a public route, where a token that
// is no good is taken away and not refused, a trial changes nothing.
func TestTrialVouchesForNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Observe = []guard.Rule{guard.RuleAudience, guard.RuleExpired, guard.RuleIssuer}
		c.Routes = []guard.Route{{Path: "/public", Public: true}}
	})
	got := f.get("/public", "Authorization", "Bearer "+f.mint(map[string]any{"aud": "other"}))
	if got.status != http.StatusOK || f.upstream.last(t).header.Get("Authorization") != "" {
		t.Errorf("got %v, and the token went on: %v", got, f.upstream.last(t).header)
	}
	if n := f.metric("wiretight_observed_refusals_total"); n != 0 {
		t.Errorf("%v refusals were counted, want none", n)
	}
}

// TestTrialGivesNoIdentity holds that a token which passes on trial alone tells
// the upstream nothing.
func TestTrialGivesNoIdentity(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Observe = []guard.Rule{guard.RuleAudience}
		c.Tokens.Forward = guard.ForwardClaims
	})
	for aud, want := range map[string]string{testAudience: "alice", "other": ""} {
		got := f.get("/items", "Authorization", "Bearer "+f.mint(map[string]any{"aud": aud}))
		up := f.upstream.last(t).header
		if got.status != http.StatusOK || up.Get("X-Auth-Subject") != want || up.Get("Authorization") != "" {
			t.Errorf("for %s: got %v and the upstream %v, want subject %q", aud, got, up, want)
		}
	}
}

// TestTrialOfExpiryKeepsWhatIsRemembered lets a remembered token expire: on
// trial it passes, counted, and its scopes still count.
func TestTrialOfExpiryKeepsWhatIsRemembered(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Observe = []guard.Rule{guard.RuleExpired}
		c.Routes = []guard.Route{{Path: "/admin", Scopes: []string{"admin"}}}
	})
	bearer := f.bearer()
	f.get("/items", "Authorization", bearer)
	f.clock.advance(2 * time.Hour)
	if got := f.get("/items", "Authorization", bearer); got.status != 200 {
		t.Errorf("got %v, want 200", got)
	}
	if got := f.get("/admin", "Authorization", bearer); got.status != 403 {
		t.Errorf("got %v, want 403", got)
	}
	if n := f.metric("wiretight_observed_refusals_total", "rule", "expired"); n != 2 {
		t.Errorf("counted %v, want 2", n)
	}
}
