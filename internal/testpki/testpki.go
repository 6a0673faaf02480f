// Package testpki makes keys and certificates for tests, and for the programs
// that measure and judge the guard from outside. They are good for days and come
// from nowhere: nothing that is shipped may import this.
package testpki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Identity is a certificate with its private key. It is not changed after it was
// made, so it may be shared.
type Identity struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// serials counts the certificates of the process: no issuer gives a number twice,
// and none depends on chance.
var serials atomic.Int64

// NewRoot is an authority of that name.
func NewRoot(name string) (*Identity, error) {
	return Issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
}

// SelfSigned is a server with these names and addresses, which is its own root:
// who is given its certificate as an authority trusts it.
func SelfSigned(names ...string) (*Identity, error) {
	t := Server(names...)
	t.IsCA, t.BasicConstraintsValid = true, true
	t.KeyUsage |= x509.KeyUsageCertSign
	return Issue(t, nil, nil)
}

// Server is the template of a server with these names and addresses, the first
// of which is its common name.
func Server(names ...string) *x509.Certificate {
	t := &x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for i, name := range names {
		if i == 0 {
			t.Subject.CommonName = name
		}
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	return t
}

// Issue has by sign what the template says. A nil by: it signs itself. A nil key:
// a new one, ECDSA P-256. Where the template has no serial number or no times, it
// gets the next number, an hour ago, and two days from now. The template itself
// stays as it is.
func Issue(template *x509.Certificate, key crypto.Signer, by *Identity) (*Identity, error) {
	t := *template
	if t.SerialNumber == nil {
		t.SerialNumber = big.NewInt(serials.Add(1))
	}
	if t.NotBefore.IsZero() {
		t.NotBefore = time.Now().Add(-time.Hour)
	}
	if t.NotAfter.IsZero() {
		t.NotAfter = time.Now().Add(48 * time.Hour)
	}
	if key == nil {
		made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
		key = made
	}
	if by == nil {
		by = &Identity{&t, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &t, by.Cert, key.Public(), by.Key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return &Identity{cert, key}, nil
}

// TLS is the identity as crypto/tls wants it.
func (i *Identity) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{i.Cert.Raw}, PrivateKey: i.Key, Leaf: i.Cert}
}

// Pool trusts the certificate and what it has issued, and nothing else.
func (i *Identity) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(i.Cert)
	return p
}

// CertPEM is the certificate in PEM.
func (i *Identity) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Cert.Raw})
}

// KeyPEM is the private key as PKCS #8 in PEM.
func (i *Identity) KeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(i.Key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Write puts both into files that only the owner reads.
func (i *Identity) Write(certFile, keyFile string) error {
	key, err := i.KeyPEM()
	if err != nil {
		return err
	}
	if err := os.WriteFile(certFile, i.CertPEM(), 0o600); err != nil {
		return fmt.Errorf("write certificate: %w", err)
	}
	if err := os.WriteFile(keyFile, key, 0o600); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return nil
}
