package checks

import (
	"slices"
	"testing"

	"github.com/wiretight/wiretight/scan"
)

// passMended scans for each check a server that has mended what the check looks
// for: the check must pass there, and none of the others may find anything.
func passMended(t *testing.T, checks []scan.Check, servers map[string]func(testing.TB) *fixture) {
	t.Helper()
	if len(checks) != len(servers) {
		t.Errorf("got %d checks and %d mended servers, want as many", len(checks), len(servers))
	}
	for _, c := range checks {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			mended, ok := servers[c.ID]
			if !ok {
				t.Fatal("there is no mended server")
			}
			r, err := scan.Run(t.Context(), mended(t).Config, checks)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Findings {
				t.Errorf("got %s %s: %s", f.ID, f.Location.URL, f.Evidence)
			}
			if !slices.Contains(r.Passed, c.ID) {
				t.Errorf("got passed %v, inconclusive %v, skipped %v; want %s passed", r.Passed, r.Inconclusive, r.Skipped, c.ID)
			}
		})
	}
}
