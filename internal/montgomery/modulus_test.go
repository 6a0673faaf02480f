package montgomery_test

import (
	"bytes"
	"math/big"
	"sync"
	"testing"

	"github.com/wiretight/wiretight/internal/montgomery"
)

// raise is what Raise has to find.
func raise(x, n *big.Int) []byte {
	return new(big.Int).Exp(x, big.NewInt(montgomery.Exponent), n).FillBytes(make([]byte, (n.BitLen()+7)/8))
}

func TestRaise(t *testing.T) {
	t.Parallel()
	for name, n := range moduli() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for way, m := range ways(t, n) {
				for _, x := range values(n, random(30), 4) {
					want := raise(x, n)
					in := x.FillBytes(make([]byte, m.Size()))
					out := make([]byte, m.Size())
					if !m.Raise(out, in) || !bytes.Equal(out, want) {
						t.Errorf("%s: %x\ngot  %x\nwant %x", way, x, out, want)
					}
					if !m.Raise(in, in) || !bytes.Equal(in, want) {
						t.Errorf("%s: %x in place\ngot  %x\nwant %x", way, x, in, want)
					}
				}
			}
		})
	}
}

// TestRaiseChain feeds results back, so that an error anywhere shows at the end.
func TestRaiseChain(t *testing.T) {
	t.Parallel()
	n := odd(below(random(31), 2048), 2048)
	m, err := montgomery.New(n)
	if err != nil {
		t.Fatal(err)
	}
	steps := rounds(200)
	want := big.NewInt(2)
	exponent := big.NewInt(montgomery.Exponent)
	got := want.FillBytes(make([]byte, m.Size()))
	for range steps {
		want.Exp(want, exponent, n)
		if !m.Raise(got, got) {
			t.Fatalf("refused %x", got)
		}
	}
	if !bytes.Equal(got, want.FillBytes(make([]byte, m.Size()))) {
		t.Errorf("after %d steps: got %x, want %x", steps, got, want)
	}
}

func TestRaiseRefuses(t *testing.T) {
	t.Parallel()
	n := odd(below(random(32), 2048), 2048)
	for way, m := range ways(t, n) {
		full := n.FillBytes(make([]byte, 256))
		last := plus(n, -1).FillBytes(make([]byte, 256))
		for name, c := range map[string]struct {
			m      *montgomery.Modulus
			out, x []byte
			want   bool
		}{
			"below the modulus": {m, make([]byte, 256), last, true},
			"the modulus":       {m, make([]byte, 256), full, false},
			"above it":          {m, make([]byte, 256), bytes.Repeat([]byte{0xff}, 256), false},
			"empty":             {m, nil, nil, false},
			"short":             {m, make([]byte, 256), last[1:], false},
			"long":              {m, make([]byte, 256), append([]byte{0}, last...), false},
			"no room":           {m, make([]byte, 255), last, false},
			"too much room":     {m, make([]byte, 257), last, false},
			"zero Modulus":      {new(montgomery.Modulus), nil, nil, false},
		} {
			untouched := bytes.Clone(c.out)
			if got := c.m.Raise(c.out, c.x); got != c.want {
				t.Errorf("%s, %s: got %v, want %v", way, name, got, c.want)
			}
			if !c.want && !bytes.Equal(c.out, untouched) {
				t.Errorf("%s, %s: refused, but wrote", way, name)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]*big.Int{
		"negative": big.NewInt(-3), "zero": big.NewInt(0), "one": big.NewInt(1), "two": big.NewInt(2),
		"even": power(2047), "2049 bits": plus(power(2048), 1), "4096 bits": plus(power(4096), -1),
	} {
		if _, err := montgomery.New(n); err == nil {
			t.Errorf("%s: %x was taken", name, n)
		}
	}
}

func TestRaiseAllocatesNothing(t *testing.T) {
	n := odd(below(random(33), 2048), 2048)
	x, out := below(random(34), 2047).FillBytes(make([]byte, 256)), make([]byte, 256)
	for way, m := range ways(t, n) {
		if got := testing.AllocsPerRun(20, func() { m.Raise(out, x) }); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", way, got)
		}
	}
}

// TestRaiseSideBySide is for the race detector, and for the registers of
// goroutines that are moved between threads.
func TestRaiseSideBySide(t *testing.T) {
	t.Parallel()
	n := odd(below(random(35), 2048), 2048)
	m, err := montgomery.New(n)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range byte(8) {
		x := below(random(40+i), 2047)
		want := raise(x, n)
		wg.Go(func() {
			in, out := x.FillBytes(make([]byte, 256)), make([]byte, 256)
			for range 500 {
				if !m.Raise(out, in) || !bytes.Equal(out, want) {
					t.Errorf("%x: got %x, want %x", x, out, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// FuzzRaise finds what math/big finds.
func FuzzRaise(f *testing.F) {
	for _, n := range moduli() {
		for _, x := range values(n, random(36), 1)[3:5] {
			f.Add(n.Bytes(), x.Bytes())
		}
	}
	f.Fuzz(func(t *testing.T, modulus, value []byte) {
		n := new(big.Int).SetBytes(modulus)
		if n.BitLen() > montgomery.MaxBits || n.Bit(0) == 0 || n.BitLen() < 2 {
			if _, err := montgomery.New(n); err == nil {
				t.Fatalf("modulus %x was taken", n)
			}
			return
		}
		x := new(big.Int).SetBytes(value)
		x.Mod(x, n)
		want := raise(x, n)
		for way, m := range ways(t, n) {
			got := make([]byte, m.Size())
			if !m.Raise(got, x.FillBytes(make([]byte, m.Size()))) || !bytes.Equal(got, want) {
				t.Errorf("%s: modulus %x, value %x\ngot  %x\nwant %x", way, n, x, got, want)
			}
		}
	})
}
