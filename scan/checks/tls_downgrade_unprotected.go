package checks

import (
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/internal/tlsprobe"
	"github.com/wiretight/wiretight/scan"
)

// tlsDowngradeUnprotected finds servers that do not notice when a client was
// talked down to a lower version: up to TLS 1.2 by TLS_FALLBACK_SCSV, from TLS 1.3
// down by the mark in the server's random.
var tlsDowngradeUnprotected = tlsCheck("tls.downgrade-unprotected", func(t *scan.Target, s surveyed) scan.Verdict {
	fallback, unmarked := s.Downgrade.Fallback, s.Downgrade.Unmarked
	text := "TLS_FALLBACK_SCSV: " + fallback.String() + "\nmark of TLS 1.3: " + unmarked.String()
	switch {
	case fallback.Verdict == tlsprobe.Accepted:
		return scan.Find(handshakeEvidence(t, text, fallbackFlags(s)...))
	case unmarked.Verdict == tlsprobe.Accepted:
		e := handshakeEvidence(t, text, "-tls1_2", "-msg")
		e.Severity, e.Confidence, e.Title = catalog.Low, "medium", "A fallback from TLS 1.3 is not marked in the server's random"
		return scan.Find(e)
	case fallback.Verdict == tlsprobe.Inconclusive:
		return scan.Unsure("TLS_FALLBACK_SCSV: " + fallback.Reason)
	case unmarked.Verdict == tlsprobe.Inconclusive:
		return scan.Unsure("mark of TLS 1.3: " + unmarked.Reason)
	case fallback.Verdict == tlsprobe.NotApplicable && unmarked.Verdict == tlsprobe.NotApplicable:
		return scan.Skip("there is no lower version to fall back to")
	}
	return scan.Pass()
})

// fallbackFlags make openssl fall back from the newest version up to TLS 1.2.
func fallbackFlags(s surveyed) []string {
	for _, v := range s.Versions.Accepted() {
		if v == tlsprobe.TLS12 {
			return []string{"-fallback_scsv", "-tls1_1", "-cipher 'ALL:@SECLEVEL=0'"}
		}
	}
	return strings.Fields("-fallback_scsv -tls1")
}
