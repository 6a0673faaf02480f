package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/token"
)

func BenchmarkParse(b *testing.B) {
	raw := sign(b, "RS256", goodClaims())
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := token.Parse(raw, token.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseHostile is the costliest token of the default size that was
// thought of: as many members as fit, all of them different.
func BenchmarkParseHostile(b *testing.B) {
	raw := joined(plainHeader, `{"a":`+manyMembers(520, "")+`}`)
	if len(raw) < 7<<10 || len(raw) > 8<<10 {
		b.Fatalf("got %d bytes, want nearly 8 KiB", len(raw))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := token.Parse(raw, token.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

// The verification of a token seen for the first time, and beside it the bare
// cryptography under it: what lies between is our own price.

func BenchmarkVerifyRS256(b *testing.B) { benchmarkVerify(b, "RS256") }
func BenchmarkVerifyPS256(b *testing.B) { benchmarkVerify(b, "PS256") }
func BenchmarkVerifyES256(b *testing.B) { benchmarkVerify(b, "ES256") }
func BenchmarkVerifyEdDSA(b *testing.B) { benchmarkVerify(b, "EdDSA") }
func BenchmarkVerifyHS256(b *testing.B) { benchmarkVerify(b, "HS256") }

func benchmarkVerify(b *testing.B, alg string) {
	raw := sign(b, alg, goodClaims())
	ks, p := keySet(b, alg), goodPolicy(alg)
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := verify(raw, p, ks, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	dot := strings.LastIndexByte(raw, '.')
	signature, _ := base64.RawURLEncoding.DecodeString(raw[dot+1:])
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !bareVerify(b, alg, []byte(raw[:dot]), signature) {
				b.Fatal("refused")
			}
		}
	})
}

// BenchmarkRSA is the signature alone, with the faster arithmetic if there is
// one, and without.
func BenchmarkRSA(b *testing.B) {
	k := rsaKeys()[0]
	digest := make([]byte, 32)
	signature, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, digest)
	if err != nil {
		b.Fatal(err)
	}
	for way, key := range bothWays(b, &k.PublicKey) {
		b.Run(way, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				key.Verify(crypto.SHA256, digest, signature)
			}
		})
	}
}

func bareVerify(b *testing.B, alg string, text, signature []byte) bool {
	sum := sha256.Sum256(text)
	switch alg {
	case "RS256":
		return rsa.VerifyPKCS1v15(keys()[alg].Public().(*rsa.PublicKey), crypto.SHA256, sum[:], signature) == nil
	case "PS256":
		return rsa.VerifyPSS(keys()[alg].Public().(*rsa.PublicKey), crypto.SHA256, sum[:], signature, nil) == nil
	case "ES256":
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(keys()[alg].Public().(*ecdsa.PublicKey), sum[:], r, s)
	case "EdDSA":
		return ed25519.Verify(keys()[alg].Public().(ed25519.PublicKey), text, signature)
	case "HS256":
		mac := hmac.New(sha256.New, secret())
		mac.Write(text)
		return hmac.Equal(mac.Sum(nil), signature)
	}
	b.Fatalf("no bare verification for %s", alg)
	return false
}

func BenchmarkCheckTime(b *testing.B) {
	parsed, err := token.Parse(sign(b, "HS256", goodClaims()), token.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	p := goodPolicy("HS256")
	b.ReportAllocs()
	for b.Loop() {
		if err := parsed.Claims.CheckTime(p, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIdentity(b *testing.B) {
	parsed, err := token.Parse(sign(b, "HS256", goodClaims()), token.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		parsed.Identity()
	}
}
