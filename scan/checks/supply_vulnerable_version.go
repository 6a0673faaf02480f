package checks

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// namedVersion is a software and its version, as banners and errors write them.
var namedVersion = regexp.MustCompile(`(?i)\b(authlib|express|fastapi|go-jose|golang-jwt|gunicorn|jsonwebtoken|nginx|pyjwt|python-jose|python-multipart|starlette|uvicorn|werkzeug)["']?\s*(?:[/@:=]+|==|version)?\s*["']?v?(\d+\.\d+(?:\.\d+)*(?:[-+~][\w.+~]+)?)(?:\s*\([^()\n]{1,40}\))?`)

// distribution is how software that a distribution mends on its own says so.
var distribution = regexp.MustCompile(`(?i)debian|ubuntu|\bdeb\d|\+deb|\+dfsg|ubuntu\d|\.el\d|red ?hat|centos|fedora|suse|rocky|alma`)

// supplyVulnerableVersion finds frameworks and JWT libraries whose version, as
// answers name it, has a published advisory.
var supplyVulnerableVersion = scan.Check{
	ID: "supply.vulnerable-version", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		errors, missing := errorAnswers(ctx, t)
		answers := []*scan.Response{t.Root(), t.NotFound()}
		for _, a := range errors {
			answers = append(answers, a.Response)
		}
		var found []scan.Evidence
		asked := false
		for _, r := range answers {
			if r == nil {
				continue
			}
			asked = true
			for _, e := range outdated(t, r) {
				if !slices.ContainsFunc(found, func(f scan.Evidence) bool { return f.Key == e.Key }) {
					found = append(found, e)
				}
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case !asked || missing != "":
			return scan.Unsure("not every answer could be looked at: " + missing)
		}
		return scan.Pass()
	},
}

// outdated is what an answer names that has an advisory: in its headers, and, if
// it is an error, in its body.
func outdated(t *scan.Target, r *scan.Response) []scan.Evidence {
	type text struct{ where, words string }
	var texts []text
	for _, name := range versionHeaders {
		texts = append(texts, text{"the header " + name, strings.Join(r.Header.Values(name), " ")})
	}
	if r.Status >= 400 {
		texts = append(texts, text{"an error", string(r.Body[:min(len(r.Body), 64<<10)])})
	}
	var found []scan.Evidence
	for _, x := range texts {
		for _, m := range namedVersion.FindAllStringSubmatch(x.words, 16) {
			list := advisoriesFor(strings.ToLower(m[1]), m[2])
			if len(list) == 0 {
				continue
			}
			var ids []string
			for _, a := range list {
				ids = append(ids, a.id)
			}
			e := scan.Evidence{
				Method: r.Method, URL: r.URL, Key: strings.ToLower(m[1]), Repeat: curl(r.Method, r.URL),
				Text: t.Mask(x.where + " names " + clip(m[0]) + ": " + strings.Join(ids, ", ") + ", mended in " + list[len(list)-1].fixed + " (advisories of " + advisoriesAsOf + ")"),
			}
			if distribution.MatchString(m[0]) || strings.HasPrefix(x.where, "the header") && distribution.MatchString(x.words) {
				e.Confidence = "low"
				e.Text += "; the distribution that it comes from may have mended it under this number"
			}
			found = append(found, e)
		}
	}
	return found
}
