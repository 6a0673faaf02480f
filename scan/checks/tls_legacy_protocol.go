package checks

import (
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/internal/tlsprobe"
	"github.com/wiretight/wiretight/scan"
)

// tlsLegacyProtocol finds versions before TLS 1.2. SSL 2 and SSL 3 are broken for
// everybody; TLS 1.0 and 1.1 alone are worth less.
var tlsLegacyProtocol = tlsCheck("tls.legacy-protocol", func(t *scan.Target, s surveyed) scan.Verdict {
	flags := map[tlsprobe.Version]string{tlsprobe.SSL3: "-ssl3", tlsprobe.TLS10: "-tls1", tlsprobe.TLS11: "-tls1_1"}
	var lines []string
	var flag, open string
	severity := catalog.Medium
	for _, v := range tlsprobe.AllVersions() {
		answer := s.Versions[v]
		switch {
		case v >= tlsprobe.TLS12:
		case answer.Verdict == tlsprobe.Accepted:
			lines = append(lines, v.String()+": "+answer.Outcome.String())
			flag = flags[v]
			if v <= tlsprobe.SSL3 {
				severity = catalog.High
			}
		case answer.Verdict == tlsprobe.Inconclusive && open == "":
			open = v.String() + ": " + answer.Reason
		}
	}
	switch {
	case len(lines) > 0:
		e := handshakeEvidence(t, strings.Join(lines, "\n"), flag)
		e.Severity = severity
		return scan.Find(e)
	case open != "":
		return scan.Unsure(open)
	}
	return scan.Pass()
})
