package checks

import (
	"context"
	"net/http"
	"net/url"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// bypass is a way to ask for an operation that a rule for its method or its path
// may not cover.
type bypass struct {
	name   string
	method string
	header http.Header
	query  string
	// root asks for the scanned URL's root, and names the operation in a header.
	root bool
	// changes says that the method may change something by HTTP's rules.
	changes bool
}

var overrides = http.Header{"X-HTTP-Method-Override": {"GET"}, "X-HTTP-Method": {"GET"}, "X-Method-Override": {"GET"}}

// preflightLike names a method that rules for credentials often leave out.
var preflightLike = http.Header{"X-HTTP-Method-Override": {"OPTIONS"}, "X-HTTP-Method": {"OPTIONS"}, "X-Method-Override": {"OPTIONS"}}

var bypasses = []bypass{
	{name: "HEAD", method: "HEAD"},
	{name: "a method in lower case", method: "get"},
	{name: "a method that nobody knows", method: "WTGET"},
	{name: "OPTIONS with an override header", method: "OPTIONS", header: overrides},
	{name: "OPTIONS with _method", method: "OPTIONS", query: "_method=GET"},
	{name: "GET with an override header that names OPTIONS", method: "GET", header: preflightLike},
	{name: "X-Original-URL that names a public path", method: "GET", header: http.Header{"X-Original-URL": {"/"}, "X-Rewrite-URL": {"/"}}},
	{name: "a public path with X-Original-URL", method: "GET", root: true},
	{name: "POST with an override header", method: "POST", header: overrides, changes: true},
	{name: "POST with _method", method: "POST", query: "_method=GET", changes: true},
}

// authMethodBypass finds protected operations that another method, or a header
// that overrides method or path, reaches without a credential. It looks at
// operations that refuse a plain request: the others are auth.missing.
var authMethodBypass = scan.Check{
	ID: "auth.method-bypass", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		tried, missing := 0, ""
		for _, o := range t.Operations() {
			if !o.Secured || o.Method != "GET" || tried == 2 {
				continue
			}
			refused, err := unasked(ctx, t, o)
			if why := noAnswer(refused, err); why != "" {
				missing = why
				continue
			}
			if refused.Status != 401 && refused.Status != 403 {
				continue
			}
			tried++
			e, why := tryBypasses(ctx, t, o, refused)
			if e != nil {
				return scan.Find(*e)
			}
			if why != "" {
				missing = why
			}
		}
		switch {
		case missing != "":
			return scan.Unsure("not every method was answered: " + missing)
		case tried == 0:
			return scan.Skip("no protected operation is known that refuses requests without a credential")
		}
		return scan.Pass()
	},
}

// tryBypasses returns the first way that leads in, or why some could not be tried.
func tryBypasses(ctx context.Context, t *scan.Target, o scan.Operation, refused *scan.Response) (e *scan.Evidence, missing string) {
	for _, b := range bypasses {
		if b.changes && !t.Config().Intrusive {
			continue
		}
		r, ok := b.request(t, o)
		if !ok {
			continue
		}
		res, err := t.Do(ctx, r)
		if why := noAnswer(res, err); why != "" {
			// Servers hang up on methods that they do not know.
			if err == nil || !alive(ctx, t) {
				missing = b.name + ": " + why
			}
			continue
		}
		confidence, in := b.reached(ctx, t, o, refused, res)
		if !in {
			continue
		}
		var more []string
		for name, values := range r.Header {
			more = append(more, "-H "+shellQuote(name+": "+values[0]))
		}
		return &scan.Evidence{
			Method: b.method, URL: res.URL, Key: b.name, Confidence: confidence, Repeat: curl(b.method, res.URL, more...),
			Text: t.Mask(heard("GET without a credential", refused, nil) + "\n" + heard(b.name+", without a credential", res, nil) + ": " + t.Summary(res)),
		}, ""
	}
	return nil, missing
}

func (b bypass) request(t *scan.Target, o scan.Operation) (scan.Request, bool) {
	r := quiet(o)
	r.Method, r.Header = b.method, b.header
	if b.query != "" {
		r.URL = o.URL + queryMark(o.URL) + b.query
	}
	if b.root {
		u, err := url.Parse(o.URL)
		root := rootOperation(t)
		if err != nil || root.URL == o.URL {
			return r, false
		}
		r.URL, r.Header = root.URL, http.Header{"X-Original-URL": {u.RequestURI()}, "X-Rewrite-URL": {u.RequestURI()}}
	}
	return r, true
}

// reached tells whether an answer is the protected one. HEAD has no body to
// compare: its status and media type must be those of success. Where there is no
// genuine answer, data that neither the refusal nor an unknown path has is a
// success of less confidence.
func (b bypass) reached(ctx context.Context, t *scan.Target, o scan.Operation, refused, r *scan.Response) (confidence string, in bool) {
	if !r.OK() || r.Status == 204 && b.method == "OPTIONS" {
		return "", false
	}
	p, known := answeredToken(ctx, t, o)
	switch {
	case known && b.method == "HEAD":
		return "", p.Bv.OK() && p.Bv.Status == r.Status && p.Bv.Class.Media == r.Class.Media
	case known:
		return "", p.Bv.OK() && p.Bv.Class == r.Class && !sameAsRoot(t, r)
	case b.method == "OPTIONS" || b.method == "GET":
		return "", false // an ordinary OPTIONS, or the root's own answer
	case b.method == "HEAD":
		return "medium", r.Class.Media != "text/html"
	}
	n := t.NotFound()
	return "medium", len(r.Body) > 0 && r.Class.Media != "text/html" && r.Class.Shape != refused.Class.Shape && (n == nil || n.Class != r.Class)
}

// sameAsRoot tells whether an answer is no more than what the root gives anybody.
func sameAsRoot(t *scan.Target, r *scan.Response) bool {
	return t.Root() != nil && t.Root().Class == r.Class
}
