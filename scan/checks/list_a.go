package checks

import "github.com/wiretight/wiretight/scan"

// transportChecks are about plain HTTP beside HTTPS.
func transportChecks() []scan.Check {
	return []scan.Check{
		transportNoTLS, transportTokenOverHTTP, transportNoHTTPSRedirect, transportRedirectDowngrade, transportRedirectLeaksToken,
		transportForwardedProtoTrusted, transportNoHSTS, transportWeakHSTS, transportCleartextReference, transportWebsocketCleartext,
	}
}

// hostChecks are about the name that a request is made to.
func hostChecks() []scan.Check {
	return []scan.Check{hostUnvalidated, hostReflected}
}

// tlsChecks are about certificates and handshakes. They share one survey.
func tlsChecks() []scan.Check {
	return []scan.Check{
		tlsCertUntrusted, tlsCertExpired, tlsCertNameMismatch, tlsCertExpiring, tlsCertWeakKey, tlsCertWeakSignature,
		tlsLegacyProtocol, tlsWeakCipher, tlsNoForwardSecrecy, tlsNoTLS13, tlsDowngradeUnprotected, tlsInsecureRenegotiation,
		tlsEarlyData,
	}
}

// jwksChecks are about published keys.
func jwksChecks() []scan.Check {
	return []scan.Check{jwksWeakKey, jwksPrivateKeyExposed, jwksInconsistent}
}
