package main

import (
	"context"
	"fmt"
	"net"
	"time"
)

// turns is how often each of two processes is loaded for one sample.
const turns = 8

// pair is two processes that do the same work. They are loaded in turn for
// short times, for what they differ by may be less than the machine drifts
// from one cell to the next.
type pair [2]*stage

func (p pair) close() {
	for _, s := range p {
		if s != nil {
			s.close()
		}
	}
}

// costs is what one turn of each cost: CPU microseconds a request.
type costs [2]float64

// ratio is the second's cost over the first's.
func (c costs) ratio() float64 { return c[1] / c[0] }

// inTurn loads both for that long in each turn: first, second, second, first.
// It returns the costs of each turn, and what the clients of both saw.
func (b *bed) inTurn(ctx context.Context, r row, ps [2]proxy, on pair, n int, each time.Duration) ([]costs, *outcome, error) {
	var out []costs
	seen := &outcome{}
	for turn := range n {
		var c costs
		for half := range 2 {
			i := (turn + half) % 2
			before, err := cpuTime(on[i].proc.pid())
			if err != nil {
				return nil, nil, err
			}
			o := b.driveFor(ctx, r, ps[i], on[i], each)
			after, err := cpuTime(on[i].proc.pid())
			if err != nil {
				return nil, nil, fmt.Errorf("%w; it wrote: %s", err, on[i].proc.tail)
			}
			if o.Requests == 0 {
				return nil, nil, fmt.Errorf("no request was made in %v", each)
			}
			c[i] = micros(after-before) / float64(o.Requests)
			seen.add(o)
		}
		out = append(out, c)
	}
	return out, seen, ctx.Err()
}

// driveFor sends the row's tokens for a while, forgeries without company.
func (b *bed) driveFor(ctx context.Context, r row, p proxy, on *stage, each time.Duration) *outcome {
	st, want := b.stock[p.algFor(r)], 200
	f := cycle(st.good[:1])
	switch r.kind {
	case many:
		f = cycle(st.good[:manyTokens])
	case bad:
		f = cycle(st.forged)
		if p.checks {
			want = 401
		}
	}
	timed, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	return on.clients.run(timed, f, 0, want)
}

// priceOf is by how many per cent the second variant of p costs more than the
// first: the median of the turns.
func (b *bed) priceOf(ctx context.Context, r row, p proxy, first, second variant) (sample, error) {
	var on pair
	defer func() { on.close() }()
	for i, v := range []variant{first, second} {
		var err error
		if on[i], err = b.stage(ctx, r, p, v); err != nil {
			return sample{}, err
		}
	}
	begin := time.Now()
	got, seen, err := b.inTurn(ctx, r, [2]proxy{p, p}, on, turns, b.opts.Cell/turns)
	if err != nil {
		return sample{}, err
	}
	s := seen.sample(time.Since(begin))
	s.Value = 100 * (median(ratios(got)) - 1)
	mem, err := residentMemory(on[1].proc.pid())
	if err != nil {
		return s, err
	}
	s.PeakMB = float64(mem.peak) / (1 << 20)
	return s, nil
}

func ratios(all []costs) []float64 {
	var out []float64
	for _, c := range all {
		out = append(out, c.ratio())
	}
	return out
}

// priceOfRedis compares the guard with its state in Redis to itself with bbolt,
// for tokens that need nothing of the store but its revocations. What Redis
// itself costs is not counted.
func (b *bed) priceOfRedis(ctx context.Context, r row, p proxy) (sample, error) {
	bin, err := find("redis-server", "redis-server")
	if err != nil {
		return sample{}, err
	}
	addr, err := freeAddr()
	if err != nil {
		return sample{}, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return sample{}, err
	}
	redis, err := startProcess(ctx, addr, "", nil, bin, "--bind", host, "--port", port,
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", b.dir)
	if err != nil {
		return sample{}, err
	}
	defer redis.stop()
	return b.priceOf(ctx, r, p, variant{}, variant{store: "redis://" + addr})
}
