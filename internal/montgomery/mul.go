package montgomery

import "math/bits"

// mulWords sets z to (a·b + y·n)/R for the y below R that makes the division
// come out even. The limbs of a, b and n must be below 2^52, those of z may be
// above and need a carry. It is what mulVectors does, in Go.
//
// For each limb of b, from the lowest: t += a·b[i]; t += y·n, with the y that
// makes the lowest limb of t zero but for its carry; t is moved one limb down.
// A product of limbs has 104 bits. Its upper half belongs one limb higher, that
// is to say to the same place once t has been moved.
//
// No limb overflows: each of the 40 steps adds four numbers below 2^52 to it,
// and to the lowest one also what it carried in the step before. So a limb
// stays below 160·2^52, a carry below 2^9, and their sum far below 2^64.
func mulWords(z, a, b, n *limbs, inverse uint64) {
	var t limbs
	for _, bi := range b {
		y := (t[0] + a[0]*bi) * inverse & limbMask
		for j := range t {
			t[j] += a[j]*bi&limbMask + n[j]*y&limbMask
		}
		c := t[0] >> limbBits
		copy(t[:], t[1:])
		t[limbCount-1] = 0
		t[0] += c
		for j := range t {
			t[j] += upper(a[j], bi) + upper(n[j], y)
		}
	}
	*z = t
}

// upper is what a product of two limbs has above 52 bits.
func upper(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi<<(64-limbBits) | lo>>limbBits
}
