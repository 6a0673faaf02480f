package checks

import (
	"context"
	"net/http"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// cookieNotSecure finds credential cookies that browsers also send in clear.
var cookieNotSecure = scan.Check{
	ID: "cookie.not-secure", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		return cookieCheck(ctx, t, func(c seenCookie) (string, bool) {
			return "the cookie " + clip(c.Name) + " goes over plain HTTP too", !c.Secure
		})
	},
}

// cookieNotHTTPOnly finds credential cookies that scripts can read.
var cookieNotHTTPOnly = scan.Check{
	ID: "cookie.not-httponly", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		return cookieCheck(ctx, t, func(c seenCookie) (string, bool) {
			return "any script on the page can read the cookie " + clip(c.Name), !c.HttpOnly
		})
	},
}

// cookieSameSite finds credential cookies that go along with other sites'
// requests. Most browsers take a missing attribute for Lax, not all of them,
// and not in the first two minutes.
var cookieSameSite = scan.Check{
	ID: "cookie.same-site", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		return cookieCheck(ctx, t, func(c seenCookie) (string, bool) {
			switch {
			case c.SameSite == http.SameSiteNoneMode:
				return "other sites' requests carry the cookie " + clip(c.Name) + ": SameSite=None", true
			case c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode:
				return "nothing says whether other sites' requests carry the cookie " + clip(c.Name), true
			}
			return "", false
		})
	},
}
