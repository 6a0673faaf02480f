package checks

import (
	"context"
	"fmt"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// maxUnasked is how many operations are tried without a credential.
const maxUnasked = 12

// authMissing finds operations that say they need a credential and answer
// without one. That any credential will do is jwt.signature-unverified.
var authMissing = scan.Check{
	ID: "auth.missing", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		var found []scan.Evidence
		var undecided []string
		secured, decided := 0, 0
		for _, o := range t.Operations() {
			if !o.Secured || o.Method != "GET" {
				continue
			}
			if secured++; secured > maxUnasked {
				break
			}
			r, err := unasked(ctx, t, o)
			if why := noAnswer(r, err); why != "" || r.Status >= 500 {
				undecided = append(undecided, fmt.Sprintf("%s: no decisive answer without a credential (%s)", o.Path, heard("GET", r, err)))
				continue
			}
			if r.Status == 404 || r.Status == 405 || r.Status == 422 {
				continue // values had to be made up, or it is not there; says nothing
			}
			e, why := openTo(ctx, t, o, r)
			switch {
			case why != "":
				undecided = append(undecided, o.Path+": "+why)
			case e != nil:
				found = append(found, *e)
			}
			decided++
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

// openTo judges an answer without a credential. Neither evidence nor a reason: it
// is a refusal, whatever its status.
func openTo(ctx context.Context, t *scan.Target, o scan.Operation, r *scan.Response) (e *scan.Evidence, undecided string) {
	if !r.OK() {
		return nil, ""
	}
	e = &scan.Evidence{
		Method: o.Method, URL: r.URL, Repeat: curl(o.Method, r.URL),
		Text: t.Mask(heard("without a credential", r, nil) + ": " + t.Summary(r)),
	}
	p, known := answeredToken(ctx, t, o)
	switch {
	case !known:
		if n := t.NotFound(); n != nil && n.Class == r.Class {
			return nil, "answers as any path does"
		}
		e.Confidence = "medium"
		e.Text += "; there is no answer to a genuine token to compare it with"
	case p.Bv.Class == r.Class:
		e.Text += t.Mask(", as to the genuine token: " + t.Summary(p.Bv))
	case p.Eligible:
		return nil, "" // it is told apart from a success, as where errors have status 200
	case !p.Bv.OK():
		e.Confidence = "medium"
		e.Text += t.Mask("; the genuine token itself is refused: " + t.Summary(p.Bv))
	default:
		return nil, "answers 2xx without a credential, but something else with one"
	}
	return e, ""
}

// answeredToken has an operation's baselines, if the genuine token was sent to it.
func answeredToken(ctx context.Context, t *scan.Target, o scan.Operation) (p scan.Protected, known bool) {
	if _, has := t.Token(); !has {
		return p, false
	}
	p, err := t.Baseline(ctx, o)
	return p, err == nil && p.Bv != nil
}
