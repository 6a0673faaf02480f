package issuer_test

import (
	"testing"
	"time"

	"github.com/wiretight/wiretight/issuer"
)

// TestOutage has a store that is away from second 100 to second 160, heard of
// twice a second else.
func TestOutage(t *testing.T) {
	t.Parallel()
	var o issuer.Outage
	begin := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	if o.Excuses(at(0), at(0), time.Minute) {
		t.Error("got an excuse before anything was heard, want none")
	}
	for s := 0.0; s < 300; s += 0.5 {
		if s <= 100 || s >= 160 {
			o.Heard(at(s), at(s))
		}
	}
	for _, c := range []struct {
		name        string
		change, now float64
		want        bool
	}{
		{"just before it, at once after it", 99.5, 161, true},
		{"as long before it as a call may take", 98, 161, true},
		{"long before it", 97, 161, false},
		{"in it, by another instance", 130, 161, true},
		{"in it, at the end of the grace", 130, 170, true},
		{"in it, after the grace", 130, 170.1, false},
		{"after it", 161, 169, false},
	} {
		if got := o.Excuses(at(c.change), at(c.now), 10*time.Second); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	// A clock that was set is no outage.
	var steady issuer.Outage
	for s := 0.0; s < 10; s += 0.5 {
		clock := s
		if s > 5 {
			clock += 3600
		}
		steady.Heard(at(s), at(clock))
	}
	if steady.Excuses(at(5), at(3605.5), time.Minute) {
		t.Error("got an excuse because the clock was set, want none")
	}
}
