package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// heapGoal is how large the heap may always grow between two collections.
	// A proxy's live heap is small and its garbage plenty: collecting at twice
	// the live size, as is the default, would cost a tenth of its time.
	heapGoal = 12 << 20
	// leastRoom is what may be allocated between two collections however large
	// the live heap is: without it, one that is about heapGoal would be
	// collected all the time.
	leastRoom = 3 << 20
	// leanest and laziest bound the percentage that these come down to.
	leanest, laziest = 15, 800
)

// paceCollector keeps the collector's goal at heapGoal, and close above the
// live heap where that is larger, until ctx ends. It looks after every
// collection: a heap that grows by a million revocations in a second must not
// be let run by the percentage of the small one that it was.
func paceCollector(ctx context.Context) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	percent := laziest / 4
	debug.SetGCPercent(percent)
	collected := make(chan struct{}, 1)
	announce(ctx, collected)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-collected:
		}
		metrics.Read(sample)
		// Setting it stops the world, so not for nothing.
		if next := pace(int(sample[0].Value.Uint64())); 10*max(next-percent, percent-next) > percent {
			percent = next
			debug.SetGCPercent(percent)
		}
	}
}

// pace is the percentage for a live heap of so many bytes.
func pace(live int) int {
	live = max(1<<20, live)
	room := max(heapGoal-live, leastRoom)
	return min(laziest, max(leanest, room*100/live))
}

// thin drops, now and then, the pages of the program that serving does not use.
func (d *daemon) thin(ctx context.Context) {
	tick := time.NewTicker(thinEvery)
	defer tick.Stop()
	for {
		if err := dropPages(); err != nil {
			d.logger.Debug("pages of the program stay in memory", "error", err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// thinEvery is rare enough for what is still used to cost nothing: it comes
// back in some hundred page faults of a microsecond.
const thinEvery = 10 * time.Second

// announce sends after every collection until ctx ends, unless the last one
// has not been looked at yet.
func announce(ctx context.Context, collected chan<- struct{}) {
	sentinel := new(*int) // of a type with a pointer, so that it is not packed with others
	runtime.AddCleanup(sentinel, func(struct{}) {
		select {
		case collected <- struct{}{}:
		default:
		}
		if ctx.Err() == nil {
			announce(ctx, collected)
		}
	}, struct{}{})
}
