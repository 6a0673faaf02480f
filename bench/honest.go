package main

import (
	"context"
	"net"
	"time"
)

// honestClients ask beside a crowd, each a few times a second less than a
// person would notice, and from an address of their own.
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
	other := crowdFrom(net.IPv4(127, 0, 0, 2), b.opts.Conns, st.addr, b.cert)
	defer other.close()
	var s sample
	for _, phase := range []struct {
		name  string
		crowd feed
		want  []int
	}{
		{"alone", nil, nil},
		{"beside good tokens", cycle(tokens.good[:1]), []int{200}},
		{"beside forgeries", cycle(tokens.forged), []int{401, 429}},
	} {
		timed, cancel := context.WithTimeout(ctx, b.opts.Cell)
		begin := time.Now()
		var seen *outcome
		done := make(chan struct{})
		go func() {
			defer close(done)
			if phase.crowd != nil {
				seen = other.run(timed, phase.crowd, 0, phase.want...)
			}
		}()
		before := good.dials()
		h := good.run(timed, cycle(tokens.good[:1]), honestPause, 200).honest(phase.name)
		<-done
		cancel()
		h.Lost = good.dials() - before
		if before == 0 {
			h.Lost -= len(good)
		}
		if seen != nil { // the last one, with the forgeries, stays
			all := s.Honest
			s = seen.sample(time.Since(begin))
			s.Honest = all
		}
		s.Honest = append(s.Honest, h)
	}
	if p99 := s.Honest[1].P99; p99 > 0 {
		s.Value = s.Honest[2].P99 / p99
	}
	mem, err := residentMemory(st.proc.pid())
	if err != nil {
		return s, err
	}
	s.PeakMB = float64(mem.peak) / (1 << 20)
	return s, ctx.Err()
}
