package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wiretight/wiretight/internal/token"
)

// Two foreign libraries must understand what the signer makes.
func TestSignIsUnderstoodByOthers(t *testing.T) {
	t.Parallel()
	for alg := range keys() {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			raw := sign(t, alg, goodClaims())
			jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			var jwk jose.JSONWebKey
			if err := json.Unmarshal(signer(t, alg).JWK(), &jwk); err != nil {
				t.Fatal(err)
			}
			if _, err := jws.Verify(jwk); err != nil {
				t.Errorf("go-jose: got %v, want nil", err)
			}
			if jwk.KeyID != "key-"+alg || jwk.Algorithm != alg || jwk.Use != "sig" || !jwk.IsPublic() {
				t.Errorf("got JWK %+v", jwk)
			}
			parsed, err := jwt.Parse(raw, func(*jwt.Token) (any, error) { return keys()[alg].Public(), nil },
				jwt.WithValidMethods([]string{alg}), jwt.WithTimeFunc(func() time.Time { return now }))
			if err != nil || parsed.Header["typ"] != "at+jwt" || parsed.Header["kid"] != "key-"+alg {
				t.Errorf("golang-jwt: got %v, header %v", err, parsed.Header)
			}
		})
	}
}

func TestNewSignerRefuses(t *testing.T) {
	t.Parallel()
	p256, p384, rs, ed := keys()["ES256"], keys()["ES384"], keys()["RS256"], keys()["EdDSA"]
	short := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}}
	for _, test := range []struct {
		name, alg, kid string
		key            crypto.Signer
		reason         string
	}{
		{"none", "none", "k", p256, "does not sign"},
		{"HMAC", "HS256", "k", p256, "does not sign"},
		{"unknown", "ES256K", "k", p256, "does not sign"},
		{"other curve", "ES256", "k", p384, "not for algorithm"},
		{"RSA key for ES256", "ES256", "k", rs, "not for algorithm"},
		{"EC key for RS256", "RS256", "k", p256, "not for algorithm"},
		{"EC key for EdDSA", "EdDSA", "k", p256, "not for algorithm"},
		{"Ed25519 key for PS256", "PS256", "k", ed, "not for algorithm"},
		{"short RSA key", "RS256", "k", short, "1024 bits"},
		{"no kid", "ES256", "", p256, "key id"},
		{"kid with line break", "ES256", "a\nb", p256, "key id"},
		{"long kid", "ES256", strings.Repeat("k", 600), p256, "key id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := token.NewSigner(test.alg, test.kid, test.key)
			if err == nil || !strings.Contains(err.Error(), test.reason) || s != nil {
				t.Errorf("got %v, %v; want an error with %q", s, err, test.reason)
			}
		})
	}
}

func TestSignerTellsItsName(t *testing.T) {
	t.Parallel()
	s, err := token.NewSigner("Ed25519", `a"b`, keys()["EdDSA"])
	if err != nil {
		t.Fatal(err)
	}
	if s.KeyID() != `a"b` || s.Algorithm() != "EdDSA" {
		t.Errorf("got kid %q, alg %q", s.KeyID(), s.Algorithm())
	}
	ks, _, err := token.ParseJWKS([]byte(`{"keys":[` + string(s.JWK()) + `]}`))
	if err != nil || !ks.Has(`a"b`) {
		t.Errorf("got %v, has the kid: %v", err, err == nil && ks.Has(`a"b`))
	}
}

func TestSignRefusesClaims(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		claims any
	}{
		{"array", []string{"a"}},
		{"null", nil},
		{"string", "a"},
		{"no JSON", make(chan int)},
		{"member twice", json.RawMessage(`{"sub":"a","sub":"b"}`)},
	} {
		if raw, err := signer(t, "ES256").Sign("at+jwt", test.claims); err == nil || raw != "" {
			t.Errorf("%s: got %q, %v; want an error", test.name, raw, err)
		}
	}
}

// brokenKey is a key whose hardware misbehaves.
type brokenKey struct {
	crypto.Signer
	signature []byte
	err       error
}

func (k brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return k.signature, k.err
}

func TestSignRefusesWhenTheKeyFails(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	lost := errors.New("token removed")
	for _, test := range []struct {
		name string
		key  brokenKey
	}{
		{"error", brokenKey{private, nil, lost}},
		{"empty signature", brokenKey{private, nil, nil}},
		{"not ASN.1", brokenKey{private, make([]byte, 64), nil}},
		{"zeros", brokenKey{private, []byte{0x30, 6, 2, 1, 0, 2, 1, 0}, nil}},
		{"trailing byte", brokenKey{private, []byte{0x30, 6, 2, 1, 1, 2, 1, 1, 0}, nil}},
	} {
		s, err := token.NewSigner("ES256", "k", test.key)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := s.Sign("JWT", object{})
		if err == nil || raw != "" {
			t.Errorf("%s: got %q, %v; want an error", test.name, raw, err)
		}
		if test.key.err != nil && !errors.Is(err, lost) {
			t.Errorf("%s: got %v, want it to wrap %v", test.name, err, lost)
		}
	}
}
