package checks

import (
	"context"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtAlgNone finds services that take unsigned tokens, with alg none in any
// letter case, absent or of another type, the payload altered or not, and in the
// JSON form whose header nobody signed.
var jwtAlgNone = scan.Check{
	ID: "jwt.alg-none", Needs: catalog.NeedsToken, After: []string{"jwt.signature-unverified", "jwt.null-signature"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		return throwAll(ctx, t, knownMaterial(t), provesOnly("jwt.alg-none"), "alg-none", "json-form")
	},
}
