package checks

import (
	"context"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtNotBeforeIgnored finds services that take a token an hour before its nbf.
var jwtNotBeforeIgnored = scan.Check{
	ID: "jwt.not-before-ignored", Needs: catalog.NeedsSecret, After: []string{"jwt.signature-unverified"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		m := t.Material(ctx)
		if m.Sign == nil {
			return scan.Skip("needs the signing secret, with --secret")
		}
		return wellSigned(ctx, t, m, variants("nbf"), "not-before")
	},
}
