package guard_test

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/token"
)

// forge gives a token another signature of the same length.
func forge(raw string) string {
	i := strings.LastIndexByte(raw, '.') + 1
	signature := make([]byte, base64.RawURLEncoding.DecodedLen(len(raw)-i))
	_, _ = rand.Read(signature) // never fails (crypto/rand)
	return raw[:i] + base64.RawURLEncoding.EncodeToString(signature)
}

// TestForgeriesAreJudgedByTheKeysOfNow shows one token again and again while
// the keys change: what was a forgery under some keys is none under others.
func TestForgeriesAreJudgedByTheKeysOfNow(t *testing.T) {
	t.Parallel()
	one, two := newSigner(t, "key"), newSigner(t, "key") // by the same name
	sets := map[*token.Signer]*token.KeySet{}
	for _, s := range []*token.Signer{one, two} {
		ks, _, err := token.ParseJWKS(jwks(t, s))
		if err != nil {
			t.Fatal(err)
		}
		sets[s] = ks
	}
	keys := keyset.NewLocal(sets[one])
	f := newFixture(t, func(c *guard.Config) {
		c.Tokens.Issuers[0].JWKS, c.Tokens.Issuers[0].Keys = nil, keys
		c.RateLimit = neverLimited
	})
	raw := f.mintWith(two, nil)
	ask := func(want int) {
		t.Helper()
		if got := f.get("/x", "Authorization", "Bearer "+raw); got.status != want {
			t.Fatalf("got %v, want %d", got, want)
		}
	}
	for range 2 {
		ask(401)
		ask(401)
		if !strings.Contains(f.log.String(), "and did not before") {
			t.Error("the forgery was verified twice under the same keys")
		}
		keys.Set(sets[two])
		ask(200)
		ask(200)
		keys.Set(sets[one])
	}
	if err := f.guard.Reload(f.config); err != nil {
		t.Fatal(err)
	}
	ask(401)
}

// TestForgeriesEvictNothing floods the memory of a guard that is full of good
// tokens. They are remembered still: only such tokens pass an address that has
// shown too many bad ones.
func TestForgeriesEvictNothing(t *testing.T) {
	t.Parallel()
	const many, room = 32, 512
	f := newFixture(t, func(c *guard.Config) {
		c.Tokens.Cache = room
		c.RateLimit.AuthFailures = guard.Rate{Count: 2000, Per: time.Hour}
	})
	handler := f.guard.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	ask := func(raw string) int { return askHandler(handler, raw) }
	good := make([]string, many)
	for i := range good {
		good[i] = f.mint(nil)
		if got := ask(good[i]); got != 200 {
			t.Fatalf("good token %d: got %d, want 200", i, got)
		}
	}
	for range 4*room + 100 {
		if got := ask(forge(good[0])); got != 401 && got != 429 {
			t.Fatalf("forgery: got %d, want 401 or 429", got)
		}
	}
	if got := ask(f.mint(nil)); got != 429 {
		t.Fatalf("a token that is not remembered: got %d, want 429", got)
	}
	for i, raw := range good {
		if got := ask(raw); got != 200 {
			t.Errorf("good token %d after the flood: got %d, want 200", i, got)
		}
	}
}

// TestTrialOfClaimsIsNoneOfSignatures puts a rule on trial that looks at what
// anybody can write into a token. A forgery that breaks it too stays out.
func TestTrialOfClaimsIsNoneOfSignatures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule   guard.Rule
		claims map[string]any
	}{
		{guard.RuleAudience, map[string]any{"aud": "other"}},
		{guard.RuleExpired, map[string]any{"iat": 1, "exp": 2}},
	} {
		f := newFixture(t, func(cfg *guard.Config) { cfg.Observe = []guard.Rule{c.rule} })
		raw := f.mint(c.claims)
		if got := f.get("/x", "Authorization", "Bearer "+forge(raw)); got.status != 401 || got.problem().Detail != "Invalid token" {
			t.Errorf("forged, %s on trial: got %v, want 401 Invalid token", c.rule, got)
		}
		if got := f.get("/x", "Authorization", "Bearer "+raw); got.status != 200 {
			t.Errorf("genuine, %s on trial: got %v, want 200", c.rule, got)
		}
	}
}

