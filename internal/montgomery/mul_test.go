package montgomery_test

import (
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/wiretight/wiretight/internal/montgomery"
)

// TestMul holds single products to math/big, and to the bound that lets them do
// without subtractions: what is below 2n stays below 2n.
func TestMul(t *testing.T) {
	t.Parallel()
	radix := power(52 * 40)
	for name, n := range moduli() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inverse := new(big.Int).ModInverse(radix, n)
			twice := new(big.Int).Lsh(n, 1)
			factors := values(n, random(50), 3)
			for _, v := range factors[:7] {
				if unreduced := new(big.Int).Add(v, n); unreduced.BitLen() <= montgomery.MaxBits {
					factors = append(factors, unreduced)
				}
			}
			for way, m := range ways(t, n) {
				for i, a := range factors {
					for _, b := range factors[:i+1] {
						want := new(big.Int).Mul(a, b)
						want.Mod(want.Mul(want, inverse), n)
						got := m.Mul(a, b)
						if got.Cmp(twice) >= 0 {
							t.Errorf("%s: %x times %x is not below 2n: %x", way, a, b, got)
						}
						if got.Mod(got, n).Cmp(want) != 0 {
							t.Errorf("%s: %x times %x\ngot  %x\nwant %x", way, a, b, got, want)
						}
					}
				}
			}
		})
	}
}

// limb is any value of 52 bits, the extreme ones often.
func limb(r *rand.Rand) uint64 {
	const all = montgomery.LimbMask
	switch r.Uint32() % 8 {
	case 0:
		return 0
	case 1:
		return 1
	case 2, 3:
		return all
	case 4:
		return all - 1
	default:
		return r.Uint64() & all
	}
}

// TestMulVectors holds the vectors to the words limb by limb, before any carry,
// for whatever limbs: neither needs a modulus to be one.
func TestMulVectors(t *testing.T) {
	t.Parallel()
	if !montgomery.Fast() {
		t.Log("without vector instructions this compares the portable arithmetic with itself")
	}
	r := rand.New(random(60))
	for range rounds(20_000) {
		var a, b, n montgomery.Limbs
		fill := [3]uint32{r.Uint32() % 4, r.Uint32() % 4, r.Uint32() % 4}
		for i, l := range []*montgomery.Limbs{&a, &b, &n} {
			for j := range l {
				switch fill[i] {
				case 0:
					l[j] = montgomery.LimbMask
				case 1:
					l[j] = r.Uint64() & montgomery.LimbMask
				default:
					l[j] = limb(r)
				}
			}
		}
		sameProduct(t, &a, &b, &n, limb(r))
		if t.Failed() {
			return
		}
	}
}

func sameProduct(t *testing.T, a, b, n *montgomery.Limbs, inverse uint64) {
	t.Helper()
	want := montgomery.MulWords(a, b, n, inverse)
	if !montgomery.Fast() {
		return
	}
	if got := montgomery.MulVectors(a, b, n, inverse); got != want {
		t.Errorf("a %x\nb %x\nn %x\ninverse %x\ngot  %x\nwant %x", *a, *b, *n, inverse, got, want)
	}
}

// FuzzMulVectors does the same for limbs that the fuzzer thinks of.
func FuzzMulVectors(f *testing.F) {
	all := make([]byte, 3*320+8)
	for i := range all {
		all[i] = 0xff
	}
	f.Add(all)
	f.Add(all[:320])
	f.Add(make([]byte, 3*320+8))
	f.Fuzz(func(t *testing.T, data []byte) {
		var words [3*40 + 1]uint64
		for i := range words {
			var w [8]byte
			if 8*i < len(data) {
				copy(w[:], data[8*i:])
			}
			words[i] = binary.LittleEndian.Uint64(w[:]) & montgomery.LimbMask
		}
		a, b, n := montgomery.Limbs(words[:40]), montgomery.Limbs(words[40:80]), montgomery.Limbs(words[80:120])
		sameProduct(t, &a, &b, &n, words[120])
	})
}

// TestMulLeavesFactors alone, and takes them as the place of the product.
func TestMulLeavesFactors(t *testing.T) {
	t.Parallel()
	n := odd(below(random(61), 2048), 2048)
	a, b := below(random(62), 2047), below(random(63), 2047)
	for way, m := range ways(t, n) {
		if got, want := m.Mul(a, b), m.Mul(b, a); got.Cmp(want) != 0 {
			t.Errorf("%s: a·b is %x, b·a is %x", way, got, want)
		}
	}
	var x, y, z montgomery.Limbs
	for i := range x {
		x[i], y[i], z[i] = uint64(i), montgomery.LimbMask-uint64(i), uint64(i)<<40|1
	}
	a1, b1, n1 := x, y, z
	sameProduct(t, &x, &y, &z, 1)
	if x != a1 || y != b1 || z != n1 {
		t.Error("a factor was changed")
	}
}

// TestCarryRipples through every limb.
func TestCarryRipples(t *testing.T) {
	t.Parallel()
	const all = montgomery.LimbMask
	for name, lowest := range map[string]uint64{"by one": all + 1, "by as much as a product leaves": 160 << 52} {
		z := montgomery.Limbs{lowest}
		for i := range z[1 : len(z)-1] {
			z[i+1] = all
		}
		want := z.Int()
		z.Carry()
		for i, l := range z {
			if l > all {
				t.Errorf("%s: limb %d is %x", name, i, l)
			}
		}
		if got := z.Int(); got.Cmp(want) != 0 {
			t.Errorf("%s: got %x, want %x", name, got, want)
		}
		if z[len(z)-1] == 0 {
			t.Errorf("%s: nothing arrived in the last limb", name)
		}
	}
}
