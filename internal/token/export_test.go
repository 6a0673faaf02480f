package token

import (
	"crypto"
	"crypto/rsa"

	"github.com/wiretight/wiretight/internal/montgomery"
)

// VerifySignature judges form, header, key and signature alone, for vectors
// whose payloads are no claims.
func VerifySignature(raw string, keys *KeySet, algs []string) error {
	parts, err := split(raw, Limits{})
	if err != nil {
		return err
	}
	h, _, err := parseHeader(parts.header, defaultMaxDepth, false, nil)
	if err != nil {
		return err
	}
	alg := allowed(algs, h.Algorithm)
	if alg == nil {
		return refuse(RuleToken, "algorithm is not allowed")
	}
	k, err := keys.find(h.KeyID, alg)
	if err != nil {
		return err
	}
	if !k.verify(alg, parts.signed, parts.signature) {
		return refuse(RuleToken, "signature does not match")
	}
	return nil
}

// NameSecret gives the secret of a set a kid, which no configuration can do.
func NameSecret(keys *KeySet, kid string) *KeySet {
	k := *keys.keys[0]
	k.id = kid
	return &KeySet{keys: []*key{&k}}
}

// RSAKey is one key made ready.
type RSAKey = rsaKey

// NewRSAKey prepares a key as a key set does.
func NewRSAKey(pub *rsa.PublicKey) (*RSAKey, error) {
	k, err := newRSAKey(pub)
	if err == nil {
		k.hasten(pub)
	}
	return k, err
}

// Verify judges a PKCS #1 v1.5 signature of a digest.
func (k *rsaKey) Verify(hash crypto.Hash, digest, signature []byte) bool {
	return k.verify(hash, digest, signature)
}

// Quick tells whether the key has the faster arithmetic.
func (k *rsaKey) Quick() bool { return k.quick != nil }

// Slow is k without the faster arithmetic.
func (k *rsaKey) Slow() *RSAKey {
	c := *k
	c.quick = nil
	return &c
}

// Trust offers k another arithmetic.
func (k *rsaKey) Trust(quick *montgomery.Modulus) { k.trust(quick) }

// Slow is ks without the faster arithmetic, and how many keys had it.
func (ks *KeySet) Slow() (slow *KeySet, quick int) {
	slow = &KeySet{}
	for _, k := range ks.keys {
		c := *k
		if k.rsa != nil {
			if c.rsa = k.rsa.Slow(); k.rsa.Quick() {
				quick++
			}
		}
		slow.keys = append(slow.keys, &c)
	}
	return slow, quick
}

// ProofKey is the RSA key that a proof brings.
func ProofKey(raw string) (*RSAKey, error) {
	p, err := parseProof(raw)
	if err != nil {
		return nil, err
	}
	return p.key.rsa, nil
}

// Digest is what is signed for text under an algorithm that hashes.
func Digest(alg, text string) []byte { return lookup(alg).digest(nil, text) }
