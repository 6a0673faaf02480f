package cluster

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// ReturnWithin is how soon service must be whole again after the store.
const ReturnWithin = 5 * time.Second

// AwaitUnready waits until every one of guards says that it is not ready.
func (c *Cluster) AwaitUnready(ctx context.Context, limit time.Duration, guards ...*Guard) error {
	_, err := poll(ctx, limit, "the guards say that they are not ready", func() bool {
		for _, g := range guards {
			if status, _, err := g.Ready(ctx); err != nil || status != http.StatusServiceUnavailable {
				return false
			}
		}
		return true
	})
	if err != nil {
		c.Judge.broke(PromiseReady, err.Error())
	}
	return err
}

// AwaitReturn measures how long each guard takes from now on until it is ready
// and takes tokens, once tokens and refreshes, and tells the judge that the
// fault is over. A guard that takes longer than slack times ReturnWithin has
// broken the promise.
func (c *Cluster) AwaitReturn(ctx context.Context, slack int) ([]time.Duration, error) {
	took := make([]time.Duration, len(c.Guards))
	errs := make([]error, len(c.Guards))
	var all sync.WaitGroup
	for i, g := range c.Guards {
		all.Go(func() { took[i], errs[i] = c.serves(ctx, g, time.Duration(slack)*ReturnWithin) })
	}
	all.Wait()
	c.Judge.FaultEnds()
	for i, err := range errs {
		if err != nil {
			c.Judge.broke(PromiseReturn, fmt.Sprintf("guard %d: %v", i, err))
			return took, err
		}
	}
	return took, nil
}

// awaitService waits at the start.
func (c *Cluster) awaitService(ctx context.Context, limit time.Duration) error {
	for _, g := range c.Guards {
		if _, err := c.serves(ctx, g, limit); err != nil {
			return fmt.Errorf("%w; the guard wrote:\n%s", err, g.p.last())
		}
	}
	return nil
}

// serves waits until a guard does all its work. A refresh token that nobody
// made is refused only when the store can be asked.
func (c *Cluster) serves(ctx context.Context, g *Guard, limit time.Duration) (time.Duration, error) {
	last := ""
	took, err := poll(ctx, limit, "the guard serves", func() bool {
		status, body, err := g.Ready(ctx)
		if last = fmt.Sprint("readyz ", status, " ", body, err); status != http.StatusOK {
			return false
		}
		raw, _ := c.mint.token()
		for _, ask := range []struct {
			what string
			want int
			do   func() answer
		}{
			{"ordinary", http.StatusOK, func() answer { return g.get(ctx, pathItems, raw, "") }},
			{"once", http.StatusOK, func() answer { return g.get(ctx, pathPay, raw, "") }},
			{"login", http.StatusUnauthorized, func() answer { return g.post(ctx, pathRefresh, session{refresh: unknownRefresh}, nil) }},
		} {
			if a := ask.do(); a.status != ask.want {
				last = fmt.Sprintf("%s: got %d %s %v, want %d", ask.what, a.status, a.detail, a.err, ask.want)
				return false
			}
		}
		return true
	})
	if err != nil {
		return took, fmt.Errorf("%w; last: %s", err, last)
	}
	return took, nil
}

// unknownRefresh has the form of a refresh token.
var unknownRefresh = "wtr_" + b64.EncodeToString(make([]byte, 68))
