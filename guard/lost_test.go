package guard_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/store"
)

// forgetfulStore is a store that says it has lost records.
type forgetfulStore struct {
	store.Store
	lost atomic.Pointer[time.Time]
}

func (s *forgetfulStore) Lost() time.Time {
	if at := s.lost.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// TestLateComer has a guard start after a loss that another one has seen. It
// cannot know what was revoked before; the other one can.
func TestLateComer(t *testing.T) {
	t.Parallel()
	memory := store.NewMemory(nil, 1000)
	t.Cleanup(func() { _ = memory.Close() })
	s := &forgetfulStore{Store: memory}
	signer := newSigner(t, "key-1")
	start := func() *fixture {
		return newFixture(t, func(c *guard.Config) {
			c.Store, c.Now = s, time.Now
			c.Tokens.Issuers[0].JWKS = jwks(t, signer)
		})
	}
	old := start()
	lost := time.Now().Truncate(time.Second).Add(time.Second)
	s.lost.Store(&lost)
	noted := func() (n int) {
		if err := memory.List(t.Context(), "revoked/lost/", func(store.Record) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "the loss is noted", func() bool { return noted() == 1 })
	eventually(t, "the second is over", func() bool { return !time.Now().Before(lost) })
	late := start()
	ask := func(f *fixture, iat time.Time) int {
		raw := old.mintWith(signer, map[string]any{"iat": iat.Unix(), "exp": iat.Add(time.Minute).Unix()})
		return f.get("/items", "Authorization", "Bearer "+raw).status
	}
	if got := ask(old, lost.Add(-time.Second)); got != 200 {
		t.Errorf("a token from before, at the guard that was there: got %d, want 200", got)
	}
	if got := ask(late, lost.Add(-time.Second)); got != 401 {
		t.Errorf("a token from before, at the guard that came later: got %d, want 401", got)
	}
	if got := ask(late, lost); got != 200 {
		t.Errorf("a token from after, at the guard that came later: got %d, want 200", got)
	}
}

// TestLostRecords holds that whatever may have been used before a loss is not
// good once more, and that nothing else is refused.
func TestLostRecords(t *testing.T) {
	t.Parallel()
	memory := store.NewMemory(nil, 1000)
	t.Cleanup(func() { _ = memory.Close() })
	s := &forgetfulStore{Store: memory}
	f := newFixture(t, func(c *guard.Config) { c.Store = s; onceRoutes(c) })
	h := newHolder(f)
	f.clock.advance(time.Second) // the guard was there before
	lost := f.clock.now()
	at := func(d time.Duration) int64 { return lost.Add(d).Unix() }
	s.lost.Store(&lost)
	for _, c := range []struct {
		name, path string
		claims     map[string]any
		status     int
	}{
		{"issued before", "/pay", map[string]any{"iat": at(-time.Second)}, 401},
		{"issued before, where it is good often", "/items", map[string]any{"iat": at(-time.Second)}, 200},
		{"issued then", "/pay", map[string]any{"iat": at(0)}, 200},
		{"without iat, and so perhaps before", "/pay", map[string]any{"iat": nil}, 401},
	} {
		got := f.get(c.path, "Authorization", "Bearer "+f.mint(c.claims))
		if got.status != c.status {
			t.Errorf("%s: got %v, want %d", c.name, got, c.status)
		}
		if rule, _ := f.refusal(got); c.status == 401 && (rule != "replay" || got.problem().Detail != "Invalid token") {
			t.Errorf("%s: got %v by %q, want Invalid token by replay", c.name, got, rule)
		}
	}
	raw := h.token(nil)
	if got := h.ask(raw, "/items", map[string]any{"iat": at(-time.Second)}); got.status != 401 {
		t.Errorf("a proof from before: got %v, want 401", got)
	}
	if got := h.ask(raw, "/items", map[string]any{"iat": at(0)}); got.status != 200 {
		t.Errorf("a proof from after: got %v, want 200", got)
	}
	f.clock.advance(2 * time.Hour)
	if got := f.get("/pay", "Authorization", "Bearer "+f.mint(map[string]any{"iat": nil})); got.status != 200 {
		t.Errorf("without iat, when it cannot be from before: got %v, want 200", got)
	}
}
