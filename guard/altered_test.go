package guard_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// TestAlteredTokensAreNotRemembered changes a remembered token in one place
// after the other, by one bit and by another spelling of the same bits, and
// lengthens and shortens it. Only the very text that was verified is good.
func TestAlteredTokensAreNotRemembered(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.RateLimit.AuthFailures = guard.Rate{Count: 100_000, Per: time.Hour}
	})
	handler := f.guard.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	good := f.mint(nil)
	if got := askHandler(handler, good); got != 200 {
		t.Fatalf("got %d, want 200", got)
	}
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var altered []string
	for i := range good {
		at := strings.IndexByte(digits, good[i])
		if at < 0 {
			at = 0 // a dot
		}
		altered = append(altered, good[:i]+digits[at^1:at^1+1]+good[i+1:], good[:i]+good[i+1:])
	}
	last := strings.IndexByte(digits, good[len(good)-1])
	for low := range 16 { // of the last digit, four bits mean nothing
		if spelled := good[:len(good)-1] + digits[last&^15|low:][:1]; spelled != good {
			altered = append(altered, spelled)
		}
	}
	for _, more := range []string{"=", "==", "A", ".", "\x00", "%3D", "\u00a0"} {
		altered = append(altered, good+more)
	}
	altered = append(altered, strings.ReplaceAll(good, ".", ".."), "."+good, good+good, strings.ToUpper(good), strings.Replace(good, ".", "=.", 1))
	for _, raw := range altered {
		if got := askHandler(handler, raw); got != 401 && got != 400 {
			t.Errorf("%q: got %d, want 401", raw, got)
		}
	}
	if got := askHandler(handler, good); got != 200 {
		t.Errorf("got %d, want 200 as before", got)
	}
}
