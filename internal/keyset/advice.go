package keyset

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"syscall"
)

// advice says what to do about a failed fetch.
func advice(err error) string {
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		dns       *net.DNSError
		status    statusError
		address   forbiddenError
	)
	switch {
	case errors.As(err, &authority):
		return "name the CA of the issuer's server in jwks_ca"
	case errors.As(err, &hostname), errors.As(err, &invalid):
		return "the issuer's server needs a certificate that is valid now and for this name"
	case errors.As(err, &address):
		return "give a URL that leads to the issuer itself"
	case errors.As(err, &dns):
		return "check the host name and this machine's resolver"
	case errors.Is(err, context.DeadlineExceeded):
		return "the issuer must answer within " + fetchTimeout.String()
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "check that the issuer runs there and can be reached"
	case errors.As(err, &status) && status >= 500:
		return "the issuer has a fault, its own log will say which"
	}
	return "check that the URL is the issuer's and gives its key set"
}
