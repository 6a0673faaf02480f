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
var namedVersion = regexp.MustCompile(`(?i)\b(authlib|fastapi|go-jose|golang-jwt|gunicorn|jsonwebtoken|nginx|pyjwt|python-jose|python-multipart|starlette|uvicorn|werkzeug)["']?\s*(?:[/@:=]+|==|version)?\s*["']?v?(\d+\.\d+(?:\.\d+)*(?:[-+~][\w.+~]+)?)`)

// supplyVulnerableVersion finds frameworks and JWT libraries whose version, as
// answers name it, has a published advisory.
var supplyVulnerableVersion = scan.Check{
	ID: "supply.vulnerable-version", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		var found []scan.Evidence
		var seen []string
		look := func(r *scan.Response, where, text string) {
			for _, m := range namedVersion.FindAllStringSubmatch(text, 16) {
				software, version := strings.ToLower(m[1]), m[2]
				if slices.Contains(seen, software) {
					continue
				}
				list := advisoriesFor(software, version)
				if len(list) == 0 {
					continue
				}
				seen = append(seen, software)
				last := list[len(list)-1]
				var ids []string
				for _, a := range list {
					ids = append(ids, a.id)
				}
				e := scan.Evidence{Method: r.Method, URL: r.URL, Key: software, Repeat: curl(r.Method, r.URL),
					Text: t.Mask(where + " names " + clip(m[0]) + ": " + strings.Join(ids, ", ") + ", mended in " + last.fixed + " (advisories of " + advisoriesAsOf + ")")}
				if backported(version) {
					e.Confidence = "low"
					e.Text += "; a distribution may have mended it under this number"
				}
				found = append(found, e)
			}
		}
		answers := []*scan.Response{t.Root(), t.NotFound()}
		if list, err := errorAnswers(ctx, t); err == nil {
			for _, a := range list {
				answers = append(answers, a.Response)
			}
		}
		asked := 0
		for _, r := range answers {
			if r == nil {
				continue
			}
			asked++
			for _, name := range versionHeaders {
				look(r, "the header "+name, strings.Join(r.Header.Values(name), " "))
			}
			if r.Status >= 400 {
				look(r, "an error", string(r.Body[:min(len(r.Body), 64<<10)]))
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case asked == 0:
			return scan.Unsure("no answer to look at")
		}
		return scan.Pass()
	},
}
