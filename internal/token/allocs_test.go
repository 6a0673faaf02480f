package token_test

import (
	"testing"

	"github.com/wiretight/wiretight/internal/token"
)

// TestParseAllocates a handful of pieces, however many claims there are: the
// decoded parts, the token with its members, the texts of its claims, its kid,
// and two lists.
func TestParseAllocates(t *testing.T) {
	few := sign(t, "RS256", goodClaims())
	many := sign(t, "RS256", with(goodClaims(), object{"azp": "web", "name": "Ada", "email": "ada@example.com"}))
	for name, raw := range map[string]string{"12 claims": few, "15 claims": many} {
		got := testing.AllocsPerRun(100, func() {
			if _, err := token.Parse(raw, token.Limits{}); err != nil {
				t.Error(err)
			}
		})
		if got > 6 {
			t.Errorf("%s: got %v allocations, want 6 at most", name, got)
		}
	}
}
