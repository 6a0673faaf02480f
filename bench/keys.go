package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

func (s *signer) privateDER() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return der, nil
}

func parsePrivateDER(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("decode key: %w", err)
	}
	s, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("decode key: not RSA")
	}
	return s, nil
}

// verifierFiles are the forms in which proxies want to be told the key.
type verifierFiles struct {
	kid    string
	pem    string // public key; empty for HS256
	cert   string // the same in a certificate signed by itself; empty but for RS256
	jwks   string // key set; empty for HS256
	secret string // file with the secret; empty but for HS256
}

// writeVerifier writes what verifies this signer's tokens into dir.
func (s *signer) writeVerifier(dir string, now time.Time) (verifierFiles, error) {
	name := filepath.Join(dir, s.kid())
	if s.key == nil {
		f := verifierFiles{kid: s.kid(), secret: name + ".secret"}
		return f, writeFile(f.secret, s.secret)
	}
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		return verifierFiles{}, fmt.Errorf("encode public key: %w", err)
	}
	set, err := s.jwks()
	if err != nil {
		return verifierFiles{}, err
	}
	f := verifierFiles{kid: s.kid(), pem: name + ".pem", jwks: name + ".jwks"}
	if s.alg == "RS256" {
		f.cert = name + ".crt"
		cert, err := selfSigned(s.key, now)
		if err != nil {
			return f, err
		}
		if err := writeFile(f.cert, cert); err != nil {
			return f, err
		}
	}
	if err := writeFile(f.pem, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})); err != nil {
		return f, err
	}
	return f, writeFile(f.jwks, set)
}

// jwks is the key set of RFC 7517 with this signer's public key.
func (s *signer) jwks() ([]byte, error) {
	key := map[string]string{"kid": s.kid(), "use": "sig", "alg": s.alg}
	switch pub := s.key.Public().(type) {
	case *rsa.PublicKey:
		key["kty"], key["n"] = "RSA", b64.EncodeToString(pub.N.Bytes())
		key["e"] = b64.EncodeToString(big.NewInt(int64(pub.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := pub.Bytes() // 4, x, y
		if err != nil {
			return nil, fmt.Errorf("encode public key: %w", err)
		}
		key["kty"], key["crv"] = "EC", "P-256"
		key["x"], key["y"] = b64.EncodeToString(point[1:33]), b64.EncodeToString(point[33:])
	case ed25519.PublicKey:
		key["kty"], key["crv"], key["x"] = "OKP", "Ed25519", b64.EncodeToString(pub)
	}
	raw, err := json.Marshal(map[string]any{"keys": []any{key}})
	if err != nil {
		return nil, fmt.Errorf("encode key set: %w", err)
	}
	return raw, nil
}

// certificate is the one that all proxies serve, and who trusts it.
type certificate struct {
	cert, key, both string // files; both is HAProxy's form
	pool            *x509.CertPool
}

// newCertificate writes a self-signed ECDSA P-256 certificate of localhost.
func newCertificate(dir string, now time.Time) (certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	certPEM, err := selfSigned(key, now)
	if err != nil {
		return certificate{}, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	c := certificate{
		pool: x509.NewCertPool(),
		cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), both: filepath.Join(dir, "both.pem"),
	}
	c.pool.AppendCertsFromPEM(certPEM)
	return c, errors.Join(writeFile(c.cert, certPEM), writeFile(c.key, keyPEM),
		writeFile(c.both, append(certPEM[:len(certPEM):len(certPEM)], keyPEM...)))
}

// selfSigned returns, in PEM, a certificate of localhost that key signs itself.
func selfSigned(key crypto.Signer, now time.Time) ([]byte, error) {
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(48 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func writeFile(name string, data []byte) error {
	if err := os.WriteFile(name, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(name), err)
	}
	return nil
}
