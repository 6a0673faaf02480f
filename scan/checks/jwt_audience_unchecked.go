package checks

import (
	"context"
	"fmt"
	"slices"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtAudienceUnchecked finds services that take well signed tokens which are meant
// for others. The other token may be one that was given.
var jwtAudienceUnchecked = scan.Check{
	ID: "jwt.audience-unchecked", Needs: catalog.NeedsSecret, After: []string{"jwt.signature-unverified"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		token, why := readable(t)
		switch {
		case why != "":
			return scan.Skip(why)
		case len(token.Audience) == 0:
			return scan.Skip("the genuine token has no aud; see jwt.missing-claims")
		}
		if given := t.Config().OtherToken; !given.Empty() {
			if v := otherAudience(ctx, t, token, scan.ReadToken(string(given.Reveal()))); v.Outcome == scan.Found || t.Material(ctx).Sign == nil {
				return v
			}
		}
		return wellSigned(ctx, t, t.Material(ctx),
			variants("other", "array", "extended", "part", "joined", "case", "object", "nested", "empty", "absent", "null"), "audience",
			"case", "object", "nested", "empty", "absent", "null")
	},
}

func otherAudience(ctx context.Context, t *scan.Target, token, other scan.Token) scan.Verdict {
	if other.JWT {
		for _, aud := range other.Audience {
			if slices.Contains(token.Audience, aud) {
				return scan.Unsure("the token of --other-token is for the same audience, " + clip(aud))
			}
		}
		if len(other.Audience) == 0 {
			return scan.Unsure("the token of --other-token has no aud")
		}
	}
	return foreignToken(ctx, t, fmt.Sprintf("The token of --other-token, which is for %q", other.Audience), other)
}
