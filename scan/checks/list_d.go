package checks

import "github.com/wiretight/wiretight/scan"

// cookieChecks are about cookies that log somebody in.
func cookieChecks() []scan.Check {
	return []scan.Check{cookieNotSecure, cookieNotHTTPOnly, cookieSameSite}
}

// corsChecks are about pages of other origins.
func corsChecks() []scan.Check {
	return []scan.Check{corsWildcard, corsReflectedOrigin, corsNullOrigin, corsWeakOriginMatch, corsBroadMethods, corsMissingVary}
}
