package checks

import (
	"context"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtNullSignature finds services to which an empty signature is a good one. It is
// found in the place of jwt.alg-none where both are accepted.
var jwtNullSignature = scan.Check{
	ID: "jwt.null-signature", Needs: catalog.NeedsToken, After: []string{"jwt.signature-unverified"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		return throwAll(ctx, t, knownMaterial(t), provesOnly("jwt.null-signature"), "null-signature", "json-form")
	},
}
