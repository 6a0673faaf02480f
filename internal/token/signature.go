package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
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
			return rsa.VerifyPSS(pub, alg.hash, alg.digest(nil, text), signature, pssOptions(alg)) == nil
		}
		var room [sha512.Size]byte
		return k.rsa.verify(alg.hash, alg.digest(room[:0], text), signature)
	case *ecdsa.PublicKey:
		// Two numbers of fixed length, never ASN.1 (RFC 7518 §3.4).
		size := alg.coordinate()
		if len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(pub, alg.digest(nil, text), r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(pub, []byte(text), signature)
	}
	return false
}

// digest appends the hash of text to b.
func (a *algorithm) digest(b []byte, text string) []byte {
	switch a.hash {
	case crypto.SHA256:
		return digest256(b, text)
	case crypto.SHA384:
		sum := sha512.Sum384([]byte(text))
		return append(b, sum[:]...)
	case crypto.SHA512:
		sum := sha512.Sum512([]byte(text))
		return append(b, sum[:]...)
	}
	panic("algorithm " + a.name + " has no hash") // EdDSA hashes by itself
}

// digest256 appends the SHA-256 of text in pieces, since the copy of a whole
// token would lie on the heap. That is for the hash that nearly all tokens have.
func digest256(b []byte, text string) []byte {
	h := sha256.New()
	var piece [512]byte
	for len(text) > 0 {
		n := copy(piece[:], text)
		h.Write(piece[:n])
		text = text[n:]
	}
	return h.Sum(b)
}

// coordinate is the length in bytes of a number on the algorithm's curve.
func (a *algorithm) coordinate() int { return (a.curve.Params().BitSize + 7) / 8 }

// pssOptions demands a salt as long as the hash (RFC 7518 §3.5). Left to itself
// Go's verification takes any length.
func pssOptions(a *algorithm) *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.hash}
}
