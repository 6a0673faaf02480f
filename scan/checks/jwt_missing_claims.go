package checks

import (
	"context"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtMissingClaims reads whether the token says who made it and whom it is for.
var jwtMissingClaims = scan.Check{
	ID: "jwt.missing-claims", Needs: catalog.NeedsToken, Passive: true,
	Run: func(_ context.Context, t *scan.Target) scan.Verdict {
		token, why := readable(t)
		if why != "" {
			return scan.Skip(why)
		}
		var lines []string
		if token.Issuer == "" {
			lines = append(lines, "It has no iss: it does not say who made it.")
		}
		if len(token.Audience) == 0 {
			lines = append(lines, "It has no aud: it does not say whom it is for, so that any service with the key takes it.")
		}
		if len(lines) == 0 {
			return scan.Pass()
		}
		return scan.Find(inToken(t, strings.Join(lines, "\n")))
	},
}
