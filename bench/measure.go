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
}

func (s sample) String() string {
	if s.Requests == 0 {
		return fmt.Sprintf("%.1f", s.Value)
	}
	return fmt.Sprintf("%.1f; %.0f requests a second, %d connections made, %d failed",
		s.Value, float64(s.Requests)/s.Seconds, s.Dials, s.Failed)
}

// measure takes one cell with processes of its own.
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
	default:
		return b.load(ctx, r, p)
	}
}

// load measures CPU time a request, and for the memory row what is resident
// afterwards.
func (b *bed) load(ctx context.Context, r row, p proxy) (sample, error) {
	st, err := b.stage(ctx, r, p, variant{})
	if err != nil {
		return sample{}, err
	}
	defer st.close()
	begin := time.Now()
	before, err := cpuTime(st.proc.pid())
	if err != nil {
		return sample{}, err
	}
	seen, lone := b.drive(ctx, r, p, st)
	after, err := cpuTime(st.proc.pid())
	if err != nil {
		return sample{}, fmt.Errorf("%w; it wrote: %s", err, st.proc.tail)
	}
	took := time.Since(begin)
	for what, n := range st.warm.Errors {
		seen.note(what, n)
	}
	s := seen.sample(took)
	if s.Requests == 0 {
		return s, fmt.Errorf("no request was made in %v", b.opts.Cell)
	}
	if lone != nil {
		s.Requests += lone.Requests
		s.Dials += lone.Dials - 1 // its first is no loss
		s.Honest = []honest{lone.honest("beside forgeries")}
	}
	s.Value = micros(after-before) / float64(s.Requests)
	mem, err := residentMemory(st.proc.pid())
	if err != nil {
		return s, err
	}
	s.PeakMB = float64(mem.peak) / (1 << 20)
	if r.figure == megabytes {
		s.Value = float64(mem.now) / (1 << 20)
	}
	return s, ctx.Err()
}

// sample is what o says of a cell that took so long.
func (o *outcome) sample(took time.Duration) sample {
	return sample{
		Requests: o.Requests, Dials: o.Dials, Seconds: took.Seconds(), Failed: o.failures(), Errors: o.Errors,
		P50: o.took.quantile(0.5), P99: o.took.quantile(0.99),
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// drive sends what the row asks for, and for forgeries has an honest client
// beside them, which is nil otherwise.
func (b *bed) drive(ctx context.Context, r row, p proxy, on *stage) (seen, lone *outcome) {
	st, clients := b.stock[p.algFor(r)], on.clients
	timed, cancel := context.WithTimeout(ctx, b.opts.Cell)
	defer cancel()
	switch r.kind {
	case many:
		return clients.run(timed, cycle(st.good[:manyTokens]), 0, 200), nil
	case eachNew, everMore:
		return clients.run(ctx, once(st.good[:b.tokensFor(r.kind)]), 0, 200), nil
	case bad:
		want := 200
		if p.checks {
			want = 401
		}
		one := newCrowd(1, on.addr, b.cert, r.how)
		defer one.close()
		done := make(chan struct{})
		go func() {
			lone = one.run(timed, cycle(st.good[:1]), honestPause, 200)
			close(done)
		}()
		seen = clients.run(timed, cycle(st.forged), 0, want)
		<-done
		return seen, lone
	default:
		return clients.run(timed, cycle(st.good[:1]), 0, 200), nil
	}
}

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
