package token

import (
	"bytes"
	"crypto"
	"crypto/rsa"

	"filippo.io/bigmod"
)

// rsaKey verifies RSASSA-PKCS1-v1_5 signatures (RFC 8017 §8.2.2) of one key.
// crypto/rsa prepares the modulus anew for each signature, which is a third of
// the work; this is the same arithmetic with the modulus prepared once.
//
// All that it computes with is public. The signature is raised to the exponent,
// and what comes out must be, byte for byte, the one encoding that the hash has:
// nothing in it is ever parsed, so nothing can be hidden there.
type rsaKey struct {
	modulus  *bigmod.Modulus
	exponent uint
	size     int // of the modulus in bytes
}

// newRSAKey prepares a key whose modulus is odd and whose exponent is odd and
// above one.
func newRSAKey(pub *rsa.PublicKey) (*rsaKey, error) {
	n, err := bigmod.NewModulus(pub.N.Bytes())
	if err != nil {
		return nil, err
	}
	return &rsaKey{modulus: n, exponent: uint(pub.E), size: pub.Size()}, nil
}

// verify reports whether signature is that of digest, a sum of hash.
func (k *rsaKey) verify(hash crypto.Hash, digest, signature []byte) bool {
	want := encodePKCS1v15(k.size, hash, digest)
	if want == nil || len(signature) != k.size {
		return false
	}
	s, err := bigmod.NewNat().SetBytes(signature, k.modulus) // refuses what is not below the modulus
	if err != nil {
		return false
	}
	return bytes.Equal(bigmod.NewNat().ExpShortVarTime(s, k.exponent, k.modulus).Bytes(k.modulus), want)
}

// digestInfos begin the encoding of a digest (RFC 8017 §9.2, note 1).
var digestInfos = map[crypto.Hash]string{
	crypto.SHA256: "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
	crypto.SHA384: "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
	crypto.SHA512: "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
}

// encodePKCS1v15 is EMSA-PKCS1-v1_5 (RFC 8017 §9.2): 00 01 FF … FF 00, what
// hash it is, and the digest. It is nil where that does not fit.
func encodePKCS1v15(size int, hash crypto.Hash, digest []byte) []byte {
	info, known := digestInfos[hash]
	padding := size - 3 - len(info) - len(digest)
	if !known || len(digest) != hash.Size() || padding < 8 {
		return nil
	}
	em := make([]byte, 0, size)
	em = append(em, 0, 1)
	for range padding {
		em = append(em, 0xff)
	}
	em = append(em, 0)
	em = append(em, info...)
	return append(em, digest...)
}
