package guard

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// suspects bounds how many tokens of addresses that have shown bad ones are
// verified at once, so that a flood of forgeries leaves processors to others.
// The rest waits in the order in which it came. Who has shown no bad token
// lately, and who shows a remembered one, never waits.
type suspects chan struct{}

func newSuspects() suspects { return make(suspects, max(1, runtime.GOMAXPROCS(0)/2)) }

// errNoTurn says that the client went away before its token's turn.
var errNoTurn = errors.New("token was not verified, since its client did not wait")

// lingering is how long the refusal of somebody with too many failures waits.
// No person notices it, but a flood of refusals, which cost so little that they
// come back at once, takes a fraction of the processors that it took.
const lingering = 5 * time.Millisecond

// linger waits so long, or until the client is gone.
func linger(ctx context.Context) {
	wait := time.NewTimer(lingering)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}

// verify verifies t when it is its turn; at once where s is nil.
func (s suspects) verify(ctx context.Context, t *token.Token, p *token.Policy, keys *token.KeySet, now time.Time) error {
	if s != nil {
		select {
		case s <- struct{}{}:
			defer func() { <-s }()
		case <-ctx.Done():
			return errNoTurn
		}
	}
	return t.Verify(p, keys, now)
}
