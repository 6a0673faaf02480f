// Package montgomery raises numbers to the exponent of nearly all RSA keys,
// 65537, modulo the key, for the verification of signatures. It is there for
// processors with vector instructions that multiply 52-bit integers (AVX-512
// IFMA: Intel's servers since Ice Lake, AMD's since Zen 4), where it takes a
// quarter of the time of the standard library's arithmetic.
//
// Everything that it computes with is public, and it does not try to hide what
// it computes: never give it a secret, such as a private exponent, a prime or a
// message to be encrypted.
package montgomery

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
)

// Exponent is the power to which Raise raises.
const Exponent = 1<<16 + 1

// MaxBits is the length of the longest modulus.
const MaxBits = 2048

// Modulus is a modulus made ready. It is safe for concurrent use, since nothing
// changes it. The zero Modulus raises nothing.
type Modulus struct {
	bytes []byte // the modulus, big-endian, without leading zeros
	n     limbs
	// square is R² modulo n, for R = 2^2080. A product with it, divided by R as
	// each product is, has the factor R that the others keep.
	square limbs
	// inverse is -1/n modulo 2^52.
	inverse uint64
	vectors bool // multiply in the processor's vectors
}

// Fast tells whether this processor, its operating system and this build have
// the instructions. Without them a Modulus computes the same, but slower than
// other libraries do.
func Fast() bool { return vectors }

// New prepares an odd modulus above one.
func New(n *big.Int) (*Modulus, error) {
	switch {
	case n.Cmp(big.NewInt(1)) <= 0 || n.Bit(0) == 0:
		return nil, errors.New("modulus is even or below 3")
	case n.BitLen() > MaxBits:
		return nil, fmt.Errorf("modulus has %d bits, more than %d", n.BitLen(), MaxBits)
	}
	m := &Modulus{bytes: n.Bytes(), vectors: vectors}
	m.n.setBytes(m.bytes)
	square := new(big.Int).Lsh(big.NewInt(1), 2*limbBits*limbCount)
	m.square.setBytes(square.Mod(square, n).Bytes())
	// Newton's iteration: x is 1/n modulo 2^3, as of every odd number, and has
	// twice the bits after each step.
	x := m.n[0]
	for range 5 {
		x *= 2 - m.n[0]*x
	}
	m.inverse = -x & limbMask
	return m, nil
}

// Size is the length of the modulus in bytes.
func (m *Modulus) Size() int { return len(m.bytes) }

// Raise sets out to x to the power of 65537 modulo m. Both are big-endian and
// Size bytes long, and out may be x. It is false, and out is not touched, where
// a length is another or x is not below the modulus (RFC 8017 §5.2.2, step 1).
// It allocates nothing.
func (m *Modulus) Raise(out, x []byte) bool {
	if len(m.bytes) == 0 || len(x) != len(m.bytes) || len(out) != len(x) || bytes.Compare(x, m.bytes) >= 0 {
		return false
	}
	var base, power limbs
	base.setBytes(x)
	m.mul(&power, &base, &m.square) // x·R
	for range 16 {
		m.mul(&power, &power, &power) // x^2·R, x^4·R, … x^65536·R
	}
	m.mul(&power, &power, &base) // x^65537: base has no R, so the last one goes
	power.reduce(&m.n)
	power.bytes(out)
	return true
}

// mul sets z to a·b/R modulo n, not fully reduced; z may be a or b.
//
// With a and b below 2n, so is z: what is divided by R is a·b plus less than
// R·n, and (4n² + R·n)/R is n·(1 + 4n/R), where R is more than 2^30 times 4n.
// So no product ever needs a subtraction.
func (m *Modulus) mul(z, a, b *limbs) {
	if m.vectors {
		mulVectors(z, a, b, &m.n, m.inverse)
	} else {
		mulWords(z, a, b, &m.n, m.inverse)
	}
	z.carry()
}
