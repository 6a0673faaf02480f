package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/token"
)

// rsaJWK describes a modulus of so many bits, which has no private key.
func rsaJWK(bits int, more string) string {
	n := new(big.Int).Lsh(big.NewInt(3), uint(bits-2))
	n.Add(n, big.NewInt(12345678910111213)).SetBit(n, 0, 1)
	return `{"kty":"RSA","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(n.Bytes()) + `"` + more + `}`
}

func TestParseJWKSSkipsKeys(t *testing.T) {
	t.Parallel()
	good := string(signer(t, "ES256").JWK())
	es := func(replace ...string) string { return strings.NewReplacer(replace...).Replace(good) }
	for _, test := range []struct{ name, jwk, warning string }{
		{"short RSA", rsaJWK(2047, ""), "2047 bits"},
		{"1024 bits", rsaJWK(1024, `,"kid":"k"`), "1024 bits"},
		{"absurdly long RSA", rsaJWK(8193, ""), "8193 bits"},
		{"even modulus", `{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("_", 340) + `_g"}`, "even"},
		{"exponent one", strings.Replace(rsaJWK(2048, ""), "AQAB", "AQ", 1), "exponent"},
		{"even exponent", strings.Replace(rsaJWK(2048, ""), "AQAB", "AQAC", 1), "exponent"},
		{"huge exponent", strings.Replace(rsaJWK(2048, ""), "AQAB", "_____w", 1), "exponent"},
		{"no exponent", strings.Replace(rsaJWK(2048, ""), `"e":"AQAB",`, "", 1), "exponent"},
		{"no modulus", `{"kty":"RSA","e":"AQAB"}`, "0 bits"},
		{"modulus in standard base64", `{"kty":"RSA","e":"AQAB","n":"+/"}`, "base64url"},
		{"modulus a number", `{"kty":"RSA","e":"AQAB","n":5}`, "member n"},
		{"for encryption", es(`"use":"sig"`, `"use":"enc"`), "use"},
		{"use not a string", es(`"use":"sig"`, `"use":["sig"]`), "member use"},
		{"key_ops for signing", es(`"use":"sig"`, `"key_ops":["sign"]`), "key_ops"},
		{"key_ops empty", es(`"use":"sig"`, `"key_ops":[]`), "key_ops"},
		{"key_ops a string", es(`"use":"sig"`, `"key_ops":"verify"`), "key_ops"},
		{"symmetric", `{"kty":"oct","k":"AAAA"}`, "symmetric"},
		{"symmetric with a public alg", `{"kty":"oct","k":"AAAA","alg":"RS256"}`, "symmetric"},
		{"no kty", `{"kid":"k"}`, "no kty"},
		{"unknown kty", `{"kty":"AKP"}`, "kty"},
		{"not an object", `"key"`, "not a JSON object"},
		{"null", `null`, "not a JSON object"},
		{"alg none", es(`"alg":"ES256"`, `"alg":"none"`), "alg"},
		{"alg for encryption", rsaJWK(2048, `,"alg":"RSA-OAEP"`), "alg"},
		{"alg of another family", es(`"alg":"ES256"`, `"alg":"RS256"`), "does not fit"},
		{"alg of another curve", es(`"alg":"ES256"`, `"alg":"ES384"`), "does not fit"},
		{"alg HMAC on RSA", rsaJWK(2048, `,"alg":"HS256"`), "does not fit"},
		{"curve secp256k1", es(`"crv":"P-256"`, `"crv":"secp256k1"`, `"alg":"ES256",`, ""), "curve"},
		{"curve P-224", es(`"crv":"P-256"`, `"crv":"P-224"`, `"alg":"ES256",`, ""), "curve"},
		{"coordinates of another curve", es(`"crv":"P-256"`, `"crv":"P-384"`, `"alg":"ES256",`, ""), "coordinate"},
		{"off the curve", offCurve(t), "not on the curve"},
		{"coordinate cut", `{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}`, "coordinate"},
		{"Ed448", `{"kty":"OKP","crv":"Ed448","x":"AAAA"}`, "curve"},
		{"X25519", `{"kty":"OKP","crv":"X25519","x":"` + strings.Repeat("A", 43) + `"}`, "curve"},
		{"Ed25519 cut", `{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`, "32 bytes"},
		{"kid a number", `{"kty":"OKP","crv":"Ed25519","kid":1,"x":"` + strings.Repeat("A", 43) + `"}`, "member kid"},
		{"kid too long", es("key-ES256", strings.Repeat("k", 600)), "kid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			// Alone the set is useless; beside a good key only this one is left out.
			_, _, err := token.ParseJWKS([]byte(`{"keys":[` + test.jwk + `]}`))
			if err == nil || !strings.Contains(err.Error(), "no usable key") {
				t.Errorf("alone: got %v, want no usable key", err)
			}
			other := string(signer(t, "RS256").JWK())
			ks, warnings, err := token.ParseJWKS([]byte(`{"keys":[` + test.jwk + `,` + other + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"key-RS256"}, ks.IDs()); diff != "" || ks.Len() != 1 {
				t.Errorf("keys differ (-want +got):\n%s", diff)
			}
			if len(warnings) != 1 || !strings.Contains(warnings[0], test.warning) || !strings.Contains(warnings[0], "key 0") {
				t.Errorf("got warnings %q, want one with %q", warnings, test.warning)
			}
		})
	}
}

func offCurve(t *testing.T) string {
	t.Helper()
	x := strings.Repeat("A", 42) + "E"
	return `{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + x + `"}`
}

