package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   []float64
		want float64
	}{
		{[]float64{3}, 3},
		{[]float64{3, 1}, 2},
		{[]float64{9, 1, 2}, 2},
		{[]float64{9, 1, 2, 4}, 3},
	} {
		if got := median(tc.in); got != tc.want {
			t.Errorf("%v: got %v, want %v", tc.in, got, tc.want)
		}
	}
}

func TestAtLeast(t *testing.T) {
	t.Parallel()
	ladder := func(n int) (v []float64) {
		for i := range n {
			v = append(v, float64(n-i))
		}
		return v
	}
	// From the tables of the binomial distribution.
	for n, want := range map[int]float64{0: 0, 6: 0, 7: 1, 10: 1, 11: 2, 24: 6, 50: 17} {
		if got := atLeast(ladder(n)); got != want {
			t.Errorf("%d ratios: got the one of rank %v, want %v", n, got, want)
		}
	}
}

// noisy makes paired ratios around a true one: each turn's speed is its own,
// and now and then a neighbour takes the machine from one of the two.
func noisy(rng *rand.Rand, n int, truth, spread float64) []float64 {
	var out []float64
	for range n {
		r := truth * math.Exp(spread*rng.NormFloat64())
		switch rng.IntN(10) {
		case 0:
			r *= 2
		case 1:
			r /= 2
		}
		out = append(out, r)
	}
	return out
}

// TestWorse asks often, for a judgement by chance is right on the average only.
func TestWorse(t *testing.T) {
	t.Parallel()
	const asked = 2000
	for _, tc := range []struct {
		name           string
		n              int
		truth, spread  float64
		atMost, atLast float64 // share of "worse"
	}{
		{"equal", 24, 1, 0.05, 0.001, 0},
		{"equal on a busy machine", 24, 1, 0.15, 0.02, 0},
		{"3 % slower", 24, 1.03, 0.05, 0.01, 0},
		{"faster", 24, 0.8, 0.15, 0, 0},
		{"20 % slower", 24, 1.2, 0.05, 1, 0.95},
		{"twice as slow on a busy machine", 24, 2, 0.15, 1, 0.99},
		{"twice as slow, too few to say", 6, 2, 0.01, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(7, 11))
			n := 0.0
			for range asked {
				if worse(noisy(rng, tc.n, tc.truth, tc.spread)) {
					n++
				}
			}
			if share := n / asked; share > tc.atMost || share < tc.atLast {
				t.Errorf("got worse in %.4f of all cases, want %v to %v", share, tc.atLast, tc.atMost)
			}
		})
	}
}
