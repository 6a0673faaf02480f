package tlsprobe

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"math/big"
	"strings"
)

// signed says whether one certificate's key signed another.
type signed int

const (
	signedNo signed = iota
	signedYes
	signedUnknown // by an algorithm that is not understood here
)

// hashes are the digests that can be computed, with the DigestInfo that
// PKCS #1 v1.5 puts before them (RFC 8017 §9.2).
var hashes = map[string]struct {
	new    func() hash.Hash
	id     crypto.Hash
	prefix []byte
}{
	"MD5":    {md5.New, crypto.MD5, []byte{0x30, 0x20, 0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05, 0x05, 0x00, 0x04, 0x10}},
	"SHA1":   {sha1.New, crypto.SHA1, []byte{0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14}},
	"SHA224": {sha256.New224, crypto.SHA224, sha2Prefix(0x2d, 0x04, 28)},
	"SHA256": {sha256.New, crypto.SHA256, sha2Prefix(0x31, 0x01, 32)},
	"SHA384": {sha512.New384, crypto.SHA384, sha2Prefix(0x41, 0x02, 48)},
	"SHA512": {sha512.New, crypto.SHA512, sha2Prefix(0x51, 0x03, 64)},
}

func sha2Prefix(total, id, size byte) []byte {
	return []byte{0x30, total, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, id, 0x05, 0x00, 0x04, size}
}

// The largest RSA numbers that are computed with: a hostile certificate may
// bring any.
const (
	maxModulusBits  = 8192
	maxExponentBits = 64
)

// signedBy reports whether issuer's key made c's signature. Names are not
// compared. Weak digests and short keys are computed like any other: the
// question here is who signed, not whether it is worth anything.
func (c Certificate) signedBy(issuer Certificate) signed {
	if c.Signature == "Ed25519" {
		if issuer.KeyType != "Ed25519" || len(issuer.key) != ed25519.PublicKeySize {
			return signedNo
		}
		return yes(ed25519.Verify(issuer.key, c.tbs, c.signature))
	}
	h, ok := hashes[c.Hash]
	if !ok {
		return signedUnknown
	}
	sum := h.new()
	sum.Write(c.tbs)
	digest := sum.Sum(nil)
	switch {
	case c.sigOID == oidPSS:
		return c.signedByPSS(issuer, h.id, digest)
	case strings.HasSuffix(c.Signature, "-RSA"):
		return c.signedByRSA(issuer, append(bytes.Clone(h.prefix), digest...))
	case strings.HasSuffix(c.Signature, "-ECDSA"):
		return c.signedByECDSA(issuer, digest)
	}
	return signedUnknown
}

func yes(ok bool) signed {
	if ok {
		return signedYes
	}
	return signedNo
}

// signedByRSA verifies RSASSA-PKCS1-v1_5 (RFC 8017 §8.2.2) by comparing the
// whole encoded message. crypto/rsa would refuse keys under 1024 bits.
func (c Certificate) signedByRSA(issuer Certificate, info []byte) signed {
	n, e, ok := rsaNumbers(issuer)
	if !ok {
		return signedNo
	}
	size := (n.BitLen() + 7) / 8
	if size < len(info)+11 || len(c.signature) != size {
		return signedNo
	}
	want := append([]byte{0, 1}, bytes.Repeat([]byte{0xFF}, size-len(info)-3)...)
	want = append(append(want, 0), info...)
	got := new(big.Int).Exp(new(big.Int).SetBytes(c.signature), e, n)
	return yes(got.Cmp(new(big.Int).SetBytes(want)) == 0)
}

func rsaNumbers(issuer Certificate) (n, e *big.Int, ok bool) {
	if issuer.KeyType != "RSA" {
		return nil, nil, false
	}
	n, e, ok = readRSA(issuer.key)
	ok = ok && n.Sign() > 0 && e.Sign() > 0 && n.BitLen() <= maxModulusBits && e.BitLen() <= maxExponentBits
	return n, e, ok
}

func (c Certificate) signedByPSS(issuer Certificate, id crypto.Hash, digest []byte) signed {
	n, e, ok := rsaNumbers(issuer)
	if !ok || !e.IsInt64() || e.Int64() > 1<<31-1 {
		return signedNo
	}
	if n.BitLen() < 1024 {
		return signedUnknown
	}
	key := &rsa.PublicKey{N: n, E: int(e.Int64())}
	return yes(rsa.VerifyPSS(key, id, digest, c.signature, nil) == nil)
}

func (c Certificate) signedByECDSA(issuer Certificate, digest []byte) signed {
	if issuer.KeyType != "EC" {
		return signedNo
	}
	var curve elliptic.Curve
	switch issuer.Curve {
	case "P-224":
		curve = elliptic.P224()
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return signedUnknown
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, issuer.key)
	if err != nil {
		return signedUnknown // a compressed point, or none
	}
	return yes(ecdsa.VerifyASN1(key, digest, c.signature))
}
