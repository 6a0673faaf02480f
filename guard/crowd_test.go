package guard_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// TestOneSubjectDoesNotFillTheMemory shows many more tokens of one user than
// are remembered: most of what is remembered of others stays. Over the limit of
// failures only remembered tokens pass, which makes them countable.
func TestOneSubjectDoesNotFillTheMemory(t *testing.T) {
	t.Parallel()
	const size = 320
	p := newParty(t, "HS256")
	o := newOffline(t, func(c *guard.Config) {
		c.Tokens.Cache = size
		c.Tokens.Issuers = []guard.Issuer{p.issuer(testIssuer)}
		c.RateLimit.AuthFailures = guard.Rate{Count: 1, Per: time.Hour}
		c.Logger = nil
	})
	defer func() { _ = o.guard.Close() }()
	remembered := func(raw string) bool {
		return unwired(o.handler, "192.0.2.99:1", http.Header{"Authorization": {"Bearer " + raw}}, "/").status == 200
	}
	honest := make([]string, 2*size)
	for i := range honest {
		honest[i] = p.mint(o.fixture, map[string]any{"sub": fmt.Sprint("user-", i)})
		o.want("an honest token", "/", honest[i], 200)
	}
	for range 5 * size {
		o.want("one of very many tokens", "/", p.mint(o.fixture, map[string]any{"sub": "mallory"}), 200)
	}
	remembered(honest[0][:len(honest[0])-4] + "AAAA") // from here on, this address is over the limit
	kept := 0
	for _, raw := range honest {
		if remembered(raw) {
			kept++
		}
	}
	if kept < size/2 { // usually nine tenths
		t.Errorf("of %d places, others have %d, want at least half", size, kept)
	}
}
