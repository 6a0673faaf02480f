package checks

import (
	"context"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// corsNullOrigin finds that the origin null is allowed. Any page can have it:
// a sandboxed frame is enough.
var corsNullOrigin = scan.Check{
	ID: "cors.null-origin", Needs: catalog.NeedsNothing, Passive: true, After: []string{"cors.reflected-origin"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		c, err := corsAsk(ctx, t, "null")
		switch {
		case err != nil:
			return scan.Unsure("no answer to a request from the origin null: " + err.Error())
		case c.allow != "null":
			return scan.Pass()
		case !c.genuine && !(c.OK() && c.credentials):
			return scan.Unsure(undecidedCORS)
		}
		e := corsEvidence(t, c)
		if !c.credentials {
			e.Severity = catalog.Medium
		}
		return scan.Find(e)
	},
}
