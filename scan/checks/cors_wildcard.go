package checks

import (
	"context"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// corsWildcard finds Access-Control-Allow-Origin: * on answers that need a
// token. On public data, and on refusals, it harms nobody. With credentials
// browsers ignore it, so Allow-Credentials makes it no worse, unless the star
// becomes the origin when cookies come along: that is cors.reflected-origin.
var corsWildcard = scan.Check{
	ID: "cors.wildcard", Needs: catalog.NeedsNothing, Passive: true, After: []string{"cors.reflected-origin"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		c, err := corsAsk(ctx, t, strangeOrigin(t))
		switch {
		case err != nil:
			return scan.Unsure("no answer to a cross-origin request: " + err.Error())
		case c.allow != "*":
			return scan.Pass()
		case !c.genuine:
			return scan.Unsure(undecidedCORS)
		}
		return scan.Find(corsEvidence(t, c))
	},
}
