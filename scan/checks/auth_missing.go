package checks

import (
	"context"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// authMissing finds operations that say they need a credential and answer
// without one.
var authMissing = scan.Check{
	ID: "auth.missing", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		var found []scan.Evidence
		var undecided []string
		decided, secured := 0, 0
		for _, o := range t.Operations() {
			if !o.Secured || o.Method != "GET" {
				continue
			}
			secured++
			if secured > 12 {
				break
			}
			r, err := unasked(ctx, t, o)
			switch {
			case err != nil:
				undecided = append(undecided, o.Path+": "+err.Error())
				continue
			case r.Status == 404 || r.Status == 422 || r.Status == 405:
				continue // values had to be made up; says nothing
			}
			decided++
			if !r.OK() {
				continue
			}
			e := scan.Evidence{Method: o.Method, URL: r.URL, Text: t.Mask(heard("without a credential", r, nil) + ": " + t.Summary(r)), Repeat: curl(o.Method, r.URL)}
			if same, known := asWithToken(ctx, t, o, r); known && !same {
				undecided = append(undecided, o.Path+": 2xx without a credential, but another answer than with one")
				continue
			} else if !known {
				e.Confidence = "medium"
			}
			found = append(found, e)
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case len(undecided) > 0:
			return scan.Unsure(strings.Join(undecided, "; "))
		case secured == 0:
			return scan.Skip("no operation is known to need a credential; name some with --protected")
		case decided == 0:
			return scan.Unsure("no operation that needs a credential could be called with values that it takes")
		}
		return scan.Pass()
	},
}

// asWithToken tells whether an answer is in the class of the one to the genuine
// token. known is false where there is none.
func asWithToken(ctx context.Context, t *scan.Target, o scan.Operation, r *scan.Response) (same, known bool) {
	if _, has := t.Token(); !has {
		return false, false
	}
	p, err := t.Baseline(ctx, o)
	if err != nil || p.Bv == nil {
		return false, false
	}
	return p.Bv.Class == r.Class, true
}
