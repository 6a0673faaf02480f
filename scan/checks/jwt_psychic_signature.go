package checks

import (
	"context"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtPsychicSignature finds verifiers of ECDSA that do not look whether r and s
// lie in their range. It applies where the token or a published key is of ECDSA.
var jwtPsychicSignature = scan.Check{
	ID: "jwt.psychic-signature", Needs: catalog.NeedsToken, After: []string{"jwt.signature-unverified"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		token, why := readable(t)
		if why != "" {
			return scan.Skip(why)
		}
		m := knownMaterial(t)
		for _, d := range t.JWKS() {
			for _, k := range d.Keys {
				if k["kty"] == "EC" {
					m.JWKS = d.Raw
				}
			}
		}
		if !strings.HasPrefix(token.Alg, "ES") && !publishes(t, "EC") {
			return scan.Skip("neither the token nor a published key is of ECDSA")
		}
		return throwAll(ctx, t, m, nil, "psychic-signature")
	},
}

// publishes tells whether a key of one of the types is published.
func publishes(t *scan.Target, kinds ...string) bool {
	for _, d := range t.JWKS() {
		for _, k := range d.Keys {
			for _, kind := range kinds {
				if k["kty"] == kind {
					return true
				}
			}
		}
	}
	return false
}
