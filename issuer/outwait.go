package issuer

import (
	"errors"
	"time"

	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/store"
)

// outwait lets the second pass in which the subject's tokens were revoked. iat
// has whole seconds, so a token that is issued later in that second cannot be
// told from one that was issued before the revocation: guards refuse it. Who
// logs in again at once has an answer up to a second later, and a token that is
// good. A revocation that reaches beyond now is left to the guards.
func (c *call) outwait(subject string) *failure {
	ctx, cancel := c.storeContext()
	defer cancel()
	rec, err := c.Issuer.sessions.store.Get(ctx, revocation.Key(revocation.Subject, revocation.Hash(revocation.Subject, subject)))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return unavailable(err)
	}
	before, second := revocation.Before(rec.Value), c.at.Truncate(time.Second)
	if before <= second.UnixNano() || before > c.at.UnixNano() {
		return nil
	}
	timer := time.NewTimer(second.Add(time.Second).Sub(c.now()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.r.Context().Done():
		return unavailable(c.r.Context().Err())
	}
	c.at = c.now()
	return nil
}
