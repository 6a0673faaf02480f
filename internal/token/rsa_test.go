package token_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"fmt"
	"math/big"
	"sync"
	"testing"

	"github.com/wiretight/wiretight/internal/montgomery"
	"github.com/wiretight/wiretight/internal/token"
)

var rsaKeys = sync.OnceValue(func() (keys []*rsa.PrivateKey) {
	for _, bits := range []int{2048, 2056, 3072} { // whole words, and not
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		keys = append(keys, k)
	}
	return keys
})

// bothWays are a key with the arithmetic that this machine has, and one without
// it where that is another.
func bothWays(t testing.TB, pub *rsa.PublicKey) map[string]*token.RSAKey {
	t.Helper()
	k, err := token.NewRSAKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	want := montgomery.Fast() && pub.E == montgomery.Exponent && pub.N.BitLen() <= montgomery.MaxBits
	if k.Quick() != want {
		t.Fatalf("RSA of %d bits with exponent %d has the faster arithmetic: got %v, want %v", pub.N.BitLen(), pub.E, k.Quick(), want)
	}
	ways := map[string]*token.RSAKey{"as it is": k}
	if want {
		ways["slow"] = k.Slow()
	}
	return ways
}

// raise encrypts what is to come out of a verification, as whoever holds the
// private key could.
func raise(k *rsa.PrivateKey, encoded []byte) []byte {
	return new(big.Int).Exp(new(big.Int).SetBytes(encoded), k.D, k.N).FillBytes(make([]byte, k.Size()))
}

// encoding is the padded digest of a signature.
func encoding(k *rsa.PrivateKey, signature []byte) []byte {
	return new(big.Int).Exp(new(big.Int).SetBytes(signature), big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, k.Size()))
}

// TestRSAAgreesWithGo puts genuine signatures and every kind of spoilt one to
// both this package and crypto/rsa.
func TestRSAAgreesWithGo(t *testing.T) {
	t.Parallel()
	for _, k := range rsaKeys() {
		ways := bothWays(t, &k.PublicKey)
		for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			t.Run(fmt.Sprint(k.N.BitLen(), hash), func(t *testing.T) {
				t.Parallel()
				digest := bytes.Repeat([]byte{0x5a}, hash.Size())
				good, err := rsa.SignPKCS1v15(rand.Reader, k, hash, digest)
				if err != nil {
					t.Fatal(err)
				}
				em := encoding(k, good)
				edited := func(edit func(em []byte) []byte) []byte { return raise(k, edit(bytes.Clone(em))) }
				info := len(em) - hash.Size() - 19
				for name, signature := range map[string][]byte{
					"genuine":   good,
					"empty":     nil,
					"zero":      make([]byte, len(good)),
					"one":       append(make([]byte, len(good)-1), 1),
					"modulus":   k.N.Bytes(),
					"above":     new(big.Int).Add(new(big.Int).SetBytes(good), k.N).FillBytes(make([]byte, len(good)+1))[1:],
					"long":      append([]byte{0}, good...),
					"short":     good[1:],
					"trailing":  append(bytes.Clone(good), 0),
					"negative":  new(big.Int).Sub(k.N, new(big.Int).SetBytes(good)).FillBytes(make([]byte, len(good))),
					"block 2":   edited(func(em []byte) []byte { em[1] = 2; return em }),
					"padding":   edited(func(em []byte) []byte { em[9] = 0xfe; return em }),
					"separator": edited(func(em []byte) []byte { em[info-1] = 0xff; return em }),
					"other OID": edited(func(em []byte) []byte { em[info+14] ^= 7; return em }),
					"digest":    edited(func(em []byte) []byte { em[len(em)-1] ^= 1; return em }),
					"no NULL":   edited(func(em []byte) []byte { em[info+15] = 4; return em }),
					// The digest further left, and what nobody looks at behind it (CVE-2006-4339).
					"garbage behind": edited(func(em []byte) []byte {
						out := append([]byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, em[info:]...)
						return append(out, bytes.Repeat([]byte{7}, len(em)-len(out))...)
					}),
					"no padding": edited(func(em []byte) []byte {
						out := append([]byte{0, 1, 0}, em[info:]...)
						return append(out, make([]byte, len(em)-len(out))...)
					}),
				} {
					want := rsa.VerifyPKCS1v15(&k.PublicKey, hash, digest, signature) == nil
					if want != (name == "genuine") {
						t.Errorf("%s: crypto/rsa says %v", name, want)
					}
					for way, k := range ways {
						if got := k.Verify(hash, digest, signature); got != want {
							t.Errorf("%s, %s: got %v, want %v as crypto/rsa", way, name, got, want)
						}
					}
				}
				for way, k := range ways {
					for _, wrong := range [][]byte{nil, digest[1:], append(bytes.Clone(digest), 0)} {
						if k.Verify(hash, wrong, good) {
							t.Errorf("%s: a digest of %d bytes was taken", way, len(wrong))
						}
					}
					if k.Verify(crypto.SHA1, digest[:20], good) {
						t.Errorf("%s: SHA-1 was taken", way)
					}
				}
			})
		}
	}
}

