//go:build unix

package redact_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/redact"
)

// TestMaskIsLinear compares the time of hostile inputs of one size and of eight
// times that size. Quadratic work would take 64 times as long.
func TestMaskIsLinear(t *testing.T) {
	const size, factor, bound, floor = 8 << 10, 8, 24, 300 * time.Microsecond
	for _, unit := range []string{
		"eyJ", "eyJhbGci", "%2DeyJ", "eyJ.", "eyJa.b", "eyJ..", ".eyJ", "keyJ", "%65yJ", "%2EeyJ", `\u002eeyJ`, "eyJ&#46",
		"Bearer ", "Bearer+", "Basic+", "basic%20", "Basic a+", "Bearer realm=", "DPoP\t",
		"-----BEGIN ", "-----BEGIN PRIVATE", "-----BEGIN X-----", "-----END",
		"password:", "password=", "token: ", "token:\t", "token%3D", `"token":[`, `"token":{"`, `token:[]`, `"token":"\`,
		"cookie:", "cookie: '", "?code=", "&code=a", "http://", "http://a:b", "://a:x/", "://:@", `"k":`, `"d" : `, `\"`, "%22:", "%253D",
		"a", "=", ":", " ", "%", "\\", "&#", "\xff", "'token':'",
	} {
		t.Run(unit, func(t *testing.T) {
			// Other work on the machine can spoil a measurement, but not make
			// quadratic work look linear.
			var small, large time.Duration
			for range 5 {
				small = maskTime(t, strings.Repeat(unit, size/len(unit)))
				large = maskTime(t, strings.Repeat(unit, factor*size/len(unit)))
				if large <= bound*max(small, floor) {
					return
				}
			}
			t.Errorf("%d bytes took %v, %d times as many took %v, want at most %d times as long", size, small, factor, large, bound)
		})
	}
}

// maskTime returns the processor time of Mask, the best of many. The clock on
// the wall would also count the time of others.
func maskTime(t *testing.T, s string) time.Duration {
	t.Helper()
	best := time.Hour
	for n := 0; n < 12 && (n == 0 || best < time.Second/10); n++ {
		start := processorTime(t)
		redact.Mask(s)
		best = min(best, processorTime(t)-start)
	}
	return best
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
