package checks

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtTokenInURL finds services that take the token from the query, from where it
// gets into logs, histories and Referer headers.
var jwtTokenInURL = scan.Check{
	ID: "jwt.token-in-url", Needs: catalog.NeedsToken,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		list, why := telling(ctx, t)
		if why != "" {
			return scan.Unsure(why)
		}
		names := queryNames(t)
		var found []scan.Evidence
		unsure := ""
		for _, p := range list {
			e, doubt, err := inQuery(ctx, t, p, names)
			switch {
			case err != nil:
				return scan.Unsure("the operations could not be asked: " + err.Error())
			case doubt != "" && unsure == "":
				unsure = doubt
			case e.URL != "":
				found = append(found, e)
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case unsure != "":
			return scan.Unsure(unsure)
		}
		return scan.Pass()
	},
}

// queryNames are the usual names of the parameter, and those of the description.
func queryNames(t *scan.Target) []string {
	names := []string{"access_token", "token", "jwt", "auth", "api_key"}
	if s := t.Spec(); s != nil {
		for _, scheme := range s.Schemes {
			if scheme.In == "query" && scheme.Parameter != "" && !slices.Contains(names, scheme.Parameter) && len(names) < 8 {
				names = append(names, scheme.Parameter)
			}
		}
	}
	return names
}

// inQuery sends the token under all names at once, and where that has any effect
// under each alone.
func inQuery(ctx context.Context, t *scan.Target, p scan.Protected, names []string) (e scan.Evidence, doubt string, err error) {
	r, err := t.Do(ctx, queried(t, p, names...))
	if err != nil {
		return e, "", err
	}
	if r.Class == p.B0.Class && !takes(p, r) {
		return e, "", nil
	}
	for _, name := range names {
		var answers []*scan.Response
		for range 2 {
			if r, err = t.Do(ctx, queried(t, p, name)); err != nil {
				return e, "", err
			}
			answers = append(answers, r)
			if !takes(p, r) {
				break
			}
		}
		switch {
		case r.Status == 429 || r.Status >= 500:
			doubt = fmt.Sprintf("%s with ?%s= was answered with %d", p.Path, name, r.Status)
		case takes(p, r):
			return scan.Evidence{
				Method: p.Method, URL: p.URL,
				Text: t.Mask(fmt.Sprintf("The token is taken from the query parameter %s, without a header.\n  no credential: %s\n  token in the query: %s\n  again: %s\n  token in the header: %s",
					name, t.Summary(p.B0), t.Summary(answers[0]), t.Summary(answers[1]), t.Summary(p.Bv))),
				Repeat: `curl -i "` + withQuery(p.URL, name+"=$TOKEN") + `"`,
			}, "", nil
		}
	}
	return e, doubt, nil
}

// queried is a request with the genuine token in the query only.
func queried(t *scan.Target, p scan.Protected, names ...string) scan.Request {
	token, _ := t.Token()
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(string(token.Raw.Reveal())))
	}
	r := p.Operation.Request()
	r.URL = withQuery(r.URL, strings.Join(pairs, "&"))
	if p.Companion != "" {
		r.Header = http.Header{"Cookie": {p.Companion}}
	}
	return r
}

func withQuery(address, query string) string {
	if strings.Contains(address, "?") {
		return address + "&" + query
	}
	return address + "?" + query
}
