package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQuantiles compares with the sorted times.
func TestQuantiles(t *testing.T) {
	t.Parallel()
	for _, most := range []int64{10, 1_000, 100_000, 100_000_000} {
		var l, left, right latencies
		var all []int64
		rng := rand.New(rand.NewPCG(1, uint64(most)))
		for i := range 10_000 {
			us := rng.Int64N(most)
			all = append(all, us)
			half := &left
			if i%2 == 0 {
				half = &right
			}
			half.add(time.Duration(us) * time.Microsecond)
		}
		l.merge(&left)
		l.merge(&right)
		slices.Sort(all)
		for _, q := range []float64{0, 0.5, 0.99, 1} {
			want := float64(all[min(int(q*10_000), 9_999)]) / 1000
			if got := l.quantile(q); got < want || got > want*(1+1.0/fineness)+0.001 {
				t.Errorf("up to %d µs: got quantile %v of %v ms, want %v and at most a %dth more", most, q, got, want, fineness)
			}
		}
	}
}

func TestQuantileOfNothingAndOfTooMuch(t *testing.T) {
	t.Parallel()
	var l latencies
	if got := l.quantile(0.99); got != 0 {
		t.Errorf("got %v without answers, want 0", got)
	}
	l.add(-time.Second)
	l.add(1000 * time.Hour)
	if got := l.quantile(0); got != 0 {
		t.Errorf("got %v for a clock that went back, want 0", got)
	}
	if got := l.quantile(1); got < 100_000 {
		t.Errorf("got %v ms for 1,000 hours, want the last bucket", got)
	}
}
