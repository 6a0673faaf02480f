package checks

import (
	"fmt"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

// tlsCertExpired finds a server's certificate, or an intermediate that is needed,
// outside of its validity. An expired certificate that no path needs is none.
var tlsCertExpired = chainCheck("tls.cert-expired", func(c tlsprobe.Chain) string {
	if c.Lifetime != tlsprobe.Expired && c.Lifetime != tlsprobe.NotYetValid {
		return ""
	}
	return lifetimeText(c)
})

// tlsCertExpiring finds one that will be so within 14 days, or within the last
// sixth of a life of 90 days or less.
var tlsCertExpiring = chainCheck("tls.cert-expiring", func(c tlsprobe.Chain) string {
	if c.Lifetime != tlsprobe.Expiring {
		return ""
	}
	return lifetimeText(c)
})

func lifetimeText(c tlsprobe.Chain) string {
	cert := c.Certificates[c.LifetimeOf]
	return fmt.Sprintf("certificate %d is %s: it is valid from %s to %s", c.LifetimeOf, c.Lifetime,
		cert.NotBefore.Format("2006-01-02 15:04 MST"), cert.NotAfter.Format("2006-01-02 15:04 MST"))
}
