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

// leakChecks are about what answers tell that they should not.
func leakChecks() []scan.Check {
	return []scan.Check{leakTokenEcho, leakStackTrace, leakCacheableToken, leakServerVersion, leakDebugEndpoint, leakKeyFile}
}

// authChecks are about who gets in.
func authChecks() []scan.Check {
	return []scan.Check{authMissing, authMethodBypass, authEncodedPassword, authNoRateLimit}
}

// refreshChecks are about refresh tokens. They use sessions of their own.
func refreshChecks() []scan.Check {
	return []scan.Check{refreshPredictable, refreshNotRotated, refreshReuseAccepted}
}

// supplyChecks are about what the API is made of.
func supplyChecks() []scan.Check {
	return []scan.Check{supplyVulnerableVersion, supplyDocsExposed}
}
