package main

import (
	"math"
	"slices"
)

// median is that of v, which must not be empty. v stays as it is.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// doubt is the probability with which atLeast may be wrong.
const doubt = 0.01

// atLeast is what the true median of paired ratios is not below, but for
// doubt: the sign test turned around. It asks nothing of the noise but that it
// favours neither side. If k is the largest number so that at most k-1 heads in
// len(v) throws of a coin are a surprise of doubt, it is the k-th smallest
// ratio; 0 where there are too few to be sure of anything.
func atLeast(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	bound, sum := 0.0, 0.0
	for k := range n {
		sum += math.Exp(logChoose(n, k) - float64(n)*math.Ln2) // at most k heads
		if sum > doubt {
			break
		}
		bound = v[k]
	}
	return bound
}

// logChoose is the logarithm of n over k.
func logChoose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// What bench-check takes for worse.
const (
	tooMuch   = 1.10 // the median ratio that is too high
	surelyTo  = 1.05 // and what even atLeast must be above
	leastRuns = 7    // pairs below which atLeast knows nothing
)

// worse says that the work has become dearer by more than noise explains.
func worse(ratios []float64) bool {
	return len(ratios) >= leastRuns && median(ratios) > tooMuch && atLeast(ratios) > surelyTo
}
