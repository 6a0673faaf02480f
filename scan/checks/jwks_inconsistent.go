package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// looks is how often the key set is fetched and the token used.
const looks = 10

// jwksInconsistent finds instances behind one name that publish different keys,
// or of which some take a token and some do not. Keys that change once are a
// rotation; instances that disagree go back and forth.
var jwksInconsistent = scan.Check{
	ID: "jwks.inconsistent", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		var found []scan.Evidence
		asked, unsure := 0, ""
		for _, look := range []func(context.Context, *scan.Target) (scan.Evidence, []string, error){keySeries, tokenSeries} {
			e, series, err := look(ctx, t)
			if err != nil {
				return scan.Unsure("not every connection was answered: " + err.Error())
			}
			switch kinds, changes := variety(series); {
			case len(series) == 0:
				continue
			case kinds > 1 && changes > 1:
				e.Text = t.Mask(e.Text + "\n" + strings.Join(runs(series), "\n"))
				found = append(found, e)
			case kinds > 1:
				unsure = "answers changed once while the scan looked, as at a rotation: scan again in a minute"
			}
			asked++
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case unsure != "":
			return scan.Unsure(unsure)
		case asked == 0:
			return scan.Skip("no key set was found on the target, and no operation that shows whether a token is taken")
		}
		return scan.Pass()
	},
}

// keySeries fetches the target's own key set over new connections and returns the
// kids of each answer.
func keySeries(ctx context.Context, t *scan.Target) (e scan.Evidence, series []string, err error) {
	for _, d := range t.JWKS() {
		u, err := url.Parse(d.URL)
		if err != nil || d.Keys == nil || !strings.EqualFold(u.Hostname(), t.Host()) {
			continue
		}
		for range looks {
			r, err := t.Do(ctx, scan.Request{URL: d.URL, NoKeepAlive: true})
			if err != nil {
				return e, nil, err
			}
			if r.Status != 200 || r.Truncated {
				continue
			}
			if ids, ok := keyIDs(r.Body); ok {
				series = append(series, "the key set has "+ids)
			}
		}
		e = scan.Evidence{
			Method: "GET", URL: d.URL, Text: fmt.Sprintf("%d fetches of the key set, each over a connection of its own:", len(series)),
			Repeat: "for i in 1 2 3 4 5 6 7 8 9 10; do " + curl("GET", d.URL) + "; done",
		}
		return e, series, nil
	}
	return e, nil, nil
}

// keyIDs lists the kids of a key set, sorted, or the thumb of each key without.
func keyIDs(body []byte) (string, bool) {
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if json.Unmarshal(body, &set) != nil || set.Keys == nil || len(set.Keys) > maxPublishedKeys {
		return "", false
	}
	ids := []string{}
	for _, k := range set.Keys {
		kid, ok := k["kid"].(string)
		if !ok {
			for _, member := range []string{"x", "n"} {
				if v, ok := k[member].(string); ok {
					kid = "no kid but " + member + "=" + v[:min(len(v), 12)] + "…"
				}
			}
		}
		ids = append(ids, clip(kid))
	}
	slices.Sort(ids)
	return strings.Join(ids, ", "), true
}

// tokenSeries uses the genuine token over new connections and returns whether
// each took it. Answers that say neither are left out.
func tokenSeries(ctx context.Context, t *scan.Target) (e scan.Evidence, series []string, err error) {
	token, ok := t.Token()
	list := t.Protected()
	if !ok || len(list) == 0 {
		return e, nil, nil
	}
	p := list[0]
	for range looks {
		r := p.Request(string(token.Raw.Reveal()))
		r.NoKeepAlive = true
		answer, err := t.Do(ctx, r)
		switch {
		case err != nil:
			return e, nil, err
		case p.Genuine(answer):
			series = append(series, fmt.Sprintf("the token is taken (%d)", answer.Status))
		case answer.Status == 401:
			series = append(series, "the token is refused (401)")
		}
	}
	e = scan.Evidence{
		Method: p.Method, URL: p.URL, Text: fmt.Sprintf("%d requests with one genuine token, each over a connection of its own:", len(series)),
		Repeat: "for i in 1 2 3 4 5 6 7 8 9 10; do " + curl(p.Method, p.URL, `-H "Authorization: Bearer $TOKEN"`) + "; done",
	}
	return e, series, nil
}

// variety counts the different members of a series, and how often one differs
// from the one before it.
func variety(series []string) (kinds, changes int) {
	seen := map[string]bool{}
	for i, s := range series {
		seen[s] = true
		if i > 0 && series[i-1] != s {
			changes++
		}
	}
	return len(seen), changes
}

// runs writes a series with how often each member came in a row.
func runs(series []string) []string {
	var lines []string
	for i := 0; i < len(series); {
		n := 1
		for i+n < len(series) && series[i+n] == series[i] {
			n++
		}
		lines = append(lines, fmt.Sprintf("%d× %s", n, series[i]))
		i += n
	}
	return lines
}
