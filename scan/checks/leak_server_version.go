package checks

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// versionHeaders may name versions.
var versionHeaders = []string{"Server", "X-Powered-By", "Via", "X-Aspnet-Version", "X-Aspnetmvc-Version", "X-Generator", "X-Runtime-Version"}

var (
	// exactVersion is a software with a number that has a dot; bareVersion is the
	// number alone, in headers that have the software in their name.
	exactVersion = regexp.MustCompile(`[A-Za-z][\w.+-]*[/ ]v?\d+\.\d+`)
	bareVersion  = regexp.MustCompile(`\d+\.\d+`)
	// viaHop is a proxy's protocol and name (RFC 9110 §7.6.3), neither of which is
	// a version of its software.
	viaHop = regexp.MustCompile(`(^|,)\s*(HTTP/)?\d+(\.\d+)?\s+[^\s,(]+`)
)

// leakServerVersion finds headers with exact versions. A name alone is none.
var leakServerVersion = scan.Check{
	ID: "leak.server-version", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(_ context.Context, t *scan.Target) scan.Verdict {
		answers := []*scan.Response{t.Root(), t.NotFound()}
		for _, p := range t.Protected() {
			answers = append(answers, p.B0, p.Bv)
		}
		var at *scan.Response
		var lines []string
		asked := false
		for _, r := range answers {
			if r == nil {
				continue
			}
			asked = true
			for _, line := range versionLines(r) {
				if !slices.Contains(lines, line) {
					lines = append(lines, line)
				}
			}
			if at == nil && len(lines) > 0 {
				at = r
			}
		}
		switch {
		case !asked:
			return scan.Unsure("no answer to look at")
		case at == nil:
			return scan.Pass()
		}
		return scan.Find(scan.Evidence{
			Method: at.Method, URL: at.URL, Key: "host", Text: t.Mask(strings.Join(lines, "\n")),
			Repeat: curl(at.Method, at.URL) + " | grep -iE '^(server|via|x-[a-z-]+):'",
		})
	},
}

// versionLines are the headers of an answer that name a version.
func versionLines(r *scan.Response) []string {
	var lines []string
	for _, name := range versionHeaders {
		for _, v := range r.Header.Values(name) {
			telling := exactVersion.MatchString(v)
			switch name {
			case "Via":
				telling = exactVersion.MatchString(viaHop.ReplaceAllString(v, ""))
			case "X-Aspnet-Version", "X-Aspnetmvc-Version", "X-Runtime-Version":
				telling = bareVersion.MatchString(v)
			}
			if telling {
				lines = append(lines, name+": "+clip(v))
			}
		}
	}
	return lines
}
