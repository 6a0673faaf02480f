package token

import (
	"bytes"
	"crypto"
	"crypto/rsa"

	"filippo.io/bigmod"

	"github.com/wiretight/wiretight/internal/montgomery"
)

// rsaKey verifies RSASSA-PKCS1-v1_5 signatures (RFC 8017 §8.2.2) of one key.
// crypto/rsa prepares the modulus anew for each signature, which is a third of
// the work; this is the same arithmetic with the modulus prepared once, or a
// faster one where the processor has it.
//
// All that it computes with is public. The signature is raised to the exponent,
// and what comes out must be, byte for byte, the one encoding that the hash has:
// nothing in it is ever parsed, so nothing can be hidden there.
type rsaKey struct {
	modulus  *bigmod.Modulus
	exponent uint
	size     int // of the modulus in bytes
	// quick does the same as modulus and exponent. It is nil where the key or
	// the processor does not allow it.
	quick *montgomery.Modulus
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

// hasten gives k, which is of pub, the faster arithmetic where there is one. It
// costs as much as some five verifications, so it is for keys of an issuer and
// not for those that come with a proof.
func (k *rsaKey) hasten(pub *rsa.PublicKey) {
	if !montgomery.Fast() || pub.E != montgomery.Exponent || pub.N.BitLen() > montgomery.MaxBits {
		return
	}
	if quick, err := montgomery.New(pub.N); err == nil {
		k.trust(quick)
	}
}

// trust lets quick do the work if it finds what bigmod finds. A processor, or
// what imitates one, that computes wrongly then costs time and never truth.
func (k *rsaKey) trust(quick *montgomery.Modulus) {
	x := bytes.Repeat([]byte{0xff}, k.size)
	x[0] = 0 // all ones below the modulus, and then what came out before
	got := make([]byte, k.size)
	for range 4 {
		want, ok := k.raise(x)
		if !ok || !quick.Raise(got, x) || !bytes.Equal(got, want) {
			return
		}
		x = want
	}
	k.quick = quick
}

// verify reports whether signature is that of digest, a sum of hash.
func (k *rsaKey) verify(hash crypto.Hash, digest, signature []byte) bool {
	var room [2][montgomery.MaxBits / 8]byte
	want := appendPKCS1v15(room[0][:0], k.size, hash, digest)
	if want == nil || len(signature) != k.size {
		return false
	}
	if k.quick != nil {
		got := room[1][:k.size]
		return k.quick.Raise(got, signature) && bytes.Equal(got, want)
	}
	got, ok := k.raise(signature)
	return ok && bytes.Equal(got, want)
}

// raise is x to the power of the exponent. It refuses what is not below the
// modulus.
func (k *rsaKey) raise(x []byte) ([]byte, bool) {
	s, err := bigmod.NewNat().SetBytes(x, k.modulus)
	if err != nil {
		return nil, false
	}
	return bigmod.NewNat().ExpShortVarTime(s, k.exponent, k.modulus).Bytes(k.modulus), true
}

// digestInfos begin the encoding of a digest (RFC 8017 §9.2, note 1).
var digestInfos = map[crypto.Hash]string{
	crypto.SHA256: "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
	crypto.SHA384: "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
	crypto.SHA512: "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
}

// appendPKCS1v15 appends EMSA-PKCS1-v1_5 (RFC 8017 §9.2) to em, which is empty:
// 00 01 FF … FF 00, what hash it is, and the digest. It is nil where that does
// not fit.
func appendPKCS1v15(em []byte, size int, hash crypto.Hash, digest []byte) []byte {
	info, known := digestInfos[hash]
	padding := size - 3 - len(info) - len(digest)
	if !known || len(digest) != hash.Size() || padding < 8 {
		return nil
	}
	em = append(em, 0, 1)
	for range padding {
		em = append(em, 0xff)
	}
	em = append(em, 0)
	em = append(em, info...)
	return append(em, digest...)
}
