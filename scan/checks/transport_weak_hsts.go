package checks

import (
	"context"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// transportWeakHSTS finds Strict-Transport-Security that clients forget soon, or
// ignore.
var transportWeakHSTS = scan.Check{
	ID: "transport.weak-hsts", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		if why := withoutHSTS(t); why != "" {
			return scan.Skip(why)
		}
		answers, err := secureAnswers(ctx, t)
		if err != nil {
			return scan.Unsure("not every kind of answer could be had: " + err.Error())
		}
		there := false
		for _, a := range answers {
			values := a.Header.Values(strictTransport)
			if len(values) == 0 {
				continue
			}
			there = true
			fault := hstsFault(values)
			if fault == "" {
				continue
			}
			text := heard(a.Method+" "+a.URL, a.Response, nil)
			for _, v := range values[:min(len(values), 3)] {
				text += "\n" + strictTransport + ": " + clip(v)
			}
			return scan.Find(scan.Evidence{
				Method: a.Method, URL: a.URL, Key: "host", Text: t.Mask(text + "\n" + fault),
				Repeat: curl(a.Method, a.URL) + " | grep -i strict-transport-security",
			})
		}
		if !there {
			return scan.Skip("there is no Strict-Transport-Security; see transport.no-hsts")
		}
		return scan.Pass()
	},
}
