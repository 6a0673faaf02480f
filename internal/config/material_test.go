package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/wiretight/wiretight/internal/testpki"
)

// material makes a directory with every file that the test configurations name.
func material(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cert, key := certificate(t, "api.example.com", "www.example.com")
	wildcard, wildcardKey := certificate(t, "*.example.com")
	_, other := certificate(t, "other.example.com")
	client, clientKey := certificate(t, "client.example.com")
	for name, data := range map[string][]byte{
		"fullchain.pem": cert, "privkey.pem": key, "other-key.pem": other,
		"wildcard.pem": wildcard, "wildcard-key.pem": wildcardKey,
		"c.pem": client, "k.pem": clientKey,
		"ca.pem": cert, "clients.pem": append(append([]byte{}, cert...), client...),
		"jwks.json": keySet(t), "empty-jwks.json": []byte(`{"keys":[]}`),
		"hmac.secret":       []byte("base64:" + base64.StdEncoding.EncodeToString(random(t, 64)) + "\n"),
		"hmac32.secret":     random(t, 32),
		"short.secret":      []byte("Zq8!vT\n"),
		"published.secret":  []byte("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7\n"),
		"bad-base64.secret": []byte("base64:***\n"),
		"billing.secret":    []byte(base64.StdEncoding.EncodeToString(random(t, 32)) + "\n"),
		"empty.pem":         nil,
		"garbage.pem":       []byte("-----BEGIN CERTIFICATE-----\nnot base64\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func random(t *testing.T, n int) []byte {
	t.Helper()
	data := make([]byte, n)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	data[n-1] |= 1 // no newline at the end
	return data
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certificate(t *testing.T, names ...string) (certPEM, keyPEM []byte) {
	t.Helper()
	id, err := testpki.SelfSigned(names...)
	if err != nil {
		t.Fatal(err)
	}
	if keyPEM, err = id.KeyPEM(); err != nil {
		t.Fatal(err)
	}
	return id.CertPEM(), keyPEM
}

func keySet(t *testing.T) []byte {
	t.Helper()
	pub := newKey(t).PublicKey
	point, err := pub.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding.EncodeToString
	return fmt.Appendf(nil, `{"keys":[{"kty":"EC","crv":"P-256","kid":"one","x":%q,"y":%q}]}`, enc(point[1:33]), enc(point[33:]))
}
