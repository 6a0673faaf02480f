package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// turns is how often each proxy of a row is loaded for one sample.
const turns = 8

// racer is a proxy in a race: its running process, and what came of its turns.
type racer struct {
	proxy
	on    *stage
	lone  crowd         // the honest client beside forgeries; else nil
	costs []float64     // CPU microseconds a request, of each turn
	busy  time.Duration // all turns together
	used  time.Duration // of CPU
	seen  *outcome
	other *outcome // what lone saw
	err   error    // why it has dropped out; nil: it has not
}

// enter starts p for a race. The caller leaves.
func (b *bed) enter(ctx context.Context, r row, p proxy, v variant) *racer {
	c := &racer{proxy: p, seen: &outcome{}, other: &outcome{}}
	if c.on, c.err = b.stage(ctx, r, p, v); c.err != nil {
		return c
	}
	for what, n := range c.on.warm.Errors { // wrong while warming up is wrong
		c.seen.note(what, n)
	}
	if r.kind == bad {
		c.lone = newCrowd(1, c.on.addr, b.cert, r.how)
	}
	return c
}

func (c *racer) leave() {
	c.lone.close()
	if c.on != nil {
		c.on.close()
	}
}

// race loads the racers in turn, n times each in changing order, for such a
// time. The machine's speed drifts, and neighbours come and go, while one cell
// is measured after the other; two turns that follow each other see nearly the
// same machine, so it is their ratio that tells. Whoever fails drops out.
func (b *bed) race(ctx context.Context, r row, all []*racer, n int, each time.Duration) {
	order := slices.Clone(all)
	for turn := range n {
		for _, c := range order {
			if c.err == nil {
				c.err = b.turn(ctx, r, c, turn, n, each)
			}
		}
		slices.Reverse(order)
	}
}

// turn loads one racer once.
func (b *bed) turn(ctx context.Context, r row, c *racer, turn, n int, each time.Duration) error {
	pid, begin := c.on.proc.pid(), time.Now()
	before, err := cpuTime(pid)
	if err != nil {
		return fmt.Errorf("%w; it wrote: %s", err, c.on.proc.tail)
	}
	seen, other := b.drive(ctx, r, c, turn, n, each)
	after, err := cpuTime(pid)
	if err != nil {
		return fmt.Errorf("%w; it wrote: %s", err, c.on.proc.tail)
	}
	c.busy += time.Since(begin)
	requests := seen.Requests + other.Requests
	if requests == 0 {
		return fmt.Errorf("no request was made in %v", each)
	}
	c.used += after - before
	c.costs = append(c.costs, micros(after-before)/float64(requests))
	c.seen.add(seen)
	c.other.add(other)
	return ctx.Err()
}

// drive sends what the row asks for in that turn: for a time, or its share of
// the tokens. other is what the honest client beside forgeries saw.
func (b *bed) drive(ctx context.Context, r row, c *racer, turn, n int, each time.Duration) (seen, other *outcome) {
	st, clients, other := b.stock[c.algFor(r)], c.on.clients, &outcome{}
	timed, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	switch r.kind {
	case many:
		return clients.run(timed, cycle(st.good[:manyTokens]), 0, 200), other
	case eachNew, everMore:
		all := b.tokensFor(r.kind)
		return clients.run(ctx, once(st.good[all*turn/n:all*(turn+1)/n]), 0, 200), other
	case bad:
		want := 200
		if c.checks {
			want = 401
		}
		var wg sync.WaitGroup
		wg.Go(func() { other = c.lone.run(timed, cycle(st.good[:1]), honestPause, 200) })
		seen = clients.run(timed, cycle(st.forged), 0, want)
		wg.Wait()
		return seen, other
	default:
		return clients.run(timed, cycle(st.good[:1]), 0, 200), other
	}
}

// sample is what a race gave for c.
func (c *racer) sample() (sample, error) {
	if c.err != nil {
		return sample{}, c.err
	}
	s := c.seen.sample(c.busy)
	s.Value, s.Turns = median(c.costs), c.costs
	if c.other.Requests > 0 {
		s.Requests += c.other.Requests
		s.Dials += max(0, c.other.Dials-1) // its first is no loss
		s.Honest = []honest{c.other.honest("beside forgeries")}
	}
	mem, err := residentMemory(c.on.proc.pid())
	if err != nil {
		return s, fmt.Errorf("%w; it wrote: %s", err, c.on.proc.tail)
	}
	s.PeakMB, s.nowMB = float64(mem.peak)/(1<<20), float64(mem.now)/(1<<20)
	return s, nil
}

// ratios are the second's costs over the first's, turn by turn.
func ratios(first, second []float64) []float64 {
	var out []float64
	for i := range min(len(first), len(second)) {
		out = append(out, second[i]/first[i])
	}
	return out
}
