package token

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Policy says which tokens of one issuer are accepted. The zero Policy accepts
// none.
type Policy struct {
	// Issuer must equal iss byte for byte.
	Issuer string
	// Audiences are the names of this service; aud must hold one of them.
	Audiences []string
	// Algorithms is the allowlist. Empty: nothing is allowed (RFC 8725 §3.1).
	Algorithms []string
	// Require lists claims that must be present. Nil: exp, iss, aud and sub,
	// less those that a Dangerously field gives up.
	Require []string
	// Types lists the accepted typ headers, compared without case and without
	// "application/"; a missing typ counts as JWT. Empty: at+jwt and JWT.
	Types []string
	// MaxLifetime bounds exp-iat, and exp-now up to the leeway. Zero: one hour.
	MaxLifetime time.Duration
	// Leeway is the clock skew that is allowed. Zero: none.
	Leeway time.Duration

	// ClaimsFirst judges the claims before the signature, which costs more to
	// look at. A refusal then says nothing about who made the token, unless it
	// is of RuleExpired, which still comes last. It is for callers who treat
	// all other refusals alike.
	ClaimsFirst bool

	// DangerouslyAnyIssuer accepts any iss, or none. Only for an empty Issuer.
	DangerouslyAnyIssuer bool
	// DangerouslyAnyAudience accepts any aud, or none: tokens that were made
	// for other services too. Only for empty Audiences.
	DangerouslyAnyAudience bool
	// DangerouslyNoExpiry accepts tokens without exp, which are good for ever.
	DangerouslyNoExpiry bool
	// DangerouslyExpired accepts tokens whose exp has passed.
	DangerouslyExpired bool
}

const defaultMaxLifetime = time.Hour

// Verify says whether the token may be believed at the time now: algorithm,
// type, key, signature, issuer, audience, required claims, times and lifetime,
// in this order unless p says otherwise. It returns nil or an *Error; errors.Is
// tells ErrUnknownKey when the set lacks the key that the token names, and
// ErrSignature when the key did not make the signature.
func (t *Token) Verify(p *Policy, keys *KeySet, now time.Time) error {
	alg := allowed(p.Algorithms, t.Header.Algorithm)
	if alg == nil {
		return refuse(RuleToken, "algorithm "+quoted(t.Header.Algorithm)+" is not allowed")
	}
	if !p.acceptsType(t.Header.Type) {
		return refuse(RuleToken, "type "+quoted(t.Header.Type)+" is not accepted")
	}
	var claims error
	if p.ClaimsFirst {
		claims = t.checkClaims(p, now)
		var e *Error
		if errors.As(claims, &e) && e.Rule != RuleExpired {
			return claims
		}
	}
	k, err := keys.find(t.Header.KeyID, alg)
	if err != nil {
		return err
	}
	if !k.verify(alg, t.parts.signed, t.parts.signature) {
		return &Error{RuleToken, "signature does not match under algorithm " + alg.name, ErrSignature}
	}
	if p.ClaimsFirst {
		return claims
	}
	return t.checkClaims(p, now)
}

func (t *Token) checkClaims(p *Policy, now time.Time) error {
	if err := p.checkOrigin(&t.Claims); err != nil {
		return err
	}
	if err := p.checkRequired(t); err != nil {
		return err
	}
	return t.Claims.CheckTime(p, now)
}

func (p *Policy) acceptsType(typ string) bool {
	if len(p.Types) == 0 {
		return typ == "at+jwt" || typ == "jwt"
	}
	return slices.ContainsFunc(p.Types, func(accepted string) bool {
		const prefix = "application/"
		if len(accepted) > len(prefix) && strings.EqualFold(accepted[:len(prefix)], prefix) {
			accepted = accepted[len(prefix):]
		}
		return strings.EqualFold(accepted, typ)
	})
}

func (p *Policy) checkOrigin(c *Claims) error {
	switch {
	case p.Issuer == "" && p.DangerouslyAnyIssuer:
	case c.Issuer == "":
		return refuse(RuleIssuer, "token has no iss")
	case p.Issuer == "" || c.Issuer != p.Issuer:
		return refuse(RuleIssuer, "iss is not the expected issuer")
	}
	switch {
	case len(p.Audiences) == 0 && p.DangerouslyAnyAudience:
	case len(c.Audience) == 0:
		return refuse(RuleAudience, "token has no aud")
	case !slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(p.Audiences, a) }):
		return refuse(RuleAudience, "aud names other services only")
	}
	return nil
}

func (p *Policy) checkRequired(t *Token) error {
	if p.Require == nil {
		if t.Claims.Subject == "" {
			return refuse(RuleToken, `required claim "sub" is missing`)
		}
		return nil // iss, aud and exp have checks of their own
	}
	for _, claim := range p.Require {
		if !t.Has(claim) {
			return refuse(RuleToken, "required claim "+quoted(claim)+" is missing")
		}
	}
	return nil
}

// CheckTime judges exp, nbf, iat and the lifetime (RFC 7519 §4.1.4 to §4.1.6).
// It is the part of Verify that a remembered token needs again. It allocates
// nothing when it returns nil.
func (c *Claims) CheckTime(p *Policy, now time.Time) error {
	leeway := max(p.Leeway, 0)
	if !c.NotBefore.IsZero() && now.Add(leeway).Before(c.NotBefore) {
		return refuse(RuleToken, "token is not valid yet: nbf lies ahead")
	}
	if !c.IssuedAt.IsZero() && now.Add(leeway).Before(c.IssuedAt) {
		return refuse(RuleToken, "iat lies ahead")
	}
	if c.Expiry.IsZero() {
		if p.DangerouslyNoExpiry {
			return nil
		}
		return refuse(RuleToken, "token has no exp")
	}
	if !p.DangerouslyExpired && !now.Before(c.Expiry.Add(leeway)) {
		return refuse(RuleExpired, "token has expired")
	}
	most := p.MaxLifetime
	if most <= 0 {
		most = defaultMaxLifetime
	}
	if c.Expiry.Sub(now) > most+leeway || !c.IssuedAt.IsZero() && c.Expiry.Sub(c.IssuedAt) > most {
		return refuse(RuleToken, "lifetime is longer than allowed")
	}
	return nil
}

// HasScopes tells whether the token carries every one of the scopes.
func (c *Claims) HasScopes(scopes ...string) bool { return containsAll(c.Scopes, scopes) }

func containsAll(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}
