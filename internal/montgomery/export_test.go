package montgomery

import "math/big"

// Limbs is a number as Mul takes it.
type Limbs = limbs

// LimbMask is what a limb holds at most.
const LimbMask = limbMask

// WithWords is m without vector instructions.
func (m *Modulus) WithWords() *Modulus {
	c := *m
	c.vectors = false
	return &c
}

// Mul is a·b/R modulo m, reduced as far as a multiplication reduces.
func (m *Modulus) Mul(a, b *big.Int) *big.Int {
	var x, y limbs
	x.setBytes(a.Bytes())
	y.setBytes(b.Bytes())
	m.mul(&x, &x, &y)
	return x.Int()
}

// Int is the number that z is, whatever its limbs are.
func (z *limbs) Int() *big.Int {
	n := new(big.Int)
	for i := len(z) - 1; i >= 0; i-- {
		n.Add(n.Lsh(n, limbBits), new(big.Int).SetUint64(z[i]))
	}
	return n
}

// Carry brings the limbs of z below 2^52.
func (z *limbs) Carry() { z.carry() }

// MulWords and MulVectors return their limbs before the carry.
func MulWords(a, b, n *Limbs, inverse uint64) (z Limbs) {
	mulWords(&z, a, b, n, inverse)
	return z
}

func MulVectors(a, b, n *Limbs, inverse uint64) (z Limbs) {
	mulVectors(&z, a, b, n, inverse)
	return z
}
