package token

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"errors"

	"github.com/go-jose/go-jose/v4"
)

// verify lets go-jose judge a signature that the strict parser has passed.
// go-jose reads the token a second time on its own: should the two ever
// understand it differently, the payloads differ and the token is refused.
func (k *key) verify(alg *algorithm, raw string, c *compact) bool {
	name := jose.SignatureAlgorithm(alg.name)
	accepted := []jose.SignatureAlgorithm{name}
	if alg.family == familyEd25519 {
		accepted = append(accepted, ed25519Name)
	}
	jws, err := jose.ParseSignedCompact(raw, accepted)
	if err != nil {
		return false
	}
	payload, err := jws.Verify(k.verifier(alg))
	return err == nil && bytes.Equal(payload, c.payload)
}

func (k *key) verifier(alg *algorithm) any {
	switch {
	case k.secret != nil:
		return secretVerifier{k.secret.bytes, alg.hash}
	case alg.pss:
		return pssVerifier{k.public.(*rsa.PublicKey), alg.hash}
	case alg.family == familyEd25519:
		return edVerifier(k.public.(ed25519.PublicKey))
	}
	return k.public
}

var errSignature = errors.New("signature does not match")

// secretVerifier is for secrets of an accepted risk, which go-jose refuses for
// their length.
type secretVerifier struct {
	secret []byte
	hash   crypto.Hash
}

func (v secretVerifier) VerifyPayload(payload, signature []byte, _ jose.SignatureAlgorithm) error {
	mac := hmac.New(v.hash.New, v.secret)
	mac.Write(payload)
	if !hmac.Equal(mac.Sum(nil), signature) {
		return errSignature
	}
	return nil
}

// pssVerifier demands a salt as long as the hash (RFC 7518 §3.5); go-jose takes
// any length.
type pssVerifier struct {
	public *rsa.PublicKey
	hash   crypto.Hash
}

func (v pssVerifier) VerifyPayload(payload, signature []byte, _ jose.SignatureAlgorithm) error {
	h := v.hash.New()
	h.Write(payload)
	options := rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	return rsa.VerifyPSS(v.public, v.hash, h.Sum(nil), signature, &options)
}

// edVerifier also serves the name Ed25519, which go-jose does not know.
type edVerifier ed25519.PublicKey

func (v edVerifier) VerifyPayload(payload, signature []byte, _ jose.SignatureAlgorithm) error {
	if !ed25519.Verify(ed25519.PublicKey(v), payload, signature) {
		return errSignature
	}
	return nil
}