func TestParseJWKSRefusesSets(t *testing.T) {
	t.Parallel()
	good := string(signer(t, "ES256").JWK())
	for _, test := range []struct{ name, set, reason string }{
		{"nothing", ``, "not a JSON object"},
		{"a web page", `<!doctype html>`, "not a JSON object"},
		{"an array", `[` + good + `]`, "not a JSON object"},
		{"a single key", good, `no array "keys"`},
		{"keys an object", `{"keys":{}}`, `no array "keys"`},
		{"keys null", `{"keys":null}`, `no array "keys"`},
		{"Keys in other case", `{"Keys":[` + good + `]}`, `no array "keys"`},
		{"no key", `{"keys":[]}`, "no usable key"},
		{"keys twice", `{"keys":[` + good + `],"keys":[]}`, "twice"},
		{"a member twice in a key", `{"keys":[{"kty":"RSA","kty":"EC"}]}`, "twice"},
		{"cut", `{"keys":[` + good, "not valid JSON"},
		{"too many", `{"keys":[` + strings.Repeat(good+",", 100) + good + `]}`, "101 keys"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ks, _, err := token.ParseJWKS([]byte(test.set))
			if err == nil || !strings.Contains(err.Error(), test.reason) || ks != nil {
				t.Errorf("got %v, %v; want no set and an error with %q", ks, err, test.reason)
			}
		})
	}
}

func TestParseJWKSDropsDuplicateIDs(t *testing.T) {
	t.Parallel()
	a, b := string(signer(t, "ES256").JWK()), string(signer(t, "RS256").JWK())
	twin := strings.Replace(b, "key-RS256", "key-ES256", 1)
	broken := `{"kty":"AKP","kid":"key-ES256"}`
	for _, test := range []struct{ name, set string }{
		{"two good ones", a + "," + twin + "," + b},
		{"the same key again", a + "," + a + "," + b},
		{"one that cannot be used", a + "," + broken + "," + b},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ks, warnings, err := token.ParseJWKS([]byte(`{"keys":[` + test.set + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := ks.IDs(); !slices.Equal(got, []string{"key-RS256"}) {
				t.Errorf("got keys %q, want only key-RS256", got)
			}
			if !strings.Contains(strings.Join(warnings, "\n"), `2 keys share the kid "key-ES256"`) {
				t.Errorf("got warnings %q, want one about the shared kid", warnings)
			}
		})
	}
}

func TestParseJWKSDropsPrivateParts(t *testing.T) {
	t.Parallel()
	jwk := strings.Replace(string(signer(t, "ES256").JWK()), `"kty"`, `"d":"c2VjcmV0","kty"`, 1)
	ks, warnings, err := token.ParseJWKS([]byte(`{"keys":[` + jwk + `]}`))
	if err != nil || ks.Len() != 1 {
		t.Fatalf("got %v, %v; want the public key", ks, err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "private part") || strings.Contains(warnings[0], "c2VjcmV0") {
		t.Errorf("got warnings %q, want one about the private part that does not show it", warnings)
	}
	if err := verify(sign(t, "ES256", goodClaims()), goodPolicy("ES256"), ks, now); err != nil {
		t.Errorf("the public part: got %v, want nil", err)
	}
}

func TestKeySetNames(t *testing.T) {
	t.Parallel()
	ks := keySet(t, "RS256", "ES256")
	if ks.Len() != 2 || !ks.Has("key-RS256") || ks.Has("key-rs256") || ks.Has("") {
		t.Errorf("got Len %d, Has %v, %v, %v", ks.Len(), ks.Has("key-RS256"), ks.Has("key-rs256"), ks.Has(""))
	}
	if got := ks.IDs(); !slices.Equal(got, []string{"key-ES256", "key-RS256"}) {
		t.Errorf("got IDs %q", got)
	}
}

func TestKeySetEqual(t *testing.T) {
	t.Parallel()
	named := func(algs []string) *token.KeySet {
		ks, err := token.NewSecret(secret(), algs)
		if err != nil {
			t.Fatal(err)
		}
		return ks
	}
	unbound, _, err := token.ParseJWKS([]byte(`{"keys":[` + strings.Replace(string(signer(t, "ES256").JWK()), `"alg":"ES256",`, "", 1) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		a, b *token.KeySet
		want bool
	}{
		{"same", keySet(t, "ES256"), keySet(t, "ES256"), true},
		{"other order", keySet(t, "ES256", "RS256"), keySet(t, "RS256", "ES256"), true},
		{"other key", keySet(t, "ES256"), keySet(t, "ES384"), false},
		{"one more", keySet(t, "ES256"), keySet(t, "ES256", "RS256"), false},
		{"other name of the same key", keySet(t, "RS256"), keySet(t, "RS384"), false},
		{"other binding of the same key", keySet(t, "ES256"), unbound, false},
		{"key and secret", keySet(t, "ES256"), named([]string{"HS256"}), false},
		{"same secret", named([]string{"HS256"}), named([]string{"HS256"}), true},
		{"same secret, other algorithm", named([]string{"HS256"}), named([]string{"HS384"}), false},
		{"none", nil, nil, true},
		{"some and none", keySet(t, "ES256"), nil, false},
	} {
		if got := test.a.Equal(test.b); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
		if got := test.b.Equal(test.a); got != test.want {
			t.Errorf("%s, the other way: got %v, want %v", test.name, got, test.want)
		}
	}
}

// Good keys must not look like those of the flawed generator.
func TestParseJWKSAcceptsSoundKeys(t *testing.T) {
	t.Parallel()
	for i := range 3 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := token.NewSigner("RS256", fmt.Sprint("k", i), k); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	}
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.NewSigner("ES256", "k", weak); err == nil {
		t.Error("P-224 was accepted")
	}
}
