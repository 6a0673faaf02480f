package main

import (
	"context"
	"runtime"
	"testing"
	"time"
)

// TestPace holds what the collector leaves to garbage: enough that it does not
// run all the time, and never much more than the live heap asks for.
func TestPace(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, tc := range []struct {
		name        string
		live        int
		least, most int // bytes between two collections
	}{
		{"nothing", 0, 8 * mib, 8 * mib},
		{"small", 4 * mib, 8 * mib, 8 * mib},
		{"about the goal", 11 * mib, leastRoom * 9 / 10, 5 * mib},
		{"a million revocations", 45 * mib, leastRoom, 7 * mib},
		{"large", 400 * mib, 60 * mib, 60 * mib},
	} {
		if got := max(mib, tc.live) / 100 * pace(tc.live); got < tc.least*99/100 || got > tc.most*101/100 {
			t.Errorf("%s: got %d bytes between two collections, want %d to %d", tc.name, got, tc.least, tc.most)
		}
	}
}

// TestAnnounce holds that every collection is announced, and none once nobody
// listens any more.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	collected := make(chan struct{}, 1)
	announce(ctx, collected)
	for range 3 {
		runtime.GC()
		select {
		case <-collected:
		case <-time.After(patience):
			t.Fatal("a collection was not announced")
		}
	}
	cancel()
	silent := 0
	eventually(t, "the announcements end", func() bool {
		runtime.GC()
		select {
		case <-collected:
			silent = 0
		default:
			silent++
		}
		return silent == 5
	})
}
