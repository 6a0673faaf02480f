package checks

import (
	"context"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// docsPaths are where frameworks put their interactive documentation.
var docsPaths = []string{"/docs", "/redoc", "/swagger", "/swagger-ui.html", "/swagger-ui/", "/api-docs", "/ui/"}

// docsMarkers are what such pages have in them. A page that answers to every
// path has none, or has it everywhere.
var docsMarkers = []string{"swagger-ui", "SwaggerUIBundle", "<redoc", "redoc.standalone", "rapi-doc", "@scalar/api-reference", `id="api-reference"`}

func docsMarker(r *scan.Response) string {
	for _, m := range docsMarkers {
		if strings.Contains(string(r.Body), m) {
			return m
		}
	}
	return ""
}

// supplyDocsExposed finds interactive documentation that anybody can read. It is
// a wish of many and a weakness of few, so it takes nothing from the score.
var supplyDocsExposed = scan.Check{
	ID: "supply.docs-exposed", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		paths := docsPaths
		if base := strings.TrimSuffix(t.Base().EscapedPath(), "/"); base != "" {
			for _, p := range docsPaths {
				paths = append(paths[:len(paths):len(paths)], base+p)
			}
		}
		var list []exposedPath
		for _, p := range paths {
			list = append(list, exposedPath{p, docsMarker})
		}
		return lookForExposed(ctx, t, list)
	},
}
