package token_test

import (
	"crypto"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"math/big"
	"testing"

	"github.com/c2sp/wycheproof"
)

// TestWycheproofRSA are vectors for what a signature may contain, with keys of
// all sizes and exponents. Whatever they call acceptable is refused.
func TestWycheproofRSA(t *testing.T) {
	t.Parallel()
	for file, hash := range map[string]crypto.Hash{
		"rsa_signature_2048_sha256_test.json": crypto.SHA256,
		"rsa_signature_2048_sha384_test.json": crypto.SHA384,
		"rsa_signature_2048_sha512_test.json": crypto.SHA512,
		"rsa_signature_3072_sha256_test.json": crypto.SHA256,
		"rsa_signature_4096_sha256_test.json": crypto.SHA256,
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			data, err := fs.ReadFile(wycheproof.TestVectors, file)
			if err != nil {
				t.Fatal(err)
			}
			var v struct {
				NumberOfTests int
				TestGroups    []struct {
					PublicKey struct {
						Modulus, PublicExponent string
					}
					Tests []struct {
						TcID             int `json:"tcId"`
						Comment          string
						Msg, Sig, Result string
					}
				}
			}
			if err := json.Unmarshal(data, &v); err != nil {
				t.Fatal(err)
			}
			ran := 0
			for _, group := range v.TestGroups {
				n, _ := new(big.Int).SetString(group.PublicKey.Modulus, 16)
				e, _ := new(big.Int).SetString(group.PublicKey.PublicExponent, 16)
				ways := bothWays(t, &rsa.PublicKey{N: n, E: int(e.Int64())})
				for _, test := range group.Tests {
					ran++
					h := hash.New()
					h.Write(unhex(t, test.Msg))
					digest, signature := h.Sum(nil), unhex(t, test.Sig)
					for way, k := range ways {
						if got, want := k.Verify(hash, digest, signature), test.Result == "valid"; got != want {
							t.Errorf("%d (%s), %s: got %v, want %v", test.TcID, test.Comment, way, got, want)
						}
					}
				}
			}
			if ran != v.NumberOfTests {
				t.Errorf("ran %d vectors of %d", ran, v.NumberOfTests)
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
