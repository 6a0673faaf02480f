package attack

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// RecoverKey computes the RSA public key that signed two different tokens
// under RS256, RS384 or RS512, from the tokens alone: for the signature s of a
// padded hash m, s^e-m is a multiple of the modulus, so the greatest common
// divisor of two such numbers is the modulus or a small multiple of it. With
// the key, alg-confusion can be tried where none is published.
//
// The numbers have e times the modulus's bits, so time grows faster than the
// exponent: for 2048 bits, 257 took 0.2 s of one core, 4097 took 8 s, and 65537
// is a matter of minutes, not for a scan. ctx ends the work between steps.
// The returned key was verified against both tokens.
func RecoverKey(ctx context.Context, first, second string, exponent int) (*rsa.PublicKey, error) {
	if exponent < 3 || exponent%2 == 0 {
		return nil, fmt.Errorf("recover key: exponent %d is even or below 3", exponent)
	}
	a, err := readRSA(first)
	if err != nil {
		return nil, fmt.Errorf("recover key from the first token: %w", err)
	}
	b, err := readRSA(second)
	if err != nil {
		return nil, fmt.Errorf("recover key from the second token: %w", err)
	}
	if len(a.signature) != len(b.signature) || string(a.digest) == string(b.digest) {
		return nil, errors.New("recover key: the tokens have keys of different lengths, or the same content")
	}
	x, err := a.multiple(ctx, exponent)
	if err != nil {
		return nil, fmt.Errorf("recover key: %w", err)
	}
	y, err := b.multiple(ctx, exponent)
	if err != nil {
		return nil, fmt.Errorf("recover key: %w", err)
	}
	n, err := gcd(ctx, x, y)
	if err != nil {
		return nil, fmt.Errorf("recover key: %w", err)
	}
	withoutSmallFactors(n)
	pub := &rsa.PublicKey{N: n, E: exponent}
	if !a.verifies(pub) || !b.verifies(pub) {
		return nil, fmt.Errorf("recover key: the tokens have no key with exponent %d in common", exponent)
	}
	return pub, nil
}

// rsaSigned is a signature and what it was made of.
type rsaSigned struct {
	hash              crypto.Hash
	digest, signature []byte
}

// maxRSABytes keeps what is computed from a foreign token within reason.
const maxRSABytes = 1024

func readRSA(raw string) (s rsaSigned, err error) {
	g, err := read(Material{Token: raw})
	if err != nil {
		return s, err
	}
	if g.family() != "RS" || hashes[g.alg] == 0 {
		return s, errors.New("its algorithm is none of RS256, RS384 and RS512")
	}
	if n := len(g.signature); n < 64 || n > maxRSABytes {
		return s, fmt.Errorf("its signature of %d bytes is not one of RSA", n)
	}
	s.hash, s.signature = hashes[g.alg], g.signature
	h := s.hash.New()
	h.Write([]byte(g.headerText + "." + g.payloadText))
	s.digest = h.Sum(nil)
	return s, nil
}

// digestPrefix is the ASN.1 that PKCS #1 v1.5 puts before a hash (RFC 8017 §9.2).
var digestPrefix = map[crypto.Hash]string{
	crypto.SHA256: "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
	crypto.SHA384: "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
	crypto.SHA512: "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
}

// padded is the number that was signed.
func (s rsaSigned) padded() *big.Int {
	tail := digestPrefix[s.hash] + string(s.digest)
	fill := len(s.signature) - len(tail) - 3
	if fill < 8 {
		return new(big.Int)
	}
	return new(big.Int).SetBytes([]byte("\x00\x01" + strings.Repeat("\xff", fill) + "\x00" + tail))
}

// multiple returns s^e-m.
func (s rsaSigned) multiple(ctx context.Context, e int) (*big.Int, error) {
	base := new(big.Int).SetBytes(s.signature)
	power := new(big.Int).Set(base)
	for bit := big.NewInt(int64(e)).BitLen() - 2; bit >= 0; bit-- {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		power.Mul(power, power)
		if e>>bit&1 == 1 {
			power.Mul(power, base)
		}
	}
	return power.Sub(power, s.padded()), nil
}

func (s rsaSigned) verifies(pub *rsa.PublicKey) bool {
	if (pub.N.BitLen()+7)/8 != len(s.signature) {
		return false
	}
	power := new(big.Int).Exp(new(big.Int).SetBytes(s.signature), big.NewInt(int64(pub.E)), pub.N)
	return power.Cmp(s.padded()) == 0
}

// withoutSmallFactors divides n by what no RSA modulus is divisible by.
func withoutSmallFactors(n *big.Int) {
	var quotient, rest, p big.Int
	for i := int64(2); i < 1<<16 && n.Sign() > 0; i++ {
		for p.SetInt64(i); ; n.Set(&quotient) {
			if quotient.QuoRem(n, &p, &rest); rest.Sign() != 0 {
				break
			}
		}
	}
}
