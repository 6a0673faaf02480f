package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// heapGoal is how large the heap may always grow between two collections.
	// A proxy's live heap is small and its garbage plenty: collecting at twice
	// the live size, as is the default, would cost a tenth of its time.
	heapGoal = 16 << 20
	// leanest and laziest bound the percentage that heapGoal comes down to.
	leanest, laziest = 15, 800
)

// paceCollector keeps the collector's goal at heapGoal, and close above the
// live heap where that is larger, until ctx ends.
func paceCollector(ctx context.Context) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	debug.SetGCPercent(laziest / 2)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		live := max(1<<20, int(sample[0].Value.Uint64()))
		debug.SetGCPercent(min(laziest, max(leanest, (heapGoal-live)*100/live)))
	}
}
