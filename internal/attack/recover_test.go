package attack_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/attack"
)

// keyWithExponent makes an RSA key, which the standard library only does for
// 65537.
func keyWithExponent(t testing.TB, bits, e int) *rsa.PrivateKey {
	t.Helper()
	one, exponent := big.NewInt(1), big.NewInt(int64(e))
	for {
		p, err := rand.Prime(rand.Reader, bits/2)
		if err != nil {
			t.Fatal(err)
		}
		q, err := rand.Prime(rand.Reader, bits/2)
		if err != nil {
			t.Fatal(err)
		}
		n := new(big.Int).Mul(p, q)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(exponent, phi)
		if d == nil || n.BitLen() != bits || p.Cmp(q) == 0 {
			continue
		}
		k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: e}, D: d, Primes: []*big.Int{p, q}}
		k.Precompute()
		return k
	}
}

func rsaToken(t testing.TB, k *rsa.PrivateKey, alg, payload string) string {
	t.Helper()
	text := encode([]byte(`{"alg":"`+alg+`"}`)) + "." + encode([]byte(payload))
	hash := hashes[alg[2:]]
	h := hash.New()
	h.Write([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k, hash, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(signature)
}

func TestRecoverKey(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		bits int
		e    int
		algs [2]string
	}{
		{"exponent 3", 1024, 3, [2]string{"RS256", "RS256"}},
		{"exponent 17, two hashes", 1024, 17, [2]string{"RS256", "RS512"}},
		{"exponent 257", 1024, 257, [2]string{"RS384", "RS384"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := keyWithExponent(t, test.bits, test.e)
			a, b := rsaToken(t, k, test.algs[0], `{"jti":"a"}`), rsaToken(t, k, test.algs[1], `{"jti":"b"}`)
			got, err := attack.RecoverKey(t.Context(), a, b, test.e)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal(k.Public()) {
				t.Errorf("got another key")
			}
		})
	}
}

func TestRecoverKeyRefuses(t *testing.T) {
	t.Parallel()
	k, other := keyWithExponent(t, 1024, 3), keyWithExponent(t, 1024, 3)
	a, b := rsaToken(t, k, "RS256", `{"jti":"a"}`), rsaToken(t, k, "RS256", `{"jti":"b"}`)
	foreign := rsaToken(t, other, "RS256", `{"jti":"b"}`)
	long := encode([]byte(`{"alg":"RS256"}`)) + ".e30." + strings.Repeat("AAAA", 400)
	for _, test := range []struct {
		name, first, second string
		e                   int
	}{
		{"the same token", a, a, 3},
		{"keys of two issuers", a, foreign, 3},
		{"another exponent", a, b, 5},
		{"an even exponent", a, b, 4},
		{"exponent one", a, b, 1},
		{"no token", a, "opaque", 3},
		{"HMAC", hmacToken("HS256", "x"), b, 3},
		{"signatures of different lengths", a, rsaToken(t, keyWithExponent(t, 1088, 3), "RS256", `{}`), 3},
		{"a signature without end", long, long, 3},
		{"a signature too short", encode([]byte(`{"alg":"RS256"}`)) + ".e30.AAAA", b, 3},
		{"a signature of zeros", encode([]byte(`{"alg":"RS256"}`)) + ".e30." + encode(make([]byte, 128)), b, 3},
	} {
		if got, err := attack.RecoverKey(t.Context(), test.first, test.second, test.e); err == nil {
			t.Errorf("%s: got %v, want an error", test.name, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := attack.RecoverKey(ctx, a, b, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// The divisor must be that of math/big, whatever the shape of the numbers.
func TestGCD(t *testing.T) {
	t.Parallel()
	number := func(bits uint) *big.Int {
		n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), bits))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	power := func(base int64, exponent int64) *big.Int {
		return new(big.Int).Exp(big.NewInt(base), big.NewInt(exponent), nil)
	}
	fib := func(n int) *big.Int {
		a, b := big.NewInt(0), big.NewInt(1)
		for range n {
			a, b = b, a.Add(a, b)
		}
		return a
	}
	common := number(2048)
	for _, test := range []struct {
		name string
		x, y *big.Int
	}{
		{"zero and zero", new(big.Int), new(big.Int)},
		{"zero and more", new(big.Int), number(50_000)},
		{"equal", common, common},
		{"coprime", number(60_000), number(60_000)},
		{"common factor", new(big.Int).Mul(common, number(70_000)), new(big.Int).Mul(common, number(70_000))},
		{"lengths far apart", new(big.Int).Mul(common, number(90_000)), new(big.Int).Mul(common, number(20_000))},
		{"long common factor", new(big.Int).Mul(fib(60_000), common), new(big.Int).Mul(fib(60_000), number(30_000))},
		{"powers", power(6, 20_000), power(10, 20_000)},
		{"neighbours", power(3, 40_000), new(big.Int).Add(power(3, 40_000), big.NewInt(1))},
		{"Fibonacci, the slowest for Euclid", fib(80_000), fib(79_999)},
		{"multiple of the other", new(big.Int).Mul(fib(40_000), big.NewInt(3)), fib(40_000)},
	} {
		want := new(big.Int).GCD(nil, nil, test.x, test.y)
		for range 2 {
			got, err := attack.GCD(t.Context(), test.x, test.y)
			if err != nil || got.Cmp(want) != 0 {
				t.Errorf("%s: got %d bits, %v; want %d bits", test.name, got.BitLen(), err, want.BitLen())
			}
			test.x, test.y = test.y, test.x
		}
	}
}
