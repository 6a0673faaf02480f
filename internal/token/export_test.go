package token

import (
	"crypto"
	"crypto/rsa"
)

// VerifySignature judges form, header, key and signature alone, for vectors
// whose payloads are no claims.
func VerifySignature(raw string, keys *KeySet, algs []string) error {
	parts, err := split(raw, Limits{})
	if err != nil {
		return err
	}
	h, _, err := parseHeader(parts.header, defaultMaxDepth, false)
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

// VerifyRSA judges a PKCS #1 v1.5 signature of a digest.
func VerifyRSA(pub *rsa.PublicKey, hash crypto.Hash, digest, signature []byte) bool {
	k, err := newRSAKey(pub)
	return err == nil && k.verify(hash, digest, signature)
}
