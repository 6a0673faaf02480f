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
	logTurns    = 8                    // of each of the two, for one sample of the log's price
	honestPause = 5 * time.Millisecond // between two requests of the honest client
)

// sample is what one cell gave.
type sample struct {
	Round int    `json:"round"`
	Row   string `json:"row"`
	Proxy string `json:"proxy"`
	// Value is microseconds of CPU a request, percent, megabytes or
	// milliseconds, by the row's figure.
	Value float64 `json:"value"`
	// The rest is zero where the row has no load.
	Requests int            `json:"requests,omitempty"`
	Dials    int            `json:"dials,omitempty"`
	Seconds  float64        `json:"seconds,omitempty"`
	Failed   int            `json:"failed,omitempty"`
	Errors   map[string]int `json:"errors,omitempty"`
	PeakMB   float64        `json:"peak_mb,omitempty"`
	// HonestMillis is the slowest answer to the client beside the forgeries.
	HonestMillis float64 `json:"honest_slowest_ms,omitempty"`
	HonestFailed int     `json:"honest_failed,omitempty"`
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
	switch {
	case r.name == "size":
		return sizeOf(p)
	case r.kind == none:
		return b.timeStart(ctx, r, p)
	case r.figure == logPercent:
		return b.priceOfLog(ctx, r, p)
	default:
		return b.load(ctx, r, p)
	}
}

// load measures CPU time a request, and for the memory row what is resident
// afterwards.
func (b *bed) load(ctx context.Context, r row, p proxy) (sample, error) {
	st, err := b.stage(ctx, r, p, false)
	if err != nil {
		return sample{}, err
	}
	defer st.close()
	begin := time.Now()
	before, err := cpuTime(st.proc.pid())
	if err != nil {
		return sample{}, err
	}
	seen, honest := b.drive(ctx, r, p, st)
	after, err := cpuTime(st.proc.pid())
	if err != nil {
		return sample{}, fmt.Errorf("%w; it wrote: %s", err, st.proc.tail)
	}
	s := sample{
		Requests: seen.Requests + honest.Requests, Dials: seen.Dials + honest.Dials,
		Seconds: time.Since(begin).Seconds(), Failed: seen.failures(), Errors: seen.Errors,
		HonestFailed: honest.failures(), HonestMillis: float64(honest.Slowest.Microseconds()) / 1000,
	}
	if s.Requests == 0 {
		return s, fmt.Errorf("no request was made in %v", b.opts.Cell)
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

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// drive sends what the row asks for, and for forgeries has an honest client
// beside them.
func (b *bed) drive(ctx context.Context, r row, p proxy, on *stage) (seen, honest outcome) {
	st, clients := b.stock[r.alg], on.clients
	timed, cancel := context.WithTimeout(ctx, b.opts.Cell)
	defer cancel()
	switch r.kind {
	case many:
		return clients.run(timed, cycle(st.good[:manyTokens]), 200, 0), honest
	case eachNew, everMore:
		return clients.run(ctx, once(st.good[:b.tokensFor(r.kind)]), 200, 0), honest
	case bad:
		want := 200
		if p.checks {
			want = 401
		}
		lone := newCrowd(1, on.addr, b.cert, r.how)
		defer lone.close()
		done := make(chan struct{})
		go func() {
			honest = lone.run(timed, cycle(st.good[:1]), 200, honestPause)
			close(done)
		}()
		seen = clients.run(timed, cycle(st.forged), want, 0)
		<-done
		return seen, honest
	default:
		return clients.run(timed, cycle(st.good[:1]), 200, 0), honest
	}
}

// priceOfLog compares p without and with access log. Both run, and are loaded
// in turn for short times, for what they differ by is less than the machine
// drifts from one cell to the next.
func (b *bed) priceOfLog(ctx context.Context, r row, p proxy) (sample, error) {
	var on [2]*stage // without, with
	for i := range on {
		var err error
		if on[i], err = b.stage(ctx, r, p, i == 1); err != nil {
			return sample{}, err
		}
		defer on[i].close()
	}
	var used [2]time.Duration
	var seen [2]outcome
	begin := time.Now()
	for turn := range 2 * logTurns {
		i := turn % 2
		before, err := cpuTime(on[i].proc.pid())
		if err != nil {
			return sample{}, err
		}
		timed, cancel := context.WithTimeout(ctx, 2*b.opts.Cell/logTurns)
		seen[i].add(on[i].clients.run(timed, cycle(b.stock[r.alg].good[:1]), 200, 0))
		cancel()
		after, err := cpuTime(on[i].proc.pid())
		if err != nil {
			return sample{}, err
		}
		used[i] += after - before
	}
	if seen[0].Requests == 0 || seen[1].Requests == 0 {
		return sample{}, fmt.Errorf("no request was made in %v", b.opts.Cell)
	}
	without, with := micros(used[0])/float64(seen[0].Requests), micros(used[1])/float64(seen[1].Requests)
	seen[0].add(seen[1])
	return sample{
		Value: 100 * (with/without - 1), Requests: seen[0].Requests, Dials: seen[0].Dials,
		Seconds: time.Since(begin).Seconds(), Failed: seen[0].failures(), Errors: seen[0].Errors,
	}, ctx.Err()
}

// timeStart is the median of several starts, from exec to ready, in a folder
// that an earlier run has left its state in.
func (b *bed) timeStart(ctx context.Context, r row, p proxy) (sample, error) {
	dir := b.folder()
	var times []float64
	for range starts + 1 {
		proc, _, err := b.start(ctx, r, p, dir, false)
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
