package lab

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// publishedSecret is the one from FastAPI's tutorial, as its text stands.
const publishedSecret = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"

// keys is what tokens are signed with, in the forms that weak verifiers use.
type keys struct {
	private   *ecdsa.PrivateKey
	secret    []byte // a good one
	publicPEM []byte
	publicDER []byte
}

func newKeys(key *ecdsa.PrivateKey) (keys, error) {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return keys{}, fmt.Errorf("encode the lab's key: %w", err)
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	return keys{
		private: key, secret: secret, publicDER: der,
		publicPEM: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
	}, nil
}

// Key is the private key of the lab's ES256 tokens.
func (l *Lab) Key() *ecdsa.PrivateKey { return l.o.Key }

// JWKS is the key set that verifies the lab's ES256 tokens, whatever its flaws.
func (l *Lab) JWKS() []byte { return l.publicSet() }

func (l *Lab) publicSet() []byte {
	return []byte(`{"keys":[` + string(l.signer.JWK()) + `]}`)
}

// Mint signs (ES256) a token for alice that is good for five minutes. Claims
// given replace the usual ones; a nil value takes one out.
func (l *Lab) Mint(changes map[string]any) (string, error) {
	now := l.o.Now()
	claims := map[string]any{
		"iss": Issuer, "aud": Audience, "sub": "alice", "scope": "read write", "jti": randomText(16),
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	for name, value := range changes {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	return l.signer.Sign("at+jwt", claims)
}

// jwks publishes the key set, with more in it than is good.
func (l *Lab) jwks(w http.ResponseWriter, _ *http.Request, _ *caller) {
	var own map[string]any
	if err := json.Unmarshal(l.signer.JWK(), &own); err != nil {
		panic("lab: a key set of our own always decodes: " + err.Error())
	}
	if l.has[JWKSPrivateKey] {
		d, err := l.o.Key.Bytes()
		if err == nil {
			own["d"] = base64.RawURLEncoding.EncodeToString(d)
		}
	}
	set := []map[string]any{own}
	if l.has[JWKSWeakKey] {
		set = append(set, weakJWK())
	}
	if l.has[JWKSInconsistent] {
		l.mu.Lock()
		l.looks++
		look := l.looks
		l.mu.Unlock()
		if look%2 == 0 {
			other := maps.Clone(own)
			other["kid"] = "lab-2"
			set = []map[string]any{other}
		}
	}
	l.answer(w, http.StatusOK, map[string]any{"keys": set})
}

// weakJWK is an RSA key of 1024 bits. Nobody has its private half.
func weakJWK() map[string]any {
	n, err := hex.DecodeString("c1" + strings.Repeat("5a7d", 62) + "5a7d01")
	if err != nil {
		panic("lab: " + err.Error())
	}
	return map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "lab-old", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(n)}
}

// discovery is the metadata of OpenID Connect Discovery 1.0.
func (l *Lab) discovery(w http.ResponseWriter, r *http.Request, _ *caller) {
	base := l.base(r)
	l.answer(w, http.StatusOK, map[string]any{
		"issuer": Issuer, "jwks_uri": base + "/.well-known/jwks.json", "token_endpoint": base + "/token",
		"response_types_supported": []string{"token"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
	})
}

// base is the origin that descriptions name.
func (l *Lab) base(r *http.Request) string {
	if l.has[CleartextReference] {
		return "http://api.lab.example"
	}
	return "https://" + r.Host
}

// randomText is n random bytes in base64url.
func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}
