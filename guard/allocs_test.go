package guard_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestAllocations holds what a request with a remembered token allocates: for
// the rules its exchange, and a sixteenth of what its id is made with; where a
// handler in this process is called, also what that takes for granted: a context
// that ends and a request that has it (three). None of it grows with the token.
func TestAllocations(t *testing.T) {
	for _, c := range []struct {
		name string
		more map[string]any
	}{
		{"usual token", nil},
		{"large token", map[string]any{"groups": strings.Repeat("group ", 800)}},
	} {
		g, wrapped, template := benchGuard(t, c.more)
		rules := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !g.Decide(w, r) {
				t.Error("the request does not pass")
			}
		})
		for _, measured := range []struct {
			name    string
			handler http.Handler
			most    float64
		}{{"rules", rules, 1}, {"exchange", wrapped, 4}} {
			ask := repeated(measured.handler, template)
			ask()
			if got := testing.AllocsPerRun(500, ask); got > measured.most+forgotten {
				t.Errorf("%s, %s: got %v allocations, want at most %v", c.name, measured.name, got, measured.most)
			}
		}
	}
}

// TestAllocationsOfForgeries holds what a forgery costs that was seen before.
func TestAllocationsOfForgeries(t *testing.T) {
	_, handler, template := benchGuard(t, nil)
	template["Authorization"] = []string{forge(template["Authorization"][0])}
	ask := repeated(handler, template)
	ask()
	if got := testing.AllocsPerRun(15, ask); got > 10+forgotten { // within the limit of failures
		t.Errorf("got %v allocations, want at most 10", got)
	}
}
