package checks

import (
	"github.com/wiretight/wiretight/internal/tlsprobe"
	"github.com/wiretight/wiretight/scan"
)

// tlsInsecureRenegotiation finds servers whose hello, up to TLS 1.2, lacks
// renegotiation_info. That clients may start a renegotiation is another question
// and is not asked.
var tlsInsecureRenegotiation = tlsCheck("tls.insecure-renegotiation", func(t *scan.Target, s surveyed) scan.Verdict {
	switch s.Renegotiation.Verdict {
	case tlsprobe.Accepted:
		return scan.Pass()
	case tlsprobe.Refused:
		return scan.Find(handshakeEvidence(t, s.Renegotiation.Reason, "-tls1_2"))
	case tlsprobe.NotApplicable:
		return scan.Skip(s.Renegotiation.Reason)
	}
	return scan.Unsure(s.Renegotiation.Reason)
})
