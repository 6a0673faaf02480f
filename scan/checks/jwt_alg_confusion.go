package checks

import (
	"context"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtAlgConfusion finds services that verify HMAC with their public key as the
// secret, in any form in which they may hold it. Where no key is published, that
// of the certificate is tried, and one computed from two tokens.
var jwtAlgConfusion = scan.Check{
	ID: "jwt.alg-confusion", Needs: catalog.NeedsToken, After: []string{"jwt.signature-unverified"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		token, why := readable(t)
		if why != "" {
			return scan.Skip(why)
		}
		hmac := strings.HasPrefix(token.Alg, "HS")
		if hmac && len(t.JWKS()) == 0 {
			return scan.Skip("the token is signed by HMAC and no public key is published")
		}
		m := t.Material(ctx)
		if m.PublicKey == nil && !hmac {
			recoverKey(ctx, t, token, &m)
		}
		if m.PublicKey == nil && m.Cert == nil && m.JWKS == nil {
			return scan.Skip("no public key is published, and none could be computed from the tokens at hand")
		}
		v := throwAll(ctx, t, m, nil, "alg-confusion")
		if v.Outcome != scan.Passed || m.PublicKey != nil || hmac {
			return v
		}
		if m.JWKS != nil {
			return scan.Unsure("none of the published keys verifies the token: only the key set and its keys as served were tried")
		}
		return scan.Unsure("the key that verifies the tokens is not known: only that of the TLS certificate was tried")
	},
}

// maxRecovery bounds the computing of a key. Common exponents but 3 and 17 take
// longer.
const maxRecovery = 2 * time.Second

// recoverKey computes the RSA key from the token and another one, if there is one.
func recoverKey(ctx context.Context, t *scan.Target, token scan.Token, m *attack.Material) {
	if !strings.HasPrefix(token.Alg, "RS") {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, maxRecovery)
	defer cancel()
	first := string(token.Raw.Reveal())
	for _, other := range anotherToken(ctx, t) {
		for _, exponent := range []int{3, 17} {
			if key, err := attack.RecoverKey(ctx, first, other, exponent); err == nil {
				m.PublicKey = key
				return
			}
		}
	}
}

// anotherToken lists the genuine tokens beside the scan's own that are at hand:
// what the user gave, and what a login gives, if it is as quick.
func anotherToken(ctx context.Context, t *scan.Target) []string {
	var list []string
	c := t.Config()
	for _, other := range [][]byte{c.OtherToken.Reveal(), c.ExpiredToken.Reveal()} {
		if len(other) > 0 {
			list = append(list, string(other))
		}
	}
	if len(list) > 0 || !t.CanLogin() {
		return list
	}
	s, err := t.Login(ctx)
	if err != nil {
		return nil // there is no other token then
	}
	return []string{string(s.Access.Reveal())}
}