// TestOnlyGenuineTokensAreCalledExpired holds that nobody learns from a forgery
// what its claims would have led to.
func TestOnlyGenuineTokensAreCalledExpired(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	now := f.clock.now()
	raw := f.mint(map[string]any{"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(-time.Second).Unix()})
	for _, c := range []struct{ name, raw, detail string }{
		{"genuine", raw, "Token expired"},
		{"forged", forge(raw), "Invalid token"},
		{"genuine, for others", f.mint(map[string]any{"aud": "other"}), "Invalid token"},
		{"forged, for others", forge(f.mint(map[string]any{"aud": "other"})), "Invalid token"},
	} {
		got := f.get("/x", "Authorization", "Bearer "+c.raw)
		if got.status != 401 || got.problem().Detail != c.detail || got.header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` {
			t.Errorf("%s: got %v, want 401 %s", c.name, got, c.detail)
		}
	}
}

// TestFloodLeavesHonestClientsAlone measures an honest client alone and beside
// a flood of forgeries, each of them new. The bound is generous: it is about a
// client that waits behind the flood's verifications, not about microseconds,
// and this machine may have other work.
func TestFloodLeavesHonestClientsAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) { c.RateLimit = neverLimited })
	handler := f.guard.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	raw := f.mint(nil)
	median := func() time.Duration {
		took := make([]time.Duration, 101)
		for i := range took {
			start := time.Now()
			if got := askHandler(handler, raw); got != 200 {
				t.Fatalf("honest client: got %d, want 200", got)
			}
			took[i] = time.Since(start)
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	beside := func() time.Duration {
		stop := make(chan struct{})
		var flood sync.WaitGroup
		for range 16 {
			flood.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if got := askHandler(handler, forge(raw)); got != 401 {
						t.Errorf("forgery: got %d, want 401", got)
						return
					}
				}
			})
		}
		defer flood.Wait()
		defer close(stop)
		return median()
	}
	var quiet, flooded time.Duration
	for range 5 { // whatever else the machine does passes
		quiet = median()
		if flooded = beside(); flooded <= 5*quiet+100*time.Millisecond {
			return
		}
	}
	t.Errorf("honest client: median %v alone, %v beside the flood", quiet, flooded)
}

// TestRememberedOverManyKeys changes the keys more often than the memory can
// tell apart. A token that was remembered under some keys never passes under
// others, however long ago that was.
func TestRememberedOverManyKeys(t *testing.T) {
	t.Parallel()
	one, two := newSigner(t, "key"), newSigner(t, "key")
	var sets [2]*token.KeySet
	for i, s := range []*token.Signer{one, two} {
		var err error
		if sets[i], _, err = token.ParseJWKS(jwks(t, s)); err != nil {
			t.Fatal(err)
		}
	}
	keys := keyset.NewLocal(sets[0])
	f := newFixture(t, func(c *guard.Config) {
		c.Tokens.Issuers[0].JWKS, c.Tokens.Issuers[0].Keys = nil, keys
		c.RateLimit = neverLimited
	})
	handler := f.guard.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	old, raw := f.mintWith(one, nil), f.mintWith(one, nil)
	if got := askHandler(handler, old); got != 200 {
		t.Fatalf("got %d, want 200", got)
	}
	for i := range 1100 {
		keys.Set(sets[1])
		if i%100 == 0 {
			for _, raw := range []string{old, raw} {
				if got := askHandler(handler, raw); got != 401 {
					t.Fatalf("after %d changes, under other keys: got %d, want 401", i, got)
				}
			}
		}
		keys.Set(sets[0])
		if got := askHandler(handler, raw); got != 200 {
			t.Fatalf("after %d changes, under its keys: got %d, want 200", i, got)
		}
	}
	if got := askHandler(handler, old); got != 200 {
		t.Errorf("a token of the first keys, which are back: got %d, want 200", got)
	}
}
