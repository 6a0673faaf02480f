package checks

import (
	"fmt"
	"strings"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

// tlsCertWeakKey finds a weak key in the server's certificate or in one that
// vouches for it.
var tlsCertWeakKey = chainCheck("tls.cert-weak-key", func(c tlsprobe.Chain) string {
	return weaknesses(c.WeakKeys(), tlsprobe.Certificate.WeakKey, "has the key")
})

// tlsCertWeakSignature finds a signature by a broken digest on the way to the
// root. The root's own signature proves nothing and is left out.
var tlsCertWeakSignature = chainCheck("tls.cert-weak-signature", func(c tlsprobe.Chain) string {
	return weaknesses(c.WeakSignatures(), tlsprobe.Certificate.WeakSignature, "is signed with")
})

func weaknesses(certs []tlsprobe.Certificate, what func(tlsprobe.Certificate) string, how string) string {
	var lines []string
	for _, c := range certs[:min(len(certs), 10)] {
		lines = append(lines, fmt.Sprintf("%s %s %s", clip(c.Subject), how, what(c)))
	}
	return strings.Join(lines, "\n")
}
