package checks

import (
	"cmp"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

var (
	// passwordParameter is how query parameters with passwords are called.
	passwordParameter = regexp.MustCompile(`(?i)^((user|new|old|current|login)[_-]?)?(password|passwd|pwd|pass|passphrase)$`)
	// clientPath is where clients show credentials of their own by Basic: tokens,
	// revocation and introspection (RFC 6749 §2.3.1, RFC 7009, RFC 7662).
	clientPath = regexp.MustCompile(`(?i)/(token|tokens|revoke|revocation|introspect|introspection)/?$`)
	quoted     = regexp.MustCompile(`"(\\.|[^"\\])*"`)
	basicOffer = regexp.MustCompile(`(?i)(^|,)\s*basic(\s|,|$)`)
)

// authEncodedPassword finds passwords that travel with each request in an
// encoding that everybody can undo, or in the URL. Basic at a token endpoint is
// how clients show their own credentials, and no user's.
var authEncodedPassword = scan.Check{
	ID: "auth.encoded-password", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		answers, missing := withoutCredential(ctx, t)
		var found []scan.Evidence
		for _, r := range answers {
			for _, v := range r.Header.Values("WWW-Authenticate") {
				if basicOffer.MatchString(quoted.ReplaceAllString(v, "")) {
					found = append(found, scan.Evidence{
						Method: r.Method, URL: r.URL, Key: "basic",
						Text: t.Mask(heard("without a credential", r, nil) + "\nWWW-Authenticate: " + clip(v)), Repeat: curl(r.Method, r.URL),
					})
				}
			}
		}
		if s := t.Spec(); s != nil {
			for _, scheme := range s.Schemes {
				if len(found) == 0 && (scheme.HTTP == "basic" || scheme.Type == "basic") && usesScheme(t, scheme.Name) {
					found = append(found, scan.Evidence{Method: "GET", URL: s.URL, Key: "basic", Text: "the description has the scheme " + clip(scheme.Name) + " of type HTTP Basic, and operations that take it"})
				}
			}
			for _, at := range queryPasswords(s.JSON) {
				found = append(found, scan.Evidence{Method: "GET", URL: s.URL, Key: "query " + at, Text: "the description takes a password in the query: " + clip(at)})
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case missing != "":
			return scan.Unsure("not every refusal could be looked at: " + missing)
		case len(answers) == 0 && t.Spec() == nil:
			return scan.Unsure("no refusal and no description could be looked at")
		}
		return scan.Pass()
	},
}

// withoutCredential are answers to requests without a credential, and why there
// are not all of them.
func withoutCredential(ctx context.Context, t *scan.Target) (list []*scan.Response, missing string) {
	for _, o := range append(callable(t, 3), rootOperation(t)) {
		r, err := unasked(ctx, t, o)
		if why := noAnswer(r, err); why != "" {
			missing = o.Path + ": " + why
			continue
		}
		list = append(list, r)
	}
	return list, missing
}

// usesScheme tells whether an operation that is not for clients takes a scheme.
func usesScheme(t *scan.Target, name string) bool {
	return slices.ContainsFunc(t.Operations(), func(o scan.Operation) bool {
		return slices.Contains(o.Schemes, name) && (o.Method != "POST" || !clientPath.MatchString(o.Path))
	})
}

// parameter is one of an operation's, or a reference to one.
type parameter struct {
	Ref  string `json:"$ref"`
	Name string `json:"name"`
	In   string `json:"in"`
}

// queryPasswords are the operations that take a password in their query, sorted.
func queryPasswords(description []byte) []string {
	var doc struct {
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components struct {
			Parameters map[string]parameter `json:"parameters"`
		} `json:"components"`
		Parameters map[string]parameter `json:"parameters"` // Swagger 2.0
	}
	if json.Unmarshal(description, &doc) != nil {
		return nil
	}
	var list []string
	for path, item := range doc.Paths {
		for method, raw := range item {
			var op struct {
				Parameters []parameter `json:"parameters"`
			}
			if method == "parameters" { // those of all methods
				method = "any method of"
				_ = json.Unmarshal(raw, &op.Parameters) // what cannot be read has none
			} else if json.Unmarshal(raw, &op) != nil {
				continue
			}
			for _, p := range op.Parameters {
				name := p.Ref[strings.LastIndexByte(p.Ref, '/')+1:]
				if p.Ref != "" {
					p = cmp.Or(doc.Components.Parameters[name], doc.Parameters[name])
				}
				if p.In == "query" && passwordParameter.MatchString(p.Name) {
					list = append(list, strings.ToUpper(method)+" "+path+"?"+p.Name)
				}
			}
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(list)))
}
