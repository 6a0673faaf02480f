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
		until := x.proof.IssuedAt.Add(proofWindow + time.Second)
		if f := x.consume("proof/"+hex.EncodeToString(sum[:]), until, "DPoP proof was used before"); f != nil {
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
	var until time.Time // no expiry: used up for ever
	if x.facts.expiry != 0 {
		until = fromSeconds(x.facts.expiry).Add(x.issuer().policy.Leeway + time.Second)
	}
	return x.consume("once/"+hex.EncodeToString(id[:]), until, "token was used before, and the route takes it once")
}

// consume makes a record that did not exist, or refuses.
func (x *exchange) consume(key string, until time.Time, used string) *refusal {
	ctx, cancel := context.WithTimeout(x.r.Context(), storeTimeout)
	defer cancel()
	err := x.guard.store.Replace(ctx, key, nil, []byte{1}, until)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrConflict):
		return x.challenged(&refusal{rule: RuleReplay, kind: kindInvalidToken, reason: used})
	}
	return &refusal{rule: RuleReplay, kind: kindUnavailable, retryAfter: 5 * time.Second, reason: "store: " + err.Error()}
}

// storeTimeout bounds the wait for the store within a request.
const storeTimeout = 2 * time.Second
