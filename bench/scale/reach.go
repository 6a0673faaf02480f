package main

import (
	"context"
	"fmt"
	"time"

	"github.com/wiretight/wiretight/internal/revocation"
)

// reach revokes a token that every guard lets pass, and says how long it took
// from the store's confirmation until none of them did.
func (b *bed) reach(ctx context.Context) (time.Duration, error) {
	token := b.guards.Token()
	for _, g := range b.guards.Guards {
		if status := g.Items(ctx, token.Raw); status != 200 {
			return 0, fmt.Errorf("ask with a good token: got %d", status)
		}
	}
	if err := revocation.Put(ctx, b.store, revocation.Revocation{JTI: token.ID}, time.Now(), lasts); err != nil {
		return 0, err
	}
	began := time.Now()
	for _, g := range b.guards.Guards {
		for g.Items(ctx, token.Raw) != 401 {
			if time.Since(began) > time.Minute {
				return 0, fmt.Errorf("a revocation is not in force after %v", time.Since(began))
			}
			if err := pause(ctx, time.Millisecond); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(began), nil
}
