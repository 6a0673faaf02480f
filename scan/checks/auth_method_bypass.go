package checks

import (
	"context"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// bypass is a way to ask for an operation that a rule for its method may not
// cover. None changes anything by HTTP's rules.
type bypass struct {
	name   string
	method string
	header map[string][]string
	query  string
}

var bypasses = []bypass{
	{name: "HEAD", method: "HEAD"},
	{name: "a method in lower case", method: "get"},
	{name: "a method that nobody knows", method: "WTGET"},
	{name: "OPTIONS with an override header", method: "OPTIONS", header: map[string][]string{"X-HTTP-Method-Override": {"GET"}, "X-HTTP-Method": {"GET"}, "X-Method-Override": {"GET"}}},
	{name: "HEAD with _method", method: "HEAD", query: "_method=GET"},
	{name: "X-Original-URL to a public path", method: "GET", header: map[string][]string{"X-Original-URL": {"/"}, "X-Rewrite-URL": {"/"}}},
}

// authMethodBypass finds protected operations that another method, or a header
// that overrides it, reaches without a credential.
var authMethodBypass = scan.Check{
	ID: "auth.method-bypass", Needs: catalog.NeedsNothing, After: []string{"auth.missing"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		tried, answered := 0, 0
		for _, o := range t.Operations() {
			if !o.Secured || o.Method != "GET" || tried == 2 {
				continue
			}
			refused, err := unasked(ctx, t, o)
			if err != nil || refused.Status != 401 && refused.Status != 403 {
				continue
			}
			tried++
			for _, b := range bypasses {
				r := quiet(o)
				r.Method, r.Header = b.method, b.header
				if b.query != "" {
					r.URL = o.URL + queryMark(o.URL) + b.query
				}
				res, err := t.Do(ctx, r)
				if err != nil {
					continue
				}
				answered++
				if !reached(ctx, t, o, res, b) {
					continue
				}
				return scan.Find(scan.Evidence{
					Method: b.method, URL: res.URL, Key: b.name,
					Text:   t.Mask(heard("GET without a credential", refused, nil) + "\n" + heard(b.name+" without a credential", res, nil) + ": " + t.Summary(res)),
					Repeat: curl(b.method, res.URL),
				})
			}
		}
		switch {
		case tried == 0:
			return scan.Skip("no protected operation is known that refuses requests without a credential")
		case answered == 0:
			return scan.Unsure("no answer to other methods")
		}
		return scan.Pass()
	},
}

// reached tells whether an answer is the protected one. HEAD has no body to
// compare: its status and media type must be those of success.
func reached(ctx context.Context, t *scan.Target, o scan.Operation, r *scan.Response, b bypass) bool {
	if !r.OK() {
		return false
	}
	if same, known := asWithToken(ctx, t, o, r); known && same {
		return true
	}
	if b.method == "OPTIONS" || b.method == "GET" {
		return false // an ordinary OPTIONS, or the root's own answer
	}
	if b.method == "HEAD" {
		p, err := t.Baseline(ctx, o)
		if err == nil && p.Bv != nil {
			return p.Bv.Status == r.Status && p.Bv.Class.Media == r.Class.Media
		}
	}
	return r.Status == 200 && !strings.HasPrefix(r.Class.Media, "text/html")
}
