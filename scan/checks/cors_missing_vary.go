package checks

import (
	"context"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// corsMissingVary finds answers that depend on the Origin without saying so: a
// cache then serves one origin's answer to another. An answer that is the same
// for all needs no Vary.
var corsMissingVary = scan.Check{
	ID: "cors.missing-vary", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		strange, err := corsAsk(ctx, t, strangeOrigin(t))
		if err != nil {
			return scan.Unsure("no answer to a cross-origin request: " + err.Error())
		}
		for _, origin := range append([]string{"https://other." + canaryHost()}, knownOrigins(t)...) {
			c, err := corsAsk(ctx, t, origin)
			if err != nil {
				return scan.Unsure("no answer to a request from " + origin + ": " + err.Error())
			}
			if c.allow != strange.allow && c.allow == origin && !c.varies {
				return scan.Find(corsEvidence(t, c, strange))
			}
		}
		return scan.Pass()
	},
}
