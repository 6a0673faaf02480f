package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"errors"
	"math/big"
)

var errSignature = errors.New("signature is not well-formed")

// verify judges a signature with Go's own cryptography. A JOSE library would
// read the token a second time, at twice the cost of all the rest; the tests
// hold what is accepted here against two such libraries instead.
func (k *key) verify(alg *algorithm, text string, signature []byte) bool {
	if !k.serves(alg) {
		return false
	}
	if k.secret != nil {
		mac := hmac.New(alg.hash.New, k.secret.bytes)
		mac.Write([]byte(text))
		return hmac.Equal(mac.Sum(nil), signature)
	}
	switch pub := k.public.(type) {
	case *rsa.PublicKey:
		if alg.pss {
			return rsa.VerifyPSS(pub, alg.hash, alg.digest(text), signature, pssOptions(alg)) == nil
		}
		return k.rsa.verify(alg.hash, alg.digest(text), signature)
	case *ecdsa.PublicKey:
		// Two numbers of fixed length, never ASN.1 (RFC 7518 §3.4).
		size := alg.coordinate()
		if len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(pub, alg.digest(text), r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(pub, []byte(text), signature)
	}
	return false
}

func (a *algorithm) digest(text string) []byte {
	h := a.hash.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}

// coordinate is the length in bytes of a number on the algorithm's curve.
func (a *algorithm) coordinate() int { return (a.curve.Params().BitSize + 7) / 8 }

// pssOptions demands a salt as long as the hash (RFC 7518 §3.5). Left to itself
// Go's verification takes any length.
func pssOptions(a *algorithm) *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.hash}
}
