package checks

import (
	"context"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtSensitiveClaims reads the payload for what does not belong into text that
// everybody on the way can decode. It names the claims and shows no value.
var jwtSensitiveClaims = scan.Check{
	ID: "jwt.sensitive-claims", Needs: catalog.NeedsToken, Passive: true,
	Run: func(_ context.Context, t *scan.Target) scan.Verdict {
		token, why := readable(t)
		if why != "" {
			return scan.Skip(why)
		}
		var s sensitive
		s.object("", token.Claims, 0)
		if len(s.lines) == 0 {
			return scan.Pass()
		}
		e := inToken(t, strings.Join(s.lines, "\n"))
		e.Severity = s.worst
		return scan.Find(e)
	},
}
