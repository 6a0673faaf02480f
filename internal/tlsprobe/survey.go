package tlsprobe

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// MaxConnections is the most that one Survey opens.
const MaxConnections = 40

// Survey is everything that is known of a peer.
type Survey struct {
	Versions      Versions
	Classes       Classes
	Downgrade     Downgrade
	Renegotiation Outcome
	EarlyData     EarlyData
	Chains        Chains
	// Connections is how many were asked of Dial.
	Connections int
}

// errSpent is Dial's error once a Survey has opened MaxConnections.
var errSpent = errors.New("the survey has opened all its connections")

// Survey asks everything: the versions first, then the rest side by side. A peer
// that accepts no version is asked nothing more.
func (p *Probe) Survey(ctx context.Context) Survey {
	var dialled atomic.Int64
	q := *p
	if p.Dial != nil {
		q.Dial = func(ctx context.Context) (net.Conn, error) {
			if dialled.Add(1) > MaxConnections {
				return nil, errSpent
			}
			return p.Dial(ctx)
		}
	}
	s := Survey{Versions: q.Versions(ctx)}
	s.Renegotiation = s.Versions.Renegotiation()
	var wg sync.WaitGroup
	wg.Go(func() { s.Classes = q.Classes(ctx, s.Versions) })
	wg.Go(func() { s.Downgrade = q.Downgrade(ctx, s.Versions) })
	wg.Go(func() { s.Chains = q.Chain(ctx, s.Versions) })
	wg.Go(func() { s.EarlyData = q.EarlyData(ctx, s.Versions) })
	wg.Wait()
	s.Connections = int(min(dialled.Load(), MaxConnections))
	return s
}
