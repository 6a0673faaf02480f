package checks

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// passwordParameter is how query parameters with passwords are called.
var passwordParameter = regexp.MustCompile(`(?i)^(password|passwd|pwd|pass|passphrase)$`)

// authEncodedPassword finds passwords that travel with each request in an
// encoding that everybody can undo, or in the URL. Basic at a token endpoint is
// how clients show their own credentials (RFC 6749 §2.3.1), and no user's.
var authEncodedPassword = scan.Check{
	ID: "auth.encoded-password", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		var found []scan.Evidence
		heardAny := false
		for _, r := range challenges(ctx, t) {
			heardAny = true
			for _, v := range r.Header.Values("WWW-Authenticate") {
				if strings.HasPrefix(strings.ToLower(strings.TrimSpace(v)), "basic") {
					found = append(found, scan.Evidence{Method: r.Method, URL: r.URL, Key: "basic",
						Text: t.Mask(heard("without a credential", r, nil) + "\nWWW-Authenticate: " + clip(v)), Repeat: curl(r.Method, r.URL)})
				}
			}
		}
		if s := t.Spec(); s != nil {
			heardAny = true
			for _, scheme := range s.Schemes {
				if len(found) == 0 && (scheme.HTTP == "basic" || scheme.Type == "basic") && usesScheme(t, scheme.Name) {
					found = append(found, scan.Evidence{Method: "GET", URL: s.URL, Key: "basic", Text: "the description has the scheme " + clip(scheme.Name) + " of type HTTP Basic, and operations that take it"})
				}
			}
			if at := queryPassword(s.JSON); at != "" {
				found = append(found, scan.Evidence{Method: "GET", URL: s.URL, Key: "query " + at, Text: "the description takes a password in the query: " + clip(at)})
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case !heardAny:
			return scan.Unsure("no refusal and no description could be looked at")
		}
		return scan.Pass()
	},
}

// challenges are answers of status 401, one an operation.
func challenges(ctx context.Context, t *scan.Target) []*scan.Response {
	var list []*scan.Response
	for _, o := range append(callable(t, 3), rootOperation(t)) {
		if r, err := unasked(ctx, t, o); err == nil {
			list = append(list, r)
		}
	}
	return list
}

func usesScheme(t *scan.Target, name string) bool {
	for _, o := range t.Operations() {
		for _, s := range o.Schemes {
			if s == name {
				return true
			}
		}
	}
	return false
}

// queryPassword is the path of an operation that takes a password in its query.
func queryPassword(description []byte) string {
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if json.Unmarshal(description, &doc) != nil {
		return ""
	}
	for path, item := range doc.Paths {
		for method, raw := range item {
			var op struct {
				Parameters []struct {
					Name string `json:"name"`
					In   string `json:"in"`
				} `json:"parameters"`
			}
			if json.Unmarshal(raw, &op) != nil {
				continue
			}
			for _, p := range op.Parameters {
				if p.In == "query" && passwordParameter.MatchString(p.Name) {
					return strings.ToUpper(method) + " " + path + "?" + p.Name
				}
			}
		}
	}
	return ""
}
