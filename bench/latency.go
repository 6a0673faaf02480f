package main

import (
	"math/bits"
	"time"
)

const (
	// fineness is how many buckets each doubling of the time has: a quantile
	// is at most a 32nd too high.
	fineness = 32
	// octaves above fineness microseconds; the last one reaches 134 s.
	octaves = 22
)

// latencies counts how long answers took. It needs the same few kilobytes for
// any number of answers, so that keeping them does not disturb what is measured.
type latencies struct {
	counts [fineness * (octaves + 1)]uint32
	n      int
}

func (l *latencies) add(took time.Duration) {
	l.counts[bucket(took)]++
	l.n++
}

// merge adds what other counted.
func (l *latencies) merge(other *latencies) {
	for i, c := range other.counts {
		l.counts[i] += c
	}
	l.n += other.n
}

// bucket is exact below fineness microseconds, and logarithmic above.
func bucket(took time.Duration) int {
	us := uint64(max(0, took.Microseconds()))
	if us < fineness {
		return int(us)
	}
	octave := bits.Len64(us) - bits.Len64(fineness-1) // 1 from fineness on
	return min(octave*fineness+int(us>>(octave-1))-fineness, fineness*(octaves+1)-1)
}

// quantile is the time, in milliseconds, within which the share q of the
// answers came; 0 without answers.
func (l *latencies) quantile(q float64) float64 {
	rest := int(q * float64(l.n))
	for i, c := range l.counts {
		if rest -= int(c); rest < 0 {
			return float64(bucketEnd(i)) / 1000
		}
	}
	for i := len(l.counts) - 1; i >= 0; i-- { // q is 1
		if l.counts[i] > 0 {
			return float64(bucketEnd(i)) / 1000
		}
	}
	return 0
}

// bucketEnd is the longest time, in microseconds, that falls into a bucket.
func bucketEnd(i int) uint64 {
	octave := i / fineness
	if octave == 0 {
		return uint64(i)
	}
	return uint64(i%fineness+fineness+1)<<(octave-1) - 1
}
