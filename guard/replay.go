package guard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/token"
)

// checkReplay consumes what is good for one use: the jti of a DPoP proof
// (RFC 9449 §11.1), and on a route with once the token itself. It is asked
// last, so that no refused request uses anything up, and each consumption is
// one atomic step of the store: of any number of requests at once, one passes.
func checkReplay(x *exchange) *refusal {
	if !x.verified {
		return nil
	}
	if x.proof != nil && x.proof.ID != "" {
		sum := sha256.Sum256([]byte(x.proof.JKT + "\x00" + x.proof.ID))
		use := singleUse{
			key: "proof/" + hex.EncodeToString(sum[:]), since: x.proof.IssuedAt,
			until: x.proof.IssuedAt.Add(proofWindow + time.Second), used: "DPoP proof was used before",
			dpop: dpopChallenge{show: true, error: "invalid_dpop_proof"}, // a new proof will do
		}
		if f := x.consume(use); f != nil {
			return f
		}
	}
	if x.route == nil || !x.route.once {
		return nil
	}
	t := x.parsed
	if t == nil {
		var err error
		if t, err = token.Parse(x.credential.raw, x.policy.limits); err != nil {
			return tokenRefusal(err)
		}
	}
	id := t.Identity()
	use := singleUse{
		key: "once/" + hex.EncodeToString(id[:]), since: fromSeconds(x.facts.issuedAt),
		used: "token was used before, and the route takes it once",
	}
	p := &x.issuer().policy
	if x.facts.expiry != 0 { // else it is used up for ever
		use.until = fromSeconds(x.facts.expiry).Add(p.Leeway + time.Second)
	}
	if longest := retention(p); x.facts.issuedAt == 0 && x.facts.expiry != 0 && longest > 0 {
		use.since = use.until.Add(-longest) // before, it would have lived longer than is allowed
	}
	if !use.until.IsZero() && use.until.Before(x.now) { // expiry is on trial: it would pass again
		use.until = time.Time{}
		if keep := retention(p); keep > 0 {
			use.until = x.now.Add(keep)
		}
	}
	return x.consume(use)
}

// singleUse is something that is good for one use.
type singleUse struct {
	key   string
	since time.Time // it was not used before; zero: nobody knows
	until time.Time // it is not good after; zero: it always is
	used  string    // why it is refused if it was used
	dpop  dpopChallenge
}

// consume makes a record that did not exist, or refuses. Where the store has
// lost records, that there was none tells nothing about what was issued before.
func (x *exchange) consume(u singleUse) *refusal {
	ctx, cancel := context.WithTimeout(x.r.Context(), storeTimeout)
	defer cancel()
	err := x.guard.store.Replace(ctx, u.key, nil, []byte{1}, u.until)
	switch {
	case err == nil && u.since.Before(x.guard.store.Lost()):
		return x.challenged(&refusal{rule: RuleReplay, kind: kindInvalidToken, dpop: u.dpop, reason: "issued before the store lost records, and may have been used"})
	case err == nil:
		return nil
	case errors.Is(err, store.ErrConflict):
		return x.challenged(&refusal{rule: RuleReplay, kind: kindInvalidToken, dpop: u.dpop, reason: u.used})
	}
	return &refusal{rule: RuleReplay, kind: kindUnavailable, retryAfter: 5 * time.Second, reason: "store: " + err.Error()}
}

// storeTimeout bounds the wait for the store within a request.
const storeTimeout = 2 * time.Second
