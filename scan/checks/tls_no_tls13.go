package checks

import (
	"github.com/wiretight/wiretight/internal/tlsprobe"
	"github.com/wiretight/wiretight/scan"
)

// tlsNoTLS13 finds servers that do not speak the current version.
var tlsNoTLS13 = tlsCheck("tls.no-tls13", func(t *scan.Target, s surveyed) scan.Verdict {
	answer := s.Versions[tlsprobe.TLS13]
	switch answer.Verdict {
	case tlsprobe.Accepted:
		return scan.Pass()
	case tlsprobe.Refused:
		if s.Versions.Best() == 0 {
			return scan.Unsure("no version of TLS was accepted; TLS 1.2: " + s.Versions[tlsprobe.TLS12].Reason)
		}
		text := "TLS 1.3: " + answer.Outcome.String() + "\nthe newest that is accepted: " + s.Versions.Best().String()
		return scan.Find(handshakeEvidence(t, text, "-tls1_3"))
	}
	return scan.Unsure("TLS 1.3: " + answer.Reason)
})
