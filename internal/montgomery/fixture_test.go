package montgomery_test

import (
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/wiretight/wiretight/internal/montgomery"
)

// rounds is how often a comparison is made: n times, or what the environment
// says.
func rounds(n int) int {
	if v, err := strconv.Atoi(os.Getenv("WIRETIGHT_MONTGOMERY_ROUNDS")); err == nil && v > 0 {
		return v
	}
	return n
}

// random are numbers that are the same in every run.
func random(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

// below is a number below 2^bits.
func below(r *rand.ChaCha8, bits int) *big.Int {
	b := make([]byte, bits/8+1)
	_, _ = r.Read(b)
	return new(big.Int).Mod(new(big.Int).SetBytes(b), power(bits))
}

func power(bits int) *big.Int { return new(big.Int).Lsh(big.NewInt(1), uint(bits)) }

func plus(x *big.Int, y int64) *big.Int { return new(big.Int).Add(x, big.NewInt(y)) }

// odd makes a number odd and gives it exactly so many bits.
func odd(x *big.Int, bits int) *big.Int {
	x = new(big.Int).Mod(x, power(bits))
	return x.SetBit(x.SetBit(x, bits-1, 1), 0, 1)
}

// stripes repeats words of 52 bits, lowest first.
func stripes(words ...uint64) *big.Int {
	var l montgomery.Limbs
	for i := range l {
		l[i] = words[i%len(words)] & montgomery.LimbMask
	}
	return l.Int()
}

// moduli are those at which arithmetic goes wrong if it does anywhere, and some
// that are like any other.
func moduli() map[string]*big.Int {
	const all = montgomery.LimbMask
	m := map[string]*big.Int{
		"least of 2048 bits":      plus(power(2047), 1),
		"all ones":                plus(power(2048), -1),
		"top limb alone":          odd(new(big.Int).Lsh(stripes(all), 52*39), 2048),
		"lowest limb all ones":    plus(power(2047), montgomery.LimbMask),
		"lowest limb one":         odd(new(big.Int).Lsh(below(random(1), 2048), 52), 2048),
		"every other limb":        odd(stripes(all, 0), 2048),
		"the others":              odd(stripes(0, all), 2048),
		"upper halves":            odd(stripes(all&^(1<<26-1)), 2048),
		"lower halves":            odd(stripes(1<<26-1), 2048),
		"ones in every limb":      odd(stripes(1), 2048),
		"three":                   big.NewInt(3),
		"one limb":                big.NewInt(montgomery.LimbMask),
		"two limbs":               plus(power(104), -1),
		"not in whole bytes":      odd(below(random(2), 2047), 2041),
		"half as long":            odd(below(random(3), 1024), 1024),
		"below a limb's boundary": plus(power(52*38), -1),
		"above it":                plus(power(52*38), 1),
	}
	for i := range byte(4) {
		m["random "+strconv.Itoa(int(i))] = odd(below(random(10+i), 2048), 2048)
	}
	return m
}

// values are numbers below n: extreme ones, and count others.
func values(n *big.Int, r *rand.ChaCha8, count int) []*big.Int {
	const all = montgomery.LimbMask
	half := new(big.Int).Rsh(n, 1)
	vs := []*big.Int{
		big.NewInt(0), big.NewInt(1), big.NewInt(2), plus(n, -1), plus(n, -2), half, plus(half, 1),
		stripes(all), stripes(1), stripes(all, 0), stripes(0, all), stripes(all-1, all), stripes(1<<51, all), stripes(all &^ (1<<26 - 1)), stripes(1<<26 - 1),
		power(52), plus(power(52), -1), power(52 * 20), plus(power(52*20), -1), power(2047), plus(power(2047), -1),
	}
	for range count {
		vs = append(vs, below(r, 2048))
	}
	for _, v := range vs {
		v.Mod(v, n)
	}
	return vs
}

// ways are the two ways to compute, if this machine has both.
func ways(t testing.TB, n *big.Int) map[string]*montgomery.Modulus {
	t.Helper()
	m, err := montgomery.New(n)
	if err != nil {
		t.Fatalf("modulus %x: %v", n, err)
	}
	w := map[string]*montgomery.Modulus{"words": m.WithWords()}
	if montgomery.Fast() {
		w["vectors"] = m
	} else {
		t.Log("this processor has no AVX-512 IFMA, or the build leaves it out: only the portable arithmetic is tested")
	}
	return w
}
