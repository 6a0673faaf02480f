package checks

import (
	"fmt"
	"strings"

	"github.com/wiretight/wiretight/internal/tlsprobe"
	"github.com/wiretight/wiretight/scan"
)

// tlsWeakCipher finds suites that do not protect: without encryption, without
// authentication, with keys or digests that are broken, or with a group too
// small.
var tlsWeakCipher = tlsCheck("tls.weak-cipher", func(t *scan.Target, s surveyed) scan.Verdict {
	return classVerdict(t, s, tlsprobe.WeakClasses())
})

// tlsNoForwardSecrecy finds key exchanges that give up all recorded traffic with
// the server's key.
var tlsNoForwardSecrecy = tlsCheck("tls.no-forward-secrecy", func(t *scan.Target, s surveyed) scan.Verdict {
	return classVerdict(t, s, []tlsprobe.Class{tlsprobe.ClassNoFS})
})

// classVerdict decides by the classes of suites that the server agreed to.
func classVerdict(t *scan.Target, s surveyed, classes []tlsprobe.Class) scan.Verdict {
	var lines []string
	var first tlsprobe.ClassAnswer
	var open string
	for _, c := range classes {
		answer, asked := s.Classes[c]
		switch {
		case answer.Verdict == tlsprobe.Accepted:
			lines = append(lines, fmt.Sprintf("%s: %s", c, answer.Reason))
			if first.Verdict != tlsprobe.Accepted {
				first = answer
			}
		case !asked || answer.Verdict == tlsprobe.Inconclusive:
			if open == "" {
				open = fmt.Sprintf("%s: %s", c, answer.Reason)
			}
		}
	}
	switch {
	case len(lines) > 0:
		return scan.Find(handshakeEvidence(t, strings.Join(lines, "\n"), suiteFlags(first)...))
	case open != "":
		return scan.Unsure(open)
	}
	return scan.Pass()
}

// suiteFlags make openssl offer what was accepted, as far as it still can.
func suiteFlags(a tlsprobe.ClassAnswer) []string {
	if a.Version >= tlsprobe.TLS13 || a.Version < tlsprobe.TLS10 {
		return nil
	}
	version := map[tlsprobe.Version]string{tlsprobe.TLS10: "-tls1", tlsprobe.TLS11: "-tls1_1", tlsprobe.TLS12: "-tls1_2"}
	return []string{version[a.Version], "-cipher 'ALL:COMPLEMENTOFALL:@SECLEVEL=0:!ECDHE'"}
}
