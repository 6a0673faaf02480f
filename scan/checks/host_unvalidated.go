package checks

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"slices"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// hostUnvalidated finds an API that answers whatever name it is asked for by.
// The handshake asks for the right name, so that the request comes to the right
// place; only the Host header is wrong.
var hostUnvalidated = scan.Check{
	ID: "host.unvalidated", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		var found []scan.Evidence
		asked, small := 0, true
		for _, o := range hostOperations(t) {
			right, err := unasked(ctx, t, o)
			if err != nil {
				return scan.Unsure("the target did not answer to its own name: " + err.Error())
			}
			if !application(right) && right.Status != 403 || blanket(t, right) {
				continue
			}
			asked++
			e, ok, err := strangeHost(ctx, t, o, right)
			switch {
			case err != nil:
				return scan.Unsure("the target did not answer any more: " + err.Error())
			case ok:
				found = append(found, e)
				small = small && healthPath.MatchString(o.Path)
			}
		}
		switch {
		case len(found) > 0:
			for i := range found {
				if small {
					found[i].Severity = catalog.Info
				}
			}
			return scan.Find(found...)
		case asked == 0:
			return scan.Unsure("no operation is known that answers with more than an error: name one with --protected")
		}
		return scan.Pass()
	},
}

// healthPath is a path that balancers ask for by address.
var healthPath = regexp.MustCompile(`(?i)^/(-/)?(health|healthz|livez?|readyz?|ping|status|metrics|up)/?$`)

// hostOperations are three operations, those that are known to be there first,
// and, where there are fewer, the root: servers may look at Host in front of some
// of their parts only.
func hostOperations(t *scan.Target) []scan.Operation {
	var list []scan.Operation
	for _, p := range t.Protected() {
		list = append(list, p.Operation)
	}
	for _, o := range callable(t, 3) {
		known := slices.ContainsFunc(list, func(k scan.Operation) bool { return k.Method == o.Method && k.URL == o.URL })
		if !known && len(list) < 3 {
			list = append(list, o)
		}
	}
	if len(list) < 3 {
		list = append(list, rootOperation(t))
	}
	return list
}

// strangeHost asks with a Host that is nobody's, and once more with the right
// name beside it in the header that proxies set.
func strangeHost(ctx context.Context, t *scan.Target, o scan.Operation, right *scan.Response) (e scan.Evidence, found bool, err error) {
	text := "control: " + heard(o.Method+" "+o.URL, right, nil)
	host := canaryHost()
	for _, header := range []http.Header{nil, {"X-Forwarded-Host": {t.Base().Host}}} {
		r := quiet(o)
		r.Host, r.Header = host, header
		what, flags := o.Method+" "+o.URL+" with Host: "+host, []string{"-H " + shellQuote("Host: "+host)}
		if header != nil {
			what += " and X-Forwarded-Host: " + t.Base().Host
			flags = append(flags, "-H "+shellQuote("X-Forwarded-Host: "+t.Base().Host))
		}
		answer, err := t.Do(ctx, r)
		if err != nil {
			if !alive(ctx, t) {
				return e, false, err
			}
			continue // it hung up on the wrong name
		}
		// A 403 may be the refusal of the name, unless it is the same to the byte.
		if answer.Class == right.Class && (answer.Status != 403 || len(right.Body) > 0 && bytes.Equal(answer.Body, right.Body)) {
			text += "\n" + heard(what, answer, nil)
			return scan.Evidence{Method: o.Method, URL: o.URL, Text: t.Mask(text), Repeat: curl(o.Method, o.URL, flags...)}, true, nil
		}
	}
	return e, false, nil
}
