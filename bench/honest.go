package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// honestClients is how many ask, with pauses, from an address of their own.
const honestClients = 8

// honest is what clients with a good token saw.
type honest struct {
	Phase    string         `json:"phase"`
	Requests int            `json:"requests"`
	P50      float64        `json:"p50_ms"`
	P99      float64        `json:"p99_ms"`
	Failed   int            `json:"failed,omitempty"`
	Errors   map[string]int `json:"errors,omitempty"`
	// Lost is how many connections had to be made again.
	Lost int `json:"lost,omitempty"`
}

func (o *outcome) honest(phase string) honest {
	return honest{
		Phase: phase, Requests: o.Requests, P50: o.took.quantile(0.5), P99: o.took.quantile(0.99),
		Failed: o.failures(), Errors: o.Errors,
	}
}

// phase is what a crowd does beside the honest clients.
type phase struct {
	name  string
	crowd feed // nil: there is none
	want  []int
}

// besideForgeries has honest clients ask alone, then beside a crowd with a good
// token, then beside as large a crowd with forgeries, from another address. All
// three see the same process, with its limits as shipped. The crowd leaves no
// processor idle either way: what its forgeries do to the honest is the
// difference between the last two, and the sample's value is the ratio of
// their p99.
func (b *bed) besideForgeries(ctx context.Context, r row, p proxy) (sample, error) {
	st, err := b.stage(ctx, r, p, variant{limited: true})
	if err != nil {
		return sample{}, err
	}
	defer st.close()
	tokens := b.stock[p.algFor(r)]
	good := crowdFrom(net.IPv4(127, 0, 0, 1), honestClients, st.addr, b.cert)
	defer good.close()
	crowd := crowdFrom(net.IPv4(127, 0, 0, 2), b.opts.Conns, st.addr, b.cert)
	defer crowd.close()
	var all []honest
	var s sample // of the last phase
	for _, ph := range []phase{
		{"alone", nil, nil},
		{"beside good tokens", cycle(tokens.good[:1]), []int{200}},
		{"beside forgeries", cycle(tokens.forged), []int{401, 429}},
	} {
		begin := time.Now()
		h, seen := b.observe(ctx, ph, good, crowd, tokens.good[:1])
		all, s = append(all, h), seen.sample(time.Since(begin))
	}
	s.Honest = all
	if p99 := all[1].P99; p99 > 0 {
		s.Value = all[2].P99 / p99
	}
	mem, err := residentMemory(st.proc.pid())
	if err != nil {
		return s, fmt.Errorf("%w; it wrote: %s", err, st.proc.tail)
	}
	s.PeakMB = float64(mem.peak) / (1 << 20)
	return s, ctx.Err()
}

// observe has the honest ask, beside the crowd of a phase.
func (b *bed) observe(ctx context.Context, ph phase, good, crowd crowd, token []string) (honest, *outcome) {
	timed, cancel := context.WithTimeout(ctx, b.opts.Cell)
	defer cancel()
	seen := &outcome{}
	var wg sync.WaitGroup
	if ph.crowd != nil {
		wg.Go(func() { seen = crowd.run(timed, ph.crowd, 0, ph.want...) })
	}
	before := good.dials()
	h := good.run(timed, cycle(token), honestPause, 200).honest(ph.name)
	wg.Wait()
	if h.Lost = good.dials() - before; before == 0 {
		h.Lost -= len(good) // the first ones are no loss
	}
	return h, seen
}
