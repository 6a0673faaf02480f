package attack

import (
	"context"
	"math/big"
	"math/bits"
)

// math/big's greatest common divisor takes time quadratic in the length, hours
// for the numbers of RecoverKey. Here the leading halves of two numbers are
// reduced first, recursively (Knuth and Schönhage): most of the work becomes
// multiplication.
//
// Nothing here needs the exact remainders of Euclid's algorithm. Every step is
// a matrix of determinant 1 or -1, which keeps the divisor whatever its
// entries; rounding only costs a little progress, and a division makes sure of
// that.

// matrix takes a reduced pair back: (x, y) = m (x', y').
type matrix struct {
	a, b, c, d *big.Int
	// minus says that the determinant is -1.
	minus bool
}

func identity() *matrix {
	return &matrix{big.NewInt(1), new(big.Int), new(big.Int), big.NewInt(1), false}
}

// reduce returns m^-1 (x, y), neither negative and the larger first, and
// changes m accordingly.
func (m *matrix) reduce(x, y *big.Int) (*big.Int, *big.Int) {
	var t big.Int
	p, q := new(big.Int).Mul(m.d, x), new(big.Int).Mul(m.a, y)
	p.Sub(p, t.Mul(m.b, y))
	q.Sub(q, t.Mul(m.c, x))
	if m.minus {
		p.Neg(p)
		q.Neg(q)
	}
	if p.Sign() < 0 {
		p.Neg(p)
		m.a, m.c, m.minus = new(big.Int).Neg(m.a), new(big.Int).Neg(m.c), !m.minus
	}
	if q.Sign() < 0 {
		q.Neg(q)
		m.b, m.d, m.minus = new(big.Int).Neg(m.b), new(big.Int).Neg(m.d), !m.minus
	}
	if p.Cmp(q) < 0 {
		p, q = q, p
		m.a, m.b, m.c, m.d, m.minus = m.b, m.a, m.d, m.c, !m.minus
	}
	return p, q
}

// divide appends the step (x, y) -> (y, x mod y) to m and takes it.
func (m *matrix) divide(x, y *big.Int) (*big.Int, *big.Int) {
	q, r := new(big.Int).QuoRem(x, y, new(big.Int))
	a, c := new(big.Int).Mul(m.a, q), new(big.Int).Mul(m.c, q)
	m.a, m.b = a.Add(a, m.b), m.a
	m.c, m.d = c.Add(c, m.d), m.c
	m.minus = !m.minus
	return y, r
}

// times multiplies with seven products (Strassen, after Winograd).
func (m *matrix) times(o *matrix) *matrix {
	mul := func(x, y *big.Int) *big.Int { return new(big.Int).Mul(x, y) }
	add := func(x, y *big.Int) *big.Int { return new(big.Int).Add(x, y) }
	sub := func(x, y *big.Int) *big.Int { return new(big.Int).Sub(x, y) }
	s1 := add(m.c, m.d)
	s2 := sub(s1, m.a)
	t1 := sub(o.b, o.a)
	t2 := sub(o.d, t1)
	p1, p2 := mul(m.a, o.a), mul(m.b, o.c)
	p5, p6 := mul(s1, t1), mul(s2, t2)
	p7 := mul(sub(m.a, m.c), sub(o.d, o.b))
	p3, p4 := mul(sub(m.b, s2), o.d), mul(m.d, sub(t2, o.c))
	u2 := add(p1, p6)
	u3 := add(u2, p7)
	return &matrix{
		a: add(p1, p2), b: add(add(u2, p5), p3),
		c: sub(u3, p4), d: add(u3, p5),
		minus: m.minus != o.minus,
	}
}

// halve returns the matrix that takes x >= y to about half the length of x.
func halve(ctx context.Context, x, y *big.Int) (*matrix, error) {
	n := x.BitLen()
	half := n/2 + 1
	if y.BitLen() <= half {
		return identity(), nil
	}
	if n <= 62 {
		return halveWord(x.Uint64(), y.Uint64(), half), nil
	}
	if n > 1<<16 && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	m, err := halve(ctx, new(big.Int).Rsh(x, uint(half)), new(big.Int).Rsh(y, uint(half)))
	if err != nil {
		return nil, err
	}
	x, y = m.reduce(x, y)
	if y.BitLen() <= half {
		return m, nil
	}
	x, y = m.divide(x, y)
	if y.BitLen() <= half {
		return m, nil
	}
	drop := uint(max(2*half-x.BitLen(), 0))
	rest, err := halve(ctx, new(big.Int).Rsh(x, drop), new(big.Int).Rsh(y, drop))
	if err != nil {
		return nil, err
	}
	return m.times(rest), nil
}

// halveWord is halve for numbers that fit a word.
func halveWord(x, y uint64, half int) *matrix {
	var a, b, c, d uint64 = 1, 0, 0, 1
	minus := false
	for y != 0 && bits.Len64(y) > half {
		q := x / y
		x, y = y, x%y
		a, b = a*q+b, a
		c, d = c*q+d, c
		minus = !minus
	}
	return &matrix{
		new(big.Int).SetUint64(a), new(big.Int).SetUint64(b),
		new(big.Int).SetUint64(c), new(big.Int).SetUint64(d), minus,
	}
}

// gcd returns the greatest common divisor of two numbers that are not
// negative. It ends with ctx's error between steps.
func gcd(ctx context.Context, x, y *big.Int) (*big.Int, error) {
	const small = 1 << 14 // bits; below, math/big is as fast
	if x.Cmp(y) < 0 {
		x, y = y, x
	}
	for y.BitLen() > small {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if drop := uint(x.BitLen() / 2); y.BitLen() > int(drop)+small/2 {
			m, err := halve(ctx, new(big.Int).Rsh(x, drop), new(big.Int).Rsh(y, drop))
			if err != nil {
				return nil, err
			}
			x, y = m.reduce(x, y)
		}
		if y.Sign() != 0 {
			x, y = y, new(big.Int).Rem(x, y)
		}
	}
	return new(big.Int).GCD(nil, nil, x, y), nil
}
