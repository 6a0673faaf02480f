package checks

import (
	"context"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// leakTokenEcho finds answers that show the token that they were sent. The token
// is a canary of the scan's own, in requests that must fail: an endpoint that
// tells users their own claims is none.
var leakTokenEcho = scan.Check{
	ID: "leak.token-echo", Needs: catalog.NeedsToken,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		var found []scan.Evidence
		asked := 0
		for _, r := range echoRequests(t) {
			canary := canaryToken()
			r.Header = r.Header.Clone()
			if r.Header == nil {
				r.Header = map[string][]string{}
			}
			r.Header.Set("Authorization", "Bearer "+canary)
			res, err := t.Do(ctx, r)
			if err != nil {
				continue
			}
			asked++
			if where := echoed(res, canary); where != "" {
				found = append(found, scan.Evidence{
					Method: res.Method, URL: res.URL,
					Text:   t.Mask("Authorization: Bearer " + canary + "\n" + heard("the token comes back in "+where, res, nil)),
					Repeat: curl(res.Method, res.URL, "-H 'Authorization: Bearer canary.canary.canary'") + " | grep canary",
				})
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case asked == 0:
			return scan.Unsure("no answer to a request with a canary token")
		}
		return scan.Pass()
	},
}

// echoRequests are requests that answer with errors of different kinds.
func echoRequests(t *scan.Target) []scan.Request {
	list := []scan.Request{{Path: "/wt-" + strings.ToLower(canaryHost()[3:11])}}
	for _, p := range t.Protected() {
		list = append(list, p.Request(""))
		odd := p.Request("")
		odd.URL = p.URL + queryMark(p.URL) + "wt=%00%ff&limit=wt&id=wt"
		list = append(list, odd)
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

// echoed says where an answer shows a token: all of it, or its payload.
func echoed(r *scan.Response, token string) string {
	payload := strings.Split(token, ".")[1]
	for name, values := range r.Header {
		for _, v := range values {
			if strings.Contains(v, token) || strings.Contains(v, payload) {
				return "the header " + name
			}
		}
	}
	if body := string(r.Body); strings.Contains(body, token) || strings.Contains(body, payload) {
		return "the body"
	}
	return ""
}
