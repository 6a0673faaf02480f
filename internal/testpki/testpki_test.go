package testpki_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/testpki"
)

// TestWhoIsTrusted holds that pools trust what they say and no more: a test that
// expects a refusal must not get it for another reason, nor miss it.
func TestWhoIsTrusted(t *testing.T) {
	t.Parallel()
	root, other := made(testpki.NewRoot("one"))(t), made(testpki.NewRoot("two"))(t)
	leaf := made(testpki.Issue(testpki.Server("api.test", "127.0.0.1"), nil, root))(t)
	own := made(testpki.SelfSigned("own.test"))(t)
	for _, c := range []struct {
		name string
		cert *x509.Certificate
		pool *x509.CertPool
		host string
		want bool
	}{
		{"its authority", leaf.Cert, root.Pool(), "api.test", true},
		{"its address", leaf.Cert, root.Pool(), "127.0.0.1", true},
		{"another name", leaf.Cert, root.Pool(), "www.test", false},
		{"another authority", leaf.Cert, other.Pool(), "api.test", false},
		{"itself", own.Cert, own.Pool(), "own.test", true},
		{"itself by another", own.Cert, root.Pool(), "own.test", false},
	} {
		_, err := c.cert.Verify(x509.VerifyOptions{Roots: c.pool, DNSName: c.host})
		if (err == nil) != c.want {
			t.Errorf("%s: got %v, want trusted %v", c.name, err, c.want)
		}
	}
	if leaf.Cert.SerialNumber.Cmp(root.Cert.SerialNumber) == 0 || leaf.Cert.IsCA {
		t.Errorf("got serial %v and CA %v, want a number of its own and no authority", leaf.Cert.SerialNumber, leaf.Cert.IsCA)
	}
}

// TestTemplate holds what is taken over and what is filled in.
func TestTemplate(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Minute).Truncate(time.Second).UTC()
	template := &x509.Certificate{NotAfter: until, DNSNames: []string{"api.test"}}
	got := made(testpki.Issue(template, key, nil))(t)
	if !got.Cert.NotAfter.Equal(until) || got.Key != key || !got.Cert.NotBefore.Before(time.Now()) {
		t.Errorf("got %v to %v and key %T, want the template's end, a beginning and the key", got.Cert.NotBefore, got.Cert.NotAfter, got.Key)
	}
	if template.SerialNumber != nil || !template.NotBefore.IsZero() {
		t.Error("the template was changed")
	}
	if _, err := testpki.Issue(&x509.Certificate{SignatureAlgorithm: x509.ECDSAWithSHA256}, key, nil); err == nil {
		t.Error("an ECDSA signature with an RSA key: got no error")
	}
}

// TestFiles holds that the files are a pair, and that a folder that is not there
// is told.
func TestFiles(t *testing.T) {
	t.Parallel()
	id := made(testpki.SelfSigned("api.test"))(t)
	cert, key := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	if err := id.Write(cert, key); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil || !pair.Leaf.Equal(id.Cert) || !id.TLS().Leaf.Equal(id.Cert) {
		t.Errorf("got %v, %v, want the certificate", pair.Leaf, err)
	}
	missing := filepath.Join(t.TempDir(), "missing", "file.pem")
	if id.Write(missing, key) == nil || id.Write(cert, missing) == nil {
		t.Error("got no error for a folder that is not there")
	}
}

// made fails the test where there is an error.
func made(id *testpki.Identity, err error) func(testing.TB) *testpki.Identity {
	return func(t testing.TB) *testpki.Identity {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
}
