package checks

import (
	"context"
	"net/textproto"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// leakCacheableToken finds answers with tokens that caches may keep. Only
// no-store forbids it: private and no-cache let a browser keep them on disk
// (RFC 6749 §5.1).
var leakCacheableToken = scan.Check{
	ID: "leak.cacheable-token", Needs: catalog.NeedsLogin, Passive: true,
	Run: func(_ context.Context, t *scan.Target) scan.Verdict {
		s, ok := t.Session()
		if !ok || s.Response == nil {
			return scan.Unsure("no login has succeeded, so no answer with a token was seen")
		}
		r := s.Response
		for _, line := range r.Header.Values("Cache-Control") {
			for directive := range strings.SplitSeq(line, ",") {
				if strings.EqualFold(textproto.TrimString(directive), "no-store") {
					return scan.Pass()
				}
			}
		}
		said := "there is no Cache-Control"
		if v := r.Header.Get("Cache-Control"); v != "" {
			said = "Cache-Control: " + clip(v)
		}
		return scan.Find(scan.Evidence{Method: r.Method, URL: r.URL, Text: t.Mask(heard("login", r, nil) + "\n" + said + ", and the answer carries a token")})
	},
}
