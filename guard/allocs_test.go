package guard_test

import (
	"strings"
	"testing"
)

// TestAllocations holds what the rules allocate for a request with a remembered
// token: its exchange, its id, and where a handler in this process is called,
// what that takes for granted: a context that ends and a request that has it
// (three). It does not grow with the token..
func TestAllocations(t *testing.T) {
	for _, c := range []struct {
		name string
		more map[string]any
		most float64
	}{
		{"usual token", nil, 5},
		{"large token", map[string]any{"groups": strings.Repeat("group ", 800)}, 5},
	} {
		handler, template := benchGuard(t, c.more)
		ask := repeated(handler, template)
		ask()
		if got := testing.AllocsPerRun(500, ask); got > c.most+forgotten {
			t.Errorf("%s: got %v allocations, want at most %v", c.name, got, c.most)
		}
	}
}

// TestAllocationsOfForgeries holds what a forgery costs that was seen before.
func TestAllocationsOfForgeries(t *testing.T) {
	handler, template := benchGuard(t, nil)
	template["Authorization"] = []string{forge(template["Authorization"][0])}
	ask := repeated(handler, template)
	ask()
	if got := testing.AllocsPerRun(15, ask); got > 10+forgotten { // within the limit of failures
		t.Errorf("got %v allocations, want at most 10", got)
	}
}
