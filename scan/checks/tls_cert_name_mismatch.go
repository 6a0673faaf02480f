package checks

import (
	"fmt"
	"strings"

	"github.com/wiretight/wiretight/internal/tlsprobe"
	"github.com/wiretight/wiretight/scan"
)

// tlsCertNameMismatch finds a certificate that does not cover the host, by its
// subjectAltName alone. What is shown to clients that name nobody does not
// matter.
var tlsCertNameMismatch = tlsCheck("tls.cert-name-mismatch", func(t *scan.Target, s surveyed) scan.Verdict {
	if s.Chains.SNI.Verdict != tlsprobe.Accepted {
		return scan.Unsure("no certificate could be read: " + s.Chains.SNI.Reason)
	}
	var found []scan.Evidence
	for _, c := range []tlsprobe.Chain{s.Chains.SNI, s.Chains.Other} {
		leaf, ok := c.Leaf()
		if c.Verdict != tlsprobe.Accepted || !ok || c.NameMatches {
			continue
		}
		var names []string
		for _, n := range leaf.DNSNames {
			names = append(names, clip(n))
		}
		for _, ip := range leaf.IPAddresses {
			names = append(names, ip.String())
		}
		covered := "no name at all"
		if len(names) > 0 {
			covered = strings.Join(names[:min(len(names), 10)], ", ")
		}
		text := fmt.Sprintf("%s was asked for; the certificate covers %s\n%s", clip(t.Host()), covered, chainText(c))
		e := handshakeEvidence(t, text, "-showcerts")
		e.Key = leaf.KeyType
		found = append(found, e)
	}
	if len(found) > 0 {
		return scan.Find(found...)
	}
	return scan.Pass()
})
