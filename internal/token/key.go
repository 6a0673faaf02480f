package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
)

// key is one key that can verify.
type key struct {
	id string
	// only is the algorithm that the key is bound to; nil: any that fits.
	only *algorithm
	// public is nil for a secret.
	public crypto.PublicKey
	rsa    *rsaKey // of an RSA key
	secret *secret
}

func (k *key) serves(a *algorithm) bool {
	if k.secret != nil {
		return k.secret.allows(a)
	}
	return (k.only == nil || k.only == a) && a.fits(k.public)
}

// The bounds of RSA keys. Below the lower one they can be factored, above the
// upper one they only cost time.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// parseKey reads one JWK (RFC 7517 §4). private tells that it also had private
// members; they are not looked at.
func parseKey(data []byte) (k *key, private bool, err error) {
	var room [12]member
	members, err := scanObject(data, defaultMaxDepth, room[:0])
	if err != nil {
		return nil, false, err
	}
	fields, err := keyFields(members)
	if err != nil {
		return nil, false, err
	}
	if err := checkUse(fields, members); err != nil {
		return nil, false, err
	}
	k = &key{id: fields["kid"]}
	if name, ok := fields["alg"]; ok {
		if k.only = lookup(name); k.only == nil {
			return nil, false, fmt.Errorf("its alg %s is not a supported signature algorithm", quoted(name))
		}
	}
	if k.public, err = publicKey(fields); err != nil {
		return nil, false, err
	}
	if pub, ok := k.public.(*rsa.PublicKey); ok {
		if k.rsa, err = newRSAKey(pub); err != nil {
			return nil, false, fmt.Errorf("its modulus cannot be used: %w", err)
		}
	}
	if k.only != nil && !k.only.fits(k.public) {
		return nil, false, fmt.Errorf("its alg %s does not fit the key", k.only.name)
	}
	for i := range members {
		switch string(members[i].name) {
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k":
			private = true
		}
	}
	return k, private, nil
}

// keyFields returns the members that are read, all of them strings.
func keyFields(members []member) (map[string]string, error) {
	fields := make(map[string]string, len(members))
	for i := range members {
		m := &members[i]
		switch string(m.name) {
		case "kty", "crv", "alg", "use", "kid", "n", "e", "x", "y":
			text, ok := m.text()
			if !ok || !plain(text) {
				return nil, fmt.Errorf("its member %s is not a plain string", m.name)
			}
			fields[string(m.name)] = string(text)
		}
	}
	if len(fields["kid"]) > maxKeyID {
		return nil, errors.New("its kid is too long")
	}
	return fields, nil
}

func checkUse(fields map[string]string, members []member) error {
	if use, ok := fields["use"]; ok && use != "sig" {
		return fmt.Errorf("its use is %s, not \"sig\"", quoted(use))
	}
	for i := range members {
		if string(members[i].name) != "key_ops" {
			continue
		}
		verifies := false
		ok := members[i].kind == kindArray && eachString(members[i].value, func(op []byte) bool {
			verifies = verifies || string(op) == "verify"
			return true
		})
		if !ok || !verifies {
			return errors.New("its key_ops do not include verify")
		}
	}
	return nil
}

func publicKey(f map[string]string) (crypto.PublicKey, error) {
	switch f["kty"] {
	case "RSA":
		return rsaPublic(f)
	case "EC":
		return ecKey(f)
	case "OKP":
		return okpKey(f)
	case "oct":
		return nil, errors.New("it is a symmetric key (kty oct), which must not be published")
	case "":
		return nil, errors.New("it has no kty")
	}
	return nil, fmt.Errorf("its kty %s is not supported", quoted(f["kty"]))
}

func rsaPublic(f map[string]string) (crypto.PublicKey, error) {
	n, err := base64.RawURLEncoding.DecodeString(f["n"])
	if err != nil {
		return nil, errors.New("its modulus is not base64url")
	}
	e, err := base64.RawURLEncoding.DecodeString(f["e"])
	if err != nil {
		return nil, errors.New("its exponent is not base64url")
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	switch bits := modulus.BitLen(); {
	case bits < minRSABits:
		return nil, fmt.Errorf("its modulus has %d bits, less than %d", bits, minRSABits)
	case bits > maxRSABits:
		return nil, fmt.Errorf("its modulus has %d bits, more than %d", bits, maxRSABits)
	case modulus.Bit(0) == 0:
		return nil, errors.New("its modulus is even")
	case exponent.BitLen() > 31:
		return nil, errors.New("its exponent is too large")
	case exponent.Bit(0) == 0 || exponent.Cmp(big.NewInt(3)) < 0:
		return nil, errors.New("its exponent is even or below 3")
	case weakPrimes(modulus):
		return nil, errors.New("its modulus has the structure of the ROCA flaw (CVE-2017-15361) and can be factored")
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
}

func ecKey(f map[string]string) (crypto.PublicKey, error) {
	var curve elliptic.Curve
	switch f["crv"] {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, fmt.Errorf("its curve %s is not supported", quoted(f["crv"]))
	}
	size := (curve.Params().BitSize + 7) / 8
	point := []byte{4}
	for _, name := range []string{"x", "y"} {
		b, err := base64.RawURLEncoding.DecodeString(f[name])
		if err != nil || len(b) != size {
			return nil, fmt.Errorf("its coordinate %s is not %d bytes in base64url", name, size)
		}
		point = append(point, b...)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, errors.New("its point is not on the curve")
	}
	return pub, nil
}

func okpKey(f map[string]string) (crypto.PublicKey, error) {
	if f["crv"] != "Ed25519" {
		return nil, fmt.Errorf("its curve %s is not supported", quoted(f["crv"]))
	}
	x, err := base64.RawURLEncoding.DecodeString(f["x"])
	if err != nil || len(x) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("its x is not %d bytes in base64url", ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(x), nil
}
