package checks

import "github.com/wiretight/wiretight/scan"

// jwtChecks are about tokens and those who verify them. What proves the widest
// weakness comes first, and what ends sessions last.
func jwtChecks() []scan.Check {
	return []scan.Check{
		jwtSignatureUnverified, jwtNullSignature, jwtAlgNone, jwtBlankSecret, jwtPsychicSignature, jwtAlgConfusion,
		jwtEmbeddedKey, jwtKeyFetch, jwtKidInjection, jwtWeakSecret, jwtWeakAlgorithm,
		jwtExpiredAccepted, jwtNotBeforeIgnored, jwtNoExpiry, jwtLongLived, jwtMissingClaims,
		jwtIssuerUnchecked, jwtAudienceUnchecked, jwtSensitiveClaims, jwtTokenInURL,
		jwtTypeConfusion, jwtPredictableID, jwtNotRevoked,
	}
}
