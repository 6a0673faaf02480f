package checks

import (
	"context"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// transportNoTLS finds an API that answers in clear. It is worse where there is
// no HTTPS at all.
var transportNoTLS = scan.Check{
	ID: "transport.no-tls", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		v, err := lookPlain(ctx, t)
		if err != nil {
			return scan.Unsure("plain HTTP could not be compared with HTTPS: " + err.Error())
		}
		var found []scan.Evidence
		for _, p := range v.served(t) {
			e := plainEvidence(t, p)
			if v.HTTPS {
				e.Severity = catalog.Medium
				e.Text += "\nthe same is served over HTTPS as well"
			}
			found = append(found, e)
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case plainSaysNothing(v):
			return scan.Unsure("plain HTTP and HTTPS both answer 404 to all that is known of the API: name a path with --protected")
		}
		return scan.Pass()
	},
}

// plainSaysNothing reports whether every answer is a 404, in clear as over HTTPS:
// it may be the API's own, or that of an empty web server.
func plainSaysNothing(v plainView) bool {
	for _, p := range v.answered() {
		if p.Plain.Status != 404 || p.Secure != nil && p.Secure.Status != 404 {
			return false
		}
	}
	return len(v.answered()) > 0
}
