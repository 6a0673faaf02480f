package checks

import (
	"context"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtBlankSecret finds services whose HMAC secret is empty, as where a setting is
// missing. It comes before the checks whose tokens are signed with the same.
var jwtBlankSecret = scan.Check{
	ID: "jwt.blank-secret", Needs: catalog.NeedsToken, After: []string{"jwt.signature-unverified"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		return throwAll(ctx, t, knownMaterial(t), nil, "blank-secret")
	},
}
