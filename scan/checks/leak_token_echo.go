package checks

import (
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// leakTokenEcho finds answers that show the token that they were sent. It is a
// canary of the scan's own, in requests that must fail: an endpoint that tells
// users their own claims is none, but one that shows the token itself is.
var leakTokenEcho = scan.Check{
	ID: "leak.token-echo", Needs: catalog.NeedsToken,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		found := ownTokenShown(t)
		asked, missing := 0, ""
		for _, r := range echoRequests(t) {
			c := newDecoy()
			r.Header = r.Header.Clone()
			if r.Header == nil {
				r.Header = http.Header{}
			}
			r.Header.Set("Authorization", "Bearer "+c.token)
			res, err := t.Do(ctx, r)
			if why := noAnswer(res, err); why != "" {
				missing = why
				continue
			}
			asked++
			if where := c.echoed(res); where != "" {
				found = append(found, scan.Evidence{
					Method: res.Method, URL: res.URL,
					Text:   t.Mask("Authorization: Bearer " + c.token + "\n" + heard(where, res, nil)),
					Repeat: curl(res.Method, res.URL, "-H 'Authorization: Bearer canary.canary.canary'") + " | grep canary",
				})
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case asked == 0 || missing != "":
			return scan.Unsure("not every request with a canary token was answered: " + missing)
		}
		return scan.Pass()
	},
}

// ownTokenShown looks for the genuine token in the answers to it. Where it
// travels in a cookie, a page may have to be told it.
func ownTokenShown(t *scan.Target) []scan.Evidence {
	token, ok := t.Token()
	raw := string(token.Raw.Reveal())
	if !ok || len(raw) < 20 {
		return nil
	}
	var found []scan.Evidence
	for _, p := range t.Protected() {
		if p.Cookie != "" || p.Bv == nil || !strings.Contains(string(p.Bv.Body), raw) {
			continue
		}
		found = append(found, scan.Evidence{
			Method: p.Method, URL: p.URL,
			Text:   t.Mask(heard("the genuine token, sent in the Authorization header, comes back in the body", p.Bv, nil)),
			Repeat: curl(p.Method, p.URL, `-H "Authorization: Bearer $TOKEN"`) + ` | grep -F "$TOKEN"`,
		})
	}
	return found
}

// echoRequests are requests that answer with errors of different kinds.
func echoRequests(t *scan.Target) []scan.Request {
	list := []scan.Request{{Path: "/wt-" + strings.ToLower(canaryHost()[3:11])}}
	for _, p := range t.Protected() {
		odd := p.Request("")
		odd.URL = p.URL + queryMark(p.URL) + "wt=%00%ff&limit=wt&id=wt"
		list = append(list, p.Request(""), odd)
	}
	if len(t.Protected()) == 0 {
		for _, o := range callable(t, 2) {
			list = append(list, quiet(o))
		}
	}
	return list
}

func queryMark(address string) string {
	if strings.Contains(address, "?") {
		return "&"
	}
	return "?"
}

// decoy is a token that expired long ago and is nobody's, with a subject that
// nothing else has.
type decoy struct{ token, payload, subject string }

func newDecoy() decoy {
	subject := strings.TrimSuffix(canaryHost(), ".invalid")
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"` + subject + `","exp":1}`))
	parts := strings.Split(canaryToken(), ".")
	return decoy{parts[0] + "." + payload + "." + parts[2], payload, subject}
}

// echoed says what of a decoy an answer shows: all of it, its payload, or, in an
// error, what is in the payload.
func (c decoy) echoed(r *scan.Response) string {
	shown := func(text string) string {
		switch {
		case strings.Contains(text, c.token):
			return "the token comes back in "
		case strings.Contains(text, c.payload):
			return "the token's payload comes back in "
		case r.Status >= 400 && strings.Contains(text, c.subject):
			return "a claim of the refused token comes back in "
		}
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if what := shown(strings.Join(r.Header[name], "\n")); what != "" {
			return what + "the header " + name
		}
	}
	if what := shown(string(r.Body)); what != "" {
		return what + "the body"
	}
	return ""
}
