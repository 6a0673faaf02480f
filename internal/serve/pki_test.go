package serve_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/serve"
	"github.com/wiretight/wiretight/internal/testpki"
)

// keyOf is the kind of key that issue makes unless told otherwise.
type keyOf = ecdsa.PrivateKey

// testCA issues certificates for tests.
type testCA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// spec says what a test wants of a certificate.
type spec struct {
	names    []string // DNS names and addresses
	rsaBits  int      // zero: ECDSA P-256
	from     time.Time
	until    time.Time
	usage    []x509.ExtKeyUsage // nil: server and client
	key      crypto.Signer      // nil: a new one
	isCA     bool
	commonID string
}

func newCA(t testing.TB, name string) testCA {
	t.Helper()
	key := newKey(t, 0)
	cert := sign(t, spec{isCA: true, commonID: name, key: key}, nil, key)
	return testCA{cert, key}
}

var (
	rsaOnce sync.Once
	rsaKey  *rsa.PrivateKey
)

// newKey makes an ECDSA key; RSA keys of 2048 bits are shared, being slow to make.
func newKey(t testing.TB, rsaBits int) crypto.Signer {
	t.Helper()
	switch rsaBits {
	case 0:
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	case 2048:
		rsaOnce.Do(func() { rsaKey, _ = rsa.GenerateKey(rand.Reader, 2048) })
		return rsaKey
	}
	k, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t testing.TB, s spec, parent *x509.Certificate, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{
		Subject:   pkix.Name{CommonName: s.commonID},
		NotBefore: s.from, NotAfter: s.until,
		ExtKeyUsage:           s.usage,
		BasicConstraintsValid: true,
		IsCA:                  s.isCA,
	}
	if s.until.IsZero() {
		tmpl.NotAfter = time.Now().Add(30 * 24 * time.Hour)
	}
	if s.usage == nil {
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	for _, n := range s.names {
		if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	var by *testpki.Identity
	if parent != nil {
		by = &testpki.Identity{Cert: parent, Key: signer}
	}
	made, err := testpki.Issue(tmpl, s.key, by)
	if err != nil {
		t.Fatal(err)
	}
	return made.Cert
}

// issue makes a leaf.
func (ca testCA) issue(t testing.TB, s spec) tls.Certificate {
	t.Helper()
	if s.key == nil {
		s.key = newKey(t, s.rsaBits)
	}
	leaf := sign(t, s, ca.cert, ca.key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: s.key, Leaf: leaf}
}

// pool holds the CA alone.
func (ca testCA) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.cert)
	return p
}

// file writes the CA's certificate.
func (ca testCA) file(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	write(t, path, pemCert(ca.cert.Raw))
	return path
}

// files issues a leaf and writes certificate and key.
func (ca testCA) files(t testing.TB, s spec) serve.CertFile {
	t.Helper()
	dir := t.TempDir()
	f := serve.CertFile{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	ca.refill(t, f, s)
	return f
}

// refill puts a new leaf and key into existing files.
func (ca testCA) refill(t testing.TB, f serve.CertFile, s spec) {
	t.Helper()
	c := ca.issue(t, s)
	write(t, f.Cert, pemCert(c.Certificate[0]))
	write(t, f.Key, pemKey(t, c.PrivateKey.(crypto.Signer)))
}

func pemCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func pemKey(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
