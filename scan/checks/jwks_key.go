package checks

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"

	"github.com/wiretight/wiretight/scan"
)

// maxPublishedKeys is how many keys of one document are looked at.
const maxPublishedKeys = 64

// weakPublished says, for each key of a document that is too weak, why.
func weakPublished(d scan.KeySetDoc) []string {
	var lines []string
	for i, k := range d.Keys[:min(len(d.Keys), maxPublishedKeys)] {
		if why := weakJWK(k); why != "" {
			lines = append(lines, keyName(i, k)+": "+why)
		}
	}
	if d.Keys == nil {
		if why := weakPEM(d.Raw); why != "" {
			lines = append(lines, "the published key: "+why)
		}
	}
	return lines
}

// keyName is how a key is spoken of.
func keyName(i int, k map[string]any) string {
	if kid, ok := k["kid"].(string); ok {
		return "key " + clip(kid)
	}
	return fmt.Sprintf("key %d, which has no kid", i)
}

// weakJWK says why a JWK is weak: RSA under 2048 bits or with an exponent that is
// even or under 3, curves under 256 bits. What cannot be read is not weak.
func weakJWK(k map[string]any) string {
	kty, _ := k["kty"].(string)
	switch kty {
	case "RSA":
		n, okN := jwkNumber(k["n"])
		e, okE := jwkNumber(k["e"])
		switch {
		case okN:
			return weakRSA(n, e, okE)
		case okE:
			return ""
		}
	case "EC":
		switch curve, _ := k["crv"].(string); curve {
		case "P-192", "P-224", "secp192r1", "secp224r1", "secp192k1", "secp224k1", "sect163k1":
			return "EC on the curve " + curve
		}
	}
	return ""
}

func weakRSA(n, e *big.Int, exponent bool) string {
	switch {
	case n.BitLen() < 2048:
		return fmt.Sprintf("RSA of %d bits", n.BitLen())
	case exponent && (e.Cmp(big.NewInt(3)) < 0 || e.Bit(0) == 0):
		return "RSA with the public exponent " + clip(e.String())
	}
	return ""
}

// jwkNumber reads a Base64urlUInt (RFC 7518 §2), padded or not.
func jwkNumber(v any) (*big.Int, bool) {
	s, ok := v.(string)
	if !ok || len(s) > 1<<14 {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || len(raw) == 0 {
		return nil, false
	}
	return new(big.Int).SetBytes(raw), true
}

// weakPEM looks at a key or a certificate in PEM.
func weakPEM(data []byte) string {
	block, _ := pem.Decode(data)
	if block == nil {
		return ""
	}
	var key any
	switch block.Type {
	case "CERTIFICATE":
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			key = c.PublicKey
		}
	case "RSA PUBLIC KEY":
		if k, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
			key = k
		}
	case "PUBLIC KEY":
		if k, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			key = k
		}
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		return weakRSA(k.N, big.NewInt(int64(k.E)), true)
	case *ecdsa.PublicKey:
		if bits := k.Curve.Params().BitSize; bits < 256 {
			return fmt.Sprintf("EC of %d bits", bits)
		}
	}
	return ""
}
