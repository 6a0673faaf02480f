package checks

import (
	"github.com/wiretight/wiretight/internal/tlsprobe"
	"github.com/wiretight/wiretight/scan"
)

// tlsCertUntrusted finds certificates that nobody vouches for whom the scan
// trusts: the system's roots and those of --ca.
var tlsCertUntrusted = tlsCheck("tls.cert-untrusted", func(t *scan.Target, s surveyed) scan.Verdict {
	if s.Chains.SNI.Verdict != tlsprobe.Accepted {
		return scan.Unsure("no certificate could be read: " + s.Chains.SNI.Reason)
	}
	var found []scan.Evidence
	weak := false
	for _, c := range []tlsprobe.Chain{s.Chains.SNI, s.Chains.Other} {
		if c.Verdict != tlsprobe.Accepted {
			continue
		}
		switch c.Trust {
		case tlsprobe.Trusted:
		case tlsprobe.TrustUnknown:
			return scan.Unsure("the chain could not be judged: " + c.TrustReason)
		case tlsprobe.WeaklySigned:
			weak = true
		default:
			text := c.Trust.String() + ": " + c.TrustReason + "\n" + chainText(c)
			if c.Trust == tlsprobe.SelfSigned || c.Trust == tlsprobe.UnknownRoot || c.Trust == tlsprobe.MissingIntermediate {
				text += "\nif the certificate comes from an authority of your own, scan with --ca FILE"
			}
			leaf, _ := c.Leaf()
			e := handshakeEvidence(t, text, "-showcerts")
			e.Key = leaf.KeyType
			found = append(found, e)
		}
	}
	switch {
	case len(found) > 0:
		return scan.Find(found...)
	case weak:
		return scan.Skip("the path to the root hangs on a weak signature; see tls.cert-weak-signature")
	}
	return scan.Pass()
})
