package montgomery

import "encoding/binary"

// limbs is a number in radix 2^52, lowest limb first: what the instructions
// multiply. It has room for 2080 bits.
type limbs [limbCount]uint64

const (
	limbBits  = 52
	limbCount = 40
	limbMask  = 1<<limbBits - 1
)

// room is a number's bytes, big-endian. Two limbs are thirteen of them; those
// in front are zero and let whole words be read and written at its top.
type room [4 + limbBits*limbCount/8]byte

// setBytes sets z to the big-endian number b, of up to MaxBits bits.
func (z *limbs) setBytes(b []byte) {
	var r room
	copy(r[len(r)-len(b):], b)
	for i := 0; i < limbCount; i += 2 {
		end := len(r) - i/2*13
		z[i] = binary.BigEndian.Uint64(r[end-8:]) & limbMask
		z[i+1] = binary.BigEndian.Uint64(r[end-14:]) >> 4 & limbMask
	}
}

// bytes sets out to the big-endian number that z is, which must fit. The limbs
// must be below 2^52.
func (z *limbs) bytes(out []byte) {
	var r room
	for i := 0; i < limbCount; i += 2 {
		end := len(r) - i/2*13
		binary.BigEndian.PutUint64(r[end-8:], z[i]|z[i+1]<<limbBits)
		binary.BigEndian.PutUint64(r[end-16:], z[i+1]>>(64-limbBits))
	}
	copy(out, r[len(r)-len(out):])
}

// carry brings each limb below 2^52. The number must be below 2^2080; then
// nothing is left of the last limb's carry.
func (z *limbs) carry() {
	var c uint64
	for i := range z {
		c += z[i]
		z[i] = c & limbMask
		c >>= limbBits
	}
}

// reduce subtracts n once unless z is below it. The limbs of both must be below
// 2^52.
func (z *limbs) reduce(n *limbs) {
	var d limbs
	var borrow uint64
	for i := range d {
		t := z[i] - n[i] - borrow
		d[i] = t & limbMask
		borrow = t >> 63
	}
	if borrow == 0 {
		*z = d
	}
}
