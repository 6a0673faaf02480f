package checks

import (
	"context"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// transportNoHSTS finds answers over HTTPS without Strict-Transport-Security.
// Where only some lack it, that is worth less.
var transportNoHSTS = scan.Check{
	ID: "transport.no-hsts", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		if why := withoutHSTS(t); why != "" {
			return scan.Skip(why)
		}
		answers, err := secureAnswers(ctx, t)
		if err != nil {
			return scan.Unsure("not every kind of answer could be had: " + err.Error())
		}
		var without, with []string
		var first *scan.Response
		for _, a := range answers {
			line := a.kind + ": " + heard(a.Method+" "+a.URL, a.Response, nil)
			if len(a.Header.Values(strictTransport)) > 0 {
				with = append(with, line+", with "+strictTransport)
				continue
			}
			without = append(without, line+", without "+strictTransport)
			if first == nil {
				first = a.Response
			}
		}
		if first == nil {
			return scan.Pass()
		}
		e := scan.Evidence{
			Method: first.Method, URL: first.URL, Key: "host",
			Text:   t.Mask(strings.Join(append(without, with...), "\n")),
			Repeat: curl(first.Method, first.URL) + " | grep -i strict-transport-security",
		}
		if len(with) > 0 {
			e.Severity, e.Title = catalog.Low, "Some HTTPS responses carry no Strict-Transport-Security"
		}
		return scan.Find(e)
	},
}
