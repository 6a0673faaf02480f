package tlsprobe_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/testpki"
)

const host = "probe.test"

// authority issues certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue signs template with by's key; by of nil means with its own.
func issue(t testing.TB, by *authority, template x509.Certificate, key crypto.Signer) *authority {
	t.Helper()
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().AddDate(1, 0, 0)
	}
	var signer *testpki.Identity
	if by != nil {
		signer = &testpki.Identity{Cert: by.cert, Key: by.key}
	}
	made, err := testpki.Issue(&template, key, signer)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{made.Cert, key}
}

func newCA(t testing.TB, by *authority, name string, mutate ...func(*x509.Certificate)) *authority {
	t.Helper()
	template := x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().AddDate(-5, 0, 0),
	}
	for _, m := range mutate {
		m(&template)
	}
	return issue(t, by, template, newKey(t))
}

func newLeaf(t testing.TB, by *authority, mutate ...func(*x509.Certificate)) *authority {
	t.Helper()
	return leafWithKey(t, by, newKey(t), mutate...)
}

func leafWithKey(t testing.TB, by *authority, key crypto.Signer, mutate ...func(*x509.Certificate)) *authority {
	t.Helper()
	template := x509.Certificate{
		Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, m := range mutate {
		m(&template)
	}
	return issue(t, by, template, key)
}

func pool(roots ...*authority) *x509.CertPool {
	p := x509.NewCertPool()
	for _, r := range roots {
		p.AddCert(r.cert)
	}
	return p
}

// serve is the TLS certificate of leaf followed by rest.
func (a *authority) serve(rest ...*authority) tls.Certificate {
	c := tls.Certificate{PrivateKey: a.key, Certificate: [][]byte{a.cert.Raw}}
	for _, r := range rest {
		c.Certificate = append(c.Certificate, r.cert.Raw)
	}
	return c
}

// files writes key and chain as PEM and returns their paths.
func (a *authority) files(t testing.TB, rest ...*authority) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	var chain []byte
	for _, c := range append([]*authority{a}, rest...) {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, cert, chain)
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return cert, key
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
