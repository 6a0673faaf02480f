package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// policy is what the mended lab takes.
func policy() *token.Policy {
	return &token.Policy{Issuer: Issuer, Audiences: []string{Audience}, Algorithms: []string{"ES256"}, MaxLifetime: time.Hour}
}

// partner is an issuer that the lab takes tokens of beside its own.
type partner struct {
	policy token.Policy
	keys   *token.KeySet
}

// Trust makes the lab take the tokens of another issuer too, strictly verified,
// as an API does that moves its logins to a guard. Whether a token is bound to
// its client is that guard's to check.
func (l *Lab) Trust(issuer, audience string, jwks []byte) error {
	keys, _, err := token.ParseJWKS(jwks)
	if err != nil {
		return fmt.Errorf("read the key set of %q: %w", issuer, err)
	}
	l.partner.Store(&partner{token.Policy{Issuer: issuer, Audiences: []string{audience}, Algorithms: []string{"ES256", "EdDSA", "RS256"}, MaxLifetime: time.Hour}, keys})
	return nil
}

// verify returns the claims of a token that the lab takes. What the strict
// verifier refuses passes only with every flaw that overlooks what is wrong.
func (l *Lab) verify(ctx context.Context, raw string) (map[string]any, error) {
	now := l.o.Now()
	strict, err := token.Parse(raw, token.Limits{})
	if p := l.partner.Load(); p != nil && err == nil && strict.Verify(&p.policy, p.keys, now) == nil {
		t, bad := laxParse(raw)
		if bad != nil {
			return nil, fmt.Errorf("token cannot be read: %w", bad)
		}
		return t.claims, nil
	}
	if err == nil {
		err = strict.Verify(policy(), l.trusted, now)
	}
	if err == nil && strict.Claims.Confirmation.Bound() {
		err = errors.New("token is bound to a client")
	}
	t, bad := laxParse(raw)
	if bad != nil {
		return nil, fmt.Errorf("token cannot be read: %w", bad)
	}
	if err == nil {
		return t.claims, nil
	}
	signature, ok := l.signature(ctx, t)
	if !ok {
		return nil, errors.New("signature does not fit")
	}
	needs := append(signature, l.overlooked(t, now)...)
	if t.repaired || len(needs) == 0 {
		needs = append(needs, LenientForm)
	}
	for _, f := range needs {
		if !l.has[f] {
			return nil, err
		}
	}
	return t.claims, nil
}

// overlooked lists what is wrong with the claims.
func (l *Lab) overlooked(t *laxToken, now time.Time) (all Flaws) {
	at := func(name string) (time.Time, bool) {
		s, ok := t.number(name)
		return time.Unix(int64(s), 0), ok
	}
	exp, dated := at("exp")
	iat, issued := at("iat")
	switch {
	case !dated:
		all = append(all, NoExpiry)
	case !exp.After(now):
		all = append(all, ExpiredAccepted)
	case exp.Sub(now) > time.Hour, issued && exp.Sub(iat) > time.Hour:
		all = append(all, LongLived)
	}
	if nbf, ok := at("nbf"); ok && nbf.After(now) || t.claims["nbf"] != nil && !ok || issued && iat.After(now) {
		all = append(all, NotBeforeIgnored)
	}
	if !t.names("iss", Issuer) {
		all = append(all, l.unnamed(t, "iss", IssuerUnchecked))
	}
	if !t.names("aud", Audience) {
		all = append(all, l.unnamed(t, "aud", AudienceUnchecked))
	}
	if typ := t.typ(); typ != "jwt" && typ != "at+jwt" {
		all = append(all, TypeConfusion)
	}
	if _, bound := t.claims["cnf"]; bound {
		all = append(all, BindingIgnored)
	}
	return all
}

// unnamed is the flaw that overlooks a claim. One that is absent passes too
// where the lab's own tokens lack it.
func (l *Lab) unnamed(t *laxToken, claim string, unchecked Flaw) Flaw {
	if _, there := t.claims[claim]; !there && l.has[MissingClaims] {
		return MissingClaims
	}
	return unchecked
}

// names reports whether a claim is, or as an array holds, a text.
func (t *laxToken) names(claim, want string) bool {
	if list, ok := t.claims[claim].([]any); ok && claim == "aud" {
		for _, v := range list {
			if v == want {
				return true
			}
		}
	}
	return t.claims[claim] == want
}
