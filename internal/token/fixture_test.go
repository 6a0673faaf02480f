package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256"
	"crypto/sha3"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// now is the time of every test.
var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

type object = map[string]any

// goodClaims returns twelve claims that the policy of goodPolicy accepts.
func goodClaims() object {
	return object{
		"iss": "https://id.example.com/", "sub": "248289761001", "aud": "api.example.com",
		"exp": now.Add(5 * time.Minute).Unix(), "nbf": now.Unix(), "iat": now.Unix(),
		"jti": "0f8fad5b-d9cb-469f-a165-70867728950e", "client_id": "web", "scope": "read write",
		"sid": "08a5019c-17e1-4977-8f42-65a12843ea02", "auth_time": now.Unix(),
		"roles": []string{"customer", "editor"},
	}
}

func with(claims object, more object) object {
	claims = maps.Clone(claims)
	for name, value := range more {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	return claims
}

func goodPolicy(algs ...string) *token.Policy {
	return &token.Policy{
		Issuer:     "https://id.example.com/",
		Audiences:  []string{"api.example.com"},
		Algorithms: algs,
	}
}

// fixed returns n bytes that are the same in every run, so that the workers of
// a fuzz test have the keys of its seeds.
func fixed(name string, n int) []byte {
	return sha3.SumSHAKE128([]byte("wiretight test key "+name), n)
}

// secret is a key of 64 bytes that nobody has published.
var secret = sync.OnceValue(func() []byte { return fixed("secret", 64) })

// keys holds one private key for each algorithm that has one.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	all := map[string]crypto.Signer{"EdDSA": ed25519.NewKeyFromSeed(fixed("EdDSA", ed25519.SeedSize))}
	for alg, curve := range map[string]elliptic.Curve{
		"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521(),
	} {
		raw := fixed(alg, (curve.Params().BitSize+7)/8)
		raw[0] = 0 // below the order of the curve
		k, err := ecdsa.ParseRawPrivateKey(curve, raw)
		if err != nil {
			panic(err)
		}
		all[alg] = k
	}
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		all[alg] = rsaKey
	}
	return all
})

func signer(t testing.TB, alg string) *token.Signer {
	t.Helper()
	s, err := token.NewSigner(alg, "key-"+alg, keys()[alg])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sign makes a token under any algorithm, HMAC included.
func sign(t testing.TB, alg string, claims any) string {
	t.Helper()
	if !strings.HasPrefix(alg, "HS") {
		raw, err := signer(t, alg).Sign("at+jwt", claims)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	return signSecret(secret(), compactJSON(t, object{"alg": alg, "typ": "JWT"}), compactJSON(t, claims), alg)
}

// signSecret signs texts that need not be sound.
func signSecret(secret []byte, header, payload, alg string) string {
	hash := map[string]crypto.Hash{"HS256": crypto.SHA256, "HS384": crypto.SHA384, "HS512": crypto.SHA512}[alg]
	text := b64(header) + "." + b64(payload)
	mac := hmac.New(hash.New, secret)
	mac.Write([]byte(text))
	return text + "." + b64(string(mac.Sum(nil)))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func compactJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// keySet returns the keys that verify what sign makes.
func keySet(t testing.TB, algs ...string) *token.KeySet {
	t.Helper()
	var jwks []json.RawMessage
	for _, alg := range algs {
		if strings.HasPrefix(alg, "HS") {
			ks, err := token.NewSecret(secret(), algs)
			if err != nil {
				t.Fatal(err)
			}
			return ks
		}
		jwks = append(jwks, signer(t, alg).JWK())
	}
	ks, warnings, err := token.ParseJWKS([]byte(compactJSON(t, object{"keys": jwks})))
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return ks
}

// verify parses and verifies.
func verify(raw string, p *token.Policy, ks *token.KeySet, at time.Time) error {
	parsed, err := token.Parse(raw, token.Limits{})
	if err != nil {
		return err
	}
	return parsed.Verify(p, ks, at)
}

// refused checks that err is a refusal by rule for a reason that holds part.
func refused(t *testing.T, err error, rule token.Rule, part string) {
	t.Helper()
	var e *token.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want a refusal by %q", err, rule)
	}
	if e.Rule != rule || !strings.Contains(e.Reason, part) {
		t.Errorf("got rule %q, reason %q; want rule %q, reason with %q", e.Rule, e.Reason, rule, part)
	}
}
