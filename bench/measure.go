package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

const (
	starts      = 5                    // of a proxy, for one sample of its start
	honestPause = 5 * time.Millisecond // between two requests of an honest client
)

// sample is what one cell gave.
type sample struct {
	Round int    `json:"round"`
	Row   string `json:"row"`
	Proxy string `json:"proxy"`
	// Value is by the row's figure: microseconds of CPU a request, percent,
	// a ratio, megabytes or milliseconds.
	Value float64 `json:"value"`
	// Turns are the values of the single turns of a race.
	Turns []float64 `json:"turns,omitempty"`
	// The rest is zero where the row has no load.
	Requests int            `json:"requests,omitempty"`
	Dials    int            `json:"dials,omitempty"`
	Seconds  float64        `json:"seconds,omitempty"`
	Failed   int            `json:"failed,omitempty"`
	Errors   map[string]int `json:"errors,omitempty"`
	P50      float64        `json:"p50_ms,omitempty"`
	P99      float64        `json:"p99_ms,omitempty"`
	PeakMB   float64        `json:"peak_mb,omitempty"`
	Honest   []honest       `json:"honest,omitempty"`

	nowMB float64 // resident at the end
}

func (s sample) String() string {
	if s.Requests == 0 {
		return fmt.Sprintf("%.1f", s.Value)
	}
	return fmt.Sprintf("%.1f; %.0f requests a second, %d connections made, %d failed",
		s.Value, float64(s.Requests)/s.Seconds, s.Dials, s.Failed)
}

// measure takes one cell, of a row that is no race, with processes of its own.
func (b *bed) measure(ctx context.Context, r row, p proxy) (sample, error) {
	if err := ctx.Err(); err != nil {
		return sample{}, err
	}
	switch r.kind {
	case weighing:
		return sizeOf(p)
	case starting:
		return b.timeStart(ctx, r, p)
	case logPrice:
		return b.priceOf(ctx, r, p, variant{}, variant{accessLog: true})
	case stores:
		return b.priceOfRedis(ctx, r, p)
	case beside:
		return b.besideForgeries(ctx, r, p)
	case everMore:
		return b.remember(ctx, r, p)
	default:
		return sample{}, fmt.Errorf("row %s is a race", r.name)
	}
}

// remember sends each token once and looks at what is resident afterwards.
func (b *bed) remember(ctx context.Context, r row, p proxy) (sample, error) {
	c := b.enter(ctx, r, p, variant{})
	defer c.leave()
	b.race(ctx, r, []*racer{c}, 1, b.opts.Cell)
	s, err := c.sample()
	s.Value = s.nowMB
	return s, err
}

// sample is what o says of a cell that took so long.
func (o *outcome) sample(took time.Duration) sample {
	return sample{
		Requests: o.Requests, Dials: o.Dials, Seconds: took.Seconds(), Failed: o.failures(), Errors: o.Errors,
		P50: o.took.quantile(0.5), P99: o.took.quantile(0.99),
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// timeStart is the median of several starts, from exec to ready, in a folder
// that an earlier run has left its state in.
func (b *bed) timeStart(ctx context.Context, r row, p proxy) (sample, error) {
	dir, n := b.folder(), starts
	if b.opts.Quick {
		n = 1
	}
	var times []float64
	for range n + 1 {
		proc, _, err := b.start(ctx, r, p, dir, variant{})
		if err != nil {
			return sample{}, err
		}
		times = append(times, float64(proc.ready.Microseconds())/1000)
		proc.stop()
	}
	times = times[1:]
	slices.Sort(times)
	return sample{Value: times[len(times)/2]}, nil
}

func sizeOf(p proxy) (sample, error) {
	info, err := os.Stat(p.bin)
	if err != nil {
		return sample{}, fmt.Errorf("read size of %s: %w", p.name, err)
	}
	return sample{Value: float64(info.Size()) / 1e6}, nil
}
