package checks

import (
	"context"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// corsReflectedOrigin finds that any Origin is echoed as allowed. With cookies
// every page can act as the user; with a bearer token alone it can only read
// what it gets for a token that it already has.
var corsReflectedOrigin = scan.Check{
	ID: "cors.reflected-origin", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		c, err := corsAsk(ctx, t, strangeOrigin(t))
		var others []crossOrigin
		if err == nil && c.allow != c.origin {
			with, asked, failed := corsAskWithCookies(ctx, t, strangeOrigin(t))
			if err = failed; asked && err == nil {
				others, c = append(others, c), with
			}
		}
		switch {
		case err != nil:
			return scan.Unsure("no answer to a cross-origin request: " + err.Error())
		case c.allow != c.origin:
			return scan.Pass()
		case !c.genuine && !c.OK():
			return scan.Unsure(undecidedCORS)
		case !c.genuine && !c.credentials:
			return scan.Unsure(undecidedCORS)
		}
		e := corsEvidence(t, c, others...)
		if !c.credentials || !ambient(t) {
			e.Severity = catalog.Medium
			e.Text += "\nno cookie is the credential here, so a page needs a token of its own"
		}
		return scan.Find(e)
	},
}
