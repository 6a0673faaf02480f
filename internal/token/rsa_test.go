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
					if got := token.VerifyRSA(&k.PublicKey, hash, digest, signature); got != want {
						t.Errorf("%s: got %v, want %v as crypto/rsa", name, got, want)
					}
				}
				for _, wrong := range [][]byte{nil, digest[1:], append(bytes.Clone(digest), 0)} {
					if token.VerifyRSA(&k.PublicKey, hash, wrong, good) {
						t.Errorf("a digest of %d bytes was taken", len(wrong))
					}
				}
				if token.VerifyRSA(&k.PublicKey, crypto.SHA1, digest[:20], good) {
					t.Error("SHA-1 was taken")
				}
			})
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
	f.Add(digest, good, encoding(k, good))
	f.Fuzz(func(t *testing.T, digest, signature, encoded []byte) {
		// What is encoded may come out of a verification, too.
		for _, s := range [][]byte{signature, raise(k, encoded)} {
			want := len(digest) == 32 && rsa.VerifyPKCS1v15(&k.PublicKey, crypto.SHA256, digest, s) == nil
			if got := token.VerifyRSA(&k.PublicKey, crypto.SHA256, digest, s); got != want {
				t.Errorf("got %v, want %v as crypto/rsa: digest %x, signature %x", got, want, digest, s)
			}
		}
	})
}
