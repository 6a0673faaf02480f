package guard

import (
	"context"
	"math"
	"time"

	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/store"
)

// loss is what a guard knows of records that the store has lost. The zero value
// knows of none. It belongs to the goroutine that keeps house.
type loss struct {
	told, noted time.Time // to the log, and in the store
}

// noteLoss tells of a loss, and leaves word in the store for those who come
// later: this guard has its copy of the revocations still, they will have none.
func (g *Guard) noteLoss(ctx context.Context) {
	at := g.store.Lost()
	if at.After(g.loss.told) {
		g.loss.told = at
		g.logger.Error("the store has lost records; what was issued before is refused where it is good once", "before", at.UTC())
	}
	if !at.After(g.loss.noted) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if revocation.PutLost(ctx, g.store, at, g.now(), g.policy.Load().retention) == nil {
		g.loss.noted = at // else a second later
	}
}

// heardOfLoss is told that another guard noticed a loss. A copy that was whole
// before still has what the store lost; one that came later never heard of it,
// and can trust no token from before.
func (v *revocations) heardOfLoss(r store.Record) {
	if r.Deleted {
		return
	}
	before := revocation.Before(r.Value)
	if before == 0 {
		before = math.MaxInt64 // unreadable
	}
	if v.whole.IsZero() || v.whole.UnixNano() >= before {
		v.unheard.Store(max(v.unheard.Load(), before))
	}
}
