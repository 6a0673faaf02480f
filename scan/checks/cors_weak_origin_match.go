package checks

import (
	"context"
	"net/url"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// corsWeakOriginMatch finds origins that pass for an allowed one: the check
// behind it compares a prefix, a suffix or a pattern. It needs an origin that
// is really allowed, since the look-alikes are made from it.
var corsWeakOriginMatch = scan.Check{
	ID: "cors.weak-origin-match", Needs: catalog.NeedsNothing, After: []string{"cors.reflected-origin"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		strange, err := corsAsk(ctx, t, strangeOrigin(t))
		switch {
		case err != nil:
			return scan.Unsure("no answer to a cross-origin request: " + err.Error())
		case strange.allow == "*":
			return scan.Skip("any origin is allowed: see cors.wildcard")
		case strange.allow == strange.origin:
			return scan.Skip("any origin is allowed: see cors.reflected-origin")
		}
		known := false
		var found []scan.Evidence
		for _, origin := range knownOrigins(t) {
			good, err := corsAsk(ctx, t, origin)
			if err != nil {
				return scan.Unsure("no answer to a request from " + origin + ": " + err.Error())
			}
			known = known || good.allow == origin
			for _, fake := range lookAlikes(origin) {
				c, err := corsAsk(ctx, t, fake)
				if err != nil {
					return scan.Unsure("no answer to a request from " + fake + ": " + err.Error())
				}
				if c.allow != fake {
					continue
				}
				e := corsEvidence(t, c, strange, good)
				if !c.credentials || !ambient(t) {
					e.Severity = catalog.Medium
				}
				found = append(found, e)
				break // one way through is enough to know
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found[0])
		case !known && t.Config().Origin != "":
			return scan.Unsure("the origin given with --origin is not allowed, so nothing could be derived from it")
		}
		return scan.Pass()
	},
}

// lookAlikes are origins of others that a careless comparison takes for origin.
func lookAlikes(origin string) []string {
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" {
		return nil
	}
	host, port := u.Hostname(), ""
	if u.Port() != "" {
		port = ":" + u.Port()
	}
	list := []string{
		u.Scheme + "://" + host + ".wt.example" + port,  // a prefix is compared
		u.Scheme + "://wt" + host + port,                // a suffix is compared
		u.Scheme + "://" + host + "_.wt.example" + port, // names with odd characters resolve
		u.Scheme + "://" + host + "%60.wt.example" + port,
	}
	if i := strings.IndexByte(host, '.'); i > 0 && strings.Count(host, ".") > 1 {
		list = append(list, u.Scheme+"://"+host[:i]+"x"+host[i+1:]+port) // the dot of a pattern is any character
	}
	if i := strings.LastIndexByte(host, '.'); i > 0 {
		list = append(list, u.Scheme+"://"+host[:i]+"x"+host[i+1:]+port)
	}
	if u.Scheme == "https" {
		list = append(list, "http://"+host+port) // anybody on the path speaks for it
	}
	return list
}
