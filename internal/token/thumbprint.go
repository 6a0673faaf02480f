package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
)

// Thumbprint returns the SHA-256 thumbprint of a public key in base64url
// (RFC 7638), as jkt of a DPoP-bound token. RSA, the NIST curves and Ed25519
// are known (RFC 8037 §2 for the last).
func Thumbprint(pub crypto.PublicKey) (string, error) {
	members, err := publicMembers(pub)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte("{" + members + "}"))
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// CertThumbprint returns the SHA-256 of a certificate's DER in base64url, as
// x5t#S256 of a certificate-bound token (RFC 8705 §3.1).
func CertThumbprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// publicMembers returns the required members of a key's JWK in the order that
// RFC 7638 §3.3 demands.
func publicMembers(pub crypto.PublicKey) (string, error) {
	text := base64.RawURLEncoding.EncodeToString
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(pub.E)).Bytes()
		return `"e":"` + text(e) + `","kty":"RSA","n":"` + text(pub.N.Bytes()) + `"`, nil
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil {
			return "", fmt.Errorf("encode elliptic curve key: %w", err)
		}
		size := len(point) / 2
		return `"crv":"` + pub.Curve.Params().Name + `","kty":"EC","x":"` + text(point[1:1+size]) +
			`","y":"` + text(point[1+size:]) + `"`, nil
	case ed25519.PublicKey:
		return `"crv":"Ed25519","kty":"OKP","x":"` + text(pub) + `"`, nil
	}
	return "", fmt.Errorf("key of type %T is not supported", pub)
}