// TestRSADistrusts an arithmetic that errs: one for a modulus that differs in
// one bit stands for it.
func TestRSADistrusts(t *testing.T) {
	t.Parallel()
	k := rsaKeys()[0]
	digest := bytes.Repeat([]byte{3}, 32)
	good, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	bad[100] ^= 1
	flipped := func(bit int) *big.Int { return new(big.Int).SetBit(k.N, bit, k.N.Bit(bit)^1) }
	for name, c := range map[string]struct {
		modulus *big.Int
		quick   bool
	}{
		"right":                {k.N, true},
		"lowest bit but one":   {flipped(1), false},
		"in a limb's top":      {flipped(51), false},
		"in a limb's bottom":   {flipped(52), false},
		"in the middle":        {flipped(1024), false},
		"near the top":         {flipped(2046), false},
		"not as long":          {new(big.Int).SetBit(new(big.Int).Rsh(k.N, 8), 0, 1), false},
		"refuses all but zero": {big.NewInt(3), false},
	} {
		quick, err := montgomery.New(c.modulus)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		key := bothWays(t, &k.PublicKey)["as it is"].Slow()
		key.Trust(quick)
		if got := key.Quick(); got != c.quick {
			t.Errorf("%s: got trust %v, want %v", name, got, c.quick)
		}
		if !key.Verify(crypto.SHA256, digest, good) || key.Verify(crypto.SHA256, digest, bad) {
			t.Errorf("%s: no longer verifies what is right, or only that", name)
		}
	}
}

// TestRSAOtherExponents are verified as before.
func TestRSAOtherExponents(t *testing.T) {
	t.Parallel()
	k := rsaKeys()[0]
	digest := bytes.Repeat([]byte{4}, 32)
	for _, e := range []int64{3, 5, 17, 257, 65539, 1<<31 - 1} {
		d := new(big.Int).ModInverse(big.NewInt(e), phi(k))
		if d == nil {
			continue // no inverse: this key cannot have that exponent
		}
		other := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: k.N, E: int(e)}, D: d, Primes: k.Primes}
		good, err := rsa.SignPKCS1v15(rand.Reader, other, crypto.SHA256, digest)
		if err != nil {
			t.Fatalf("exponent %d: %v", e, err)
		}
		for way, key := range bothWays(t, &other.PublicKey) {
			if !key.Verify(crypto.SHA256, digest, good) {
				t.Errorf("exponent %d, %s: the signature was refused", e, way)
			}
		}
	}
}

func phi(k *rsa.PrivateKey) *big.Int {
	one := big.NewInt(1)
	p, q := new(big.Int).Sub(k.Primes[0], one), new(big.Int).Sub(k.Primes[1], one)
	return p.Mul(p, q)
}

func TestRSAAllocates(t *testing.T) {
	k := rsaKeys()[0]
	digest := bytes.Repeat([]byte{5}, 32)
	good, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest)
	if err != nil {
		t.Fatal(err)
	}
	for way, key := range bothWays(t, &k.PublicKey) {
		want := 0.0
		if !key.Quick() {
			want = 1 // what comes out
		}
		if got := testing.AllocsPerRun(20, func() { key.Verify(crypto.SHA256, digest, good) }); got > want {
			t.Errorf("%s: got %v allocations, want %v", way, got, want)
		}
	}
}

// FuzzRSA accepts what crypto/rsa accepts and nothing else.
func FuzzRSA(f *testing.F) {
	k := rsaKeys()[0]
	digest := bytes.Repeat([]byte{1}, 32)
	good, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest)
	if err != nil {
		f.Fatal(err)
	}
	ways := bothWays(f, &k.PublicKey)
	f.Add(digest, good, encoding(k, good))
	f.Fuzz(func(t *testing.T, digest, signature, encoded []byte) {
		// What is encoded may come out of a verification, too.
		for _, s := range [][]byte{signature, raise(k, encoded)} {
			want := len(digest) == 32 && rsa.VerifyPKCS1v15(&k.PublicKey, crypto.SHA256, digest, s) == nil
			for way, k := range ways {
				if got := k.Verify(crypto.SHA256, digest, s); got != want {
					t.Errorf("%s: got %v, want %v as crypto/rsa: digest %x, signature %x", way, got, want, digest, s)
				}
			}
		}
	})
}
