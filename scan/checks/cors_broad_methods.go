package checks

import (
	"context"
	"fmt"
	"net/textproto"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// corsBroadMethods finds preflights that grant a stranger whatever it asks for.
// A refusal that lists methods all the same, as Starlette's 400 does, grants
// nothing: browsers want an ok status.
var corsBroadMethods = scan.Check{
	ID: "cors.broad-methods", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		origin := strangeOrigin(t)
		r, _ := corsOperation(ctx, t)
		const header = "x-wt-probe"
		res, err := t.Do(ctx, scan.Request{Method: "OPTIONS", Path: r.Path, URL: r.URL, Header: map[string][]string{
			"Origin": {origin}, "Access-Control-Request-Method": {"DELETE"}, "Access-Control-Request-Headers": {header},
		}})
		if err != nil {
			return scan.Unsure("no answer to a preflight: " + err.Error())
		}
		c := readCORS(origin, res, false)
		methods, headers := res.Header.Get("Access-Control-Allow-Methods"), res.Header.Get("Access-Control-Allow-Headers")
		if !res.OK() || !c.readable() || !grants(methods, "DELETE") || !grants(headers, header) {
			return scan.Pass()
		}
		return scan.Find(scan.Evidence{
			Method: "OPTIONS", URL: res.URL, Key: "host",
			Text: t.Mask(fmt.Sprintf("Origin: %s, Access-Control-Request-Method: DELETE, Access-Control-Request-Headers: %s\n-> %d, Access-Control-Allow-Origin: %s, Access-Control-Allow-Methods: %s, Access-Control-Allow-Headers: %s",
				origin, header, res.Status, clip(c.allow), clip(methods), clip(headers))),
			Repeat: curl("OPTIONS", res.URL, "-H "+shellQuote("Origin: "+origin), "-H 'Access-Control-Request-Method: DELETE'", "-H 'Access-Control-Request-Headers: "+header+"'"),
		})
	},
}

// grants reports whether a list of a preflight's answer has name or the star.
func grants(list, name string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if item = textproto.TrimString(item); item == "*" || strings.EqualFold(item, name) {
			return true
		}
	}
	return false
}
