package serve

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// authenticate sets what c demands of clients. A client CA that cannot be read
// is an error, never a listener that asks for nothing.
func (t TLS) authenticate(c *tls.Config, warn func(what, file string)) error {
	if t.ClientCA == "" {
		c.ClientAuth = tls.NoClientCert
		return nil
	}
	cas, err := readChain(t.ClientCA)
	if err != nil {
		return fmt.Errorf("client_ca: %w", err)
	}
	pool := x509.NewCertPool()
	var errs []error
	for i, ca := range cas {
		if !ca.IsCA {
			errs = append(errs, fmt.Errorf("client_ca: certificate %d in file %q (%s) is not a CA's; write the certificate that signed the clients'", i+1, t.ClientCA, ca.Subject))
		}
		if t.Now().After(ca.NotAfter) {
			warn("client CA has expired; its clients will be refused", t.ClientCA)
		}
		pool.AddCert(ca)
	}
	c.ClientCAs = pool
	c.ClientAuth = tls.VerifyClientCertIfGiven
	if t.RequireClientCert {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return errors.Join(errs...)
}
