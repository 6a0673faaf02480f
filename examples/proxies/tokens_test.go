package proxies_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"time"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/token"
)

// mint signs a token for alice that is good for five minutes. Claims given
// replace the usual ones.
func (b *bed) mint(changes map[string]any) string {
	b.t.Helper()
	raw, err := b.sign(map[string]any{"alg": "ES256", "kid": "key-1", "typ": "at+jwt"}, claims(changes))
	if err != nil {
		b.t.Fatal(err)
	}
	return raw
}

func claims(changes map[string]any) map[string]any {
	now := time.Now().Unix()
	all := map[string]any{
		"iss": "https://id.example.com/", "aud": host, "sub": "alice", "scope": "read", "jti": rand.Text(), "iat": now, "exp": now + 300,
	}
	maps.Copy(all, changes)
	return all
}

// forged are all tokens that somebody could make of a genuine one, even with
// the issuer's own key.
func (b *bed) forged() []attack.Forged {
	b.t.Helper()
	set, err := json.Marshal(map[string]any{"keys": []json.RawMessage{b.signer.JWK()}})
	if err != nil {
		b.t.Fatal(err)
	}
	return attack.All(attack.Material{
		Token: b.mint(nil), JWKS: set, PublicKey: b.key.Public(), Sign: b.sign, SignText: b.signText, Now: time.Now(),
	})
}

func (b *bed) sign(header, claims map[string]any) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return b.signText(string(h), string(c))
}

func (b *bed) signText(header, claims string) (string, error) { return compact(b.key, header, claims) }

// compact signs a JWS with ES256.
func compact(key *ecdsa.PrivateKey, header, claims string) (string, error) {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", err
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// holder is a client with a DPoP key.
type holder struct {
	b   *bed
	key *ecdsa.PrivateKey
	jwk json.RawMessage
	jkt string
}

// newHolder makes a client's key.
func (b *bed) newHolder() *holder {
	b.t.Helper()
	h := &holder{b: b, key: newKey(b.t)}
	signer, err := token.NewSigner("ES256", "k", h.key)
	if err != nil {
		b.t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(signer.JWK(), &all); err != nil {
		b.t.Fatal(err)
	}
	if h.jwk, err = json.Marshal(map[string]any{"kty": all["kty"], "crv": all["crv"], "x": all["x"], "y": all["y"]}); err != nil {
		b.t.Fatal(err)
	}
	if h.jkt, err = token.Thumbprint(h.key.Public()); err != nil {
		b.t.Fatal(err)
	}
	return h
}

// headers are those of one request with a token bound to the key and a proof
// for method and URI.
func (h *holder) headers(method, uri string) []string {
	h.b.t.Helper()
	raw := h.b.mint(map[string]any{"cnf": map[string]any{"jkt": h.jkt}})
	hash := sha256.Sum256([]byte(raw))
	head, err := json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": h.jwk})
	if err != nil {
		h.b.t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{
		"jti": rand.Text(), "htm": method, "htu": uri, "iat": time.Now().Unix(), "ath": base64.RawURLEncoding.EncodeToString(hash[:]),
	})
	if err != nil {
		h.b.t.Fatal(err)
	}
	proof, err := compact(h.key, string(head), string(body))
	if err != nil {
		h.b.t.Fatal(err)
	}
	return []string{"Authorization", "DPoP " + raw, "DPoP", proof}
}
