package guard_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/store"
)

// TestNamesOfWhatIsUsedUp holds that what each request leaves in the store has
// names that a shared store spreads and does not log. Under any other name a
// busy guard would fill the log that its revocations come by.
func TestNamesOfWhatIsUsedUp(t *testing.T) {
	t.Parallel()
	s := store.NewMemory(nil, 1000)
	t.Cleanup(func() { _ = s.Close() })
	f := newFixture(t, func(c *guard.Config) { c.Store = s; onceRoutes(c) })
	h := newHolder(f)
	if got := h.ask(h.token(nil), "/items", nil); got.status != 200 {
		t.Fatalf("with a proof: got %v, want 200", got)
	}
	if got := f.get("/pay", "Authorization", f.bearer()); got.status != 200 {
		t.Fatalf("on a once route: got %v, want 200", got)
	}
	var kinds []string
	if err := s.List(t.Context(), "", func(r store.Record) bool {
		kind, _, _ := strings.Cut(r.Key, "/")
		kinds = append(kinds, kind)
		if !store.Spreads(r.Key) {
			t.Errorf("%s…: got a record that is logged, want it spread", kind)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"once", "proof"}; !slices.Equal(kinds, want) {
		t.Errorf("got records %q, want %q", kinds, want)
	}
}
