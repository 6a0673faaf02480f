package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	starts      = 5                    // of a proxy, for one sample of its start
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
		return b.load(ctx, r, p, false)
	}
}

// start runs p for r in dir. The caller stops it.
func (b *bed) start(ctx context.Context, r row, p proxy, dir string, accessLog bool) (*process, string, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", fmt.Errorf("make a folder for %s: %w", p.name, err)
	}
	args, err := p.configure(setup{dir: dir, listen: addr, upstream: b.upAddr, cert: b.cert,
		alg: r.alg, verifier: b.stock[r.alg].verifier, accessLog: accessLog})
	if err != nil {
		return nil, "", err
	}
	proc, err := startProcess(ctx, addr, p.line, p.bin, args...)
	return proc, addr, err
}

// folder names a new one for a proxy.
func (b *bed) folder() string {
	b.cells++
	return filepath.Join(b.dir, fmt.Sprintf("cell-%d", b.cells))
}

// load measures CPU time a request, and for the memory row what is resident
// afterwards. Connecting and the first requests are not counted.
func (b *bed) load(ctx context.Context, r row, p proxy, accessLog bool) (sample, error) {
	proc, addr, err := b.start(ctx, r, p, b.folder(), accessLog)
	if err != nil {
		return sample{}, err
	}
	defer proc.stop()
	st := b.stock[r.alg]
	clients := newCrowd(b.opts.Conns, addr, b.cert, r.how)
	defer clients.close()

	timed, cancel := context.WithTimeout(ctx, b.opts.Warm)
	warm := clients.run(timed, cycle(st.good[:1]), 200, 0)
	cancel()
	if r.kind == many { // the row is about tokens that were seen before
		warm.add(clients.run(ctx, once(st.good[:manyTokens]), 200, 0))
	}
	if warm.failures() > 0 {
		return sample{}, fmt.Errorf("while warming up: %v; it wrote: %s", &warm, proc.tail)
	}

	begin := time.Now()
	before, err := cpuTime(proc.pid())
	if err != nil {
		return sample{}, err
	}
	seen, honest := b.drive(ctx, r, p, clients, addr)
	after, err := cpuTime(proc.pid())
	if err != nil {
		return sample{}, fmt.Errorf("%w; it wrote: %s", err, proc.tail)
	}
	s := sample{Requests: seen.Requests + honest.Requests, Dials: seen.Dials + honest.Dials,
		Seconds: time.Since(begin).Seconds(), Failed: seen.failures(), Errors: seen.Errors,
		HonestFailed: honest.failures(), HonestMillis: float64(honest.Slowest.Microseconds()) / 1000}
	if s.Requests == 0 {
		return s, fmt.Errorf("no request was made in %v", b.opts.Cell)
	}
	s.Value = float64((after - before).Microseconds()) / float64(s.Requests)
	mem, err := residentMemory(proc.pid())
	if err != nil {
		return s, err
	}
	s.PeakMB = float64(mem.peak) / (1 << 20)
	if r.figure == megabytes {
		s.Value = float64(mem.now) / (1 << 20)
	}
	return s, ctx.Err()
}

// drive sends what the row asks for, and for forgeries has an honest client
// beside them.
func (b *bed) drive(ctx context.Context, r row, p proxy, clients crowd, addr string) (seen, honest outcome) {
	st := b.stock[r.alg]
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
		lone := newCrowd(1, addr, b.cert, r.how)
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

// priceOfLog measures without and with access log, one after the other.
func (b *bed) priceOfLog(ctx context.Context, r row, p proxy) (sample, error) {
	off, err := b.load(ctx, r, p, false)
	if err != nil {
		return off, err
	}
	on, err := b.load(ctx, r, p, true)
	on.Value = 100 * (on.Value/off.Value - 1)
	return on, err
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
