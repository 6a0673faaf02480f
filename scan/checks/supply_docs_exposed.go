package checks

import (
	"bytes"
	"context"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// docsPaths are where frameworks put their interactive documentation.
var docsPaths = []string{"/docs", "/redoc", "/swagger", "/swagger-ui.html", "/swagger-ui/", "/api-docs", "/ui/"}

// docsMarkers are what such pages have in them. A page that answers to every
// path has none.
var docsMarkers = [][]byte{[]byte("swagger-ui"), []byte("SwaggerUIBundle"), []byte("<redoc"), []byte("redoc.standalone"), []byte("rapi-doc"), []byte("api-reference")}

// supplyDocsExposed finds interactive documentation that anybody can read. It is
// a wish of many and a weakness of few, so it takes nothing from the score.
var supplyDocsExposed = scan.Check{
	ID: "supply.docs-exposed", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		var found []scan.Evidence
		answered := 0
		var last error
		for _, path := range docsPaths {
			r, err := t.Do(ctx, scan.Request{Path: path, NoRetry: true})
			if err != nil {
				last = err
				continue
			}
			answered++
			if !r.OK() {
				continue
			}
			for _, m := range docsMarkers {
				if bytes.Contains(r.Body, m) {
					found = append(found, scan.Evidence{Method: "GET", URL: r.URL, Text: t.Mask(heard("without a credential: GET "+path, r, nil) + ", with " + string(m)), Repeat: curl("GET", r.URL)})
					break
				}
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case answered < len(docsPaths):
			return scan.Unsure("not every path was answered: " + last.Error())
		}
		return scan.Pass()
	},
}
