package scan

import (
	"context"
	"crypto"
	"crypto/hmac"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/redact"
)

// maxGuessing bounds the search for a secret.
const maxGuessing = 60 * time.Second

// Secret is an HMAC secret of the target's.
type Secret struct {
	Value redact.Text
	// Guessed says that it was not given by the user. Tried is how many
	// candidates were compared.
	Guessed bool
	Tried   int
}

// Material is what an attacker knows: the token, the published keys, and the
// secret if it was given or guessed. It waits for the guessing. CallbackURL is
// one trap of Callback's, or empty.
func (t *Target) Material(ctx context.Context) attack.Material {
	token, _ := t.Token()
	m := attack.Material{Token: string(token.Raw.Reveal()), Now: t.now()}
	for _, doc := range t.surface.keys {
		if doc.Keys != nil && m.JWKS == nil {
			m.JWKS = doc.Raw
		}
		if m.PublicKey == nil {
			m.PublicKey, m.Cert = publicKey(doc, token)
		}
	}
	if m.Cert == nil && t.surface.root != nil && t.surface.root.TLS != nil && len(t.surface.root.TLS.PeerCertificates) > 0 {
		m.Cert = t.surface.root.TLS.PeerCertificates[0]
	}
	if secret, known := t.Secret(ctx); known {
		key := secret.Value.Reveal()
		m.SignText = func(header, claims string) (string, error) { return signText(key, token.Alg, header, claims) }
		m.Sign = func(header, claims map[string]any) (string, error) {
			h, err := json.Marshal(header)
			if err != nil {
				return "", err
			}
			c, err := json.Marshal(claims)
			if err != nil {
				return "", err
			}
			return m.SignText(string(h), string(c))
		}
	}
	if c, err := t.Callback(); err == nil {
		m.CallbackURL = c.shared.URL()
	}
	return m
}

// publicKey finds the token's key in a document: by its kid, or else the one
// that verifies the token, or else the only one.
func publicKey(doc KeySetDoc, token Token) (crypto.PublicKey, *x509.Certificate) {
	if doc.Keys == nil {
		return fromPEM(doc.Raw)
	}
	var verifying, only *jose.JSONWebKey
	for _, fields := range doc.Keys {
		k, ok := readKey(fields)
		switch {
		case !ok:
		case token.KeyID != "" && k.KeyID == token.KeyID:
			return k.Key, leaf(k)
		case verifying == nil && verifies(k, token):
			verifying = k
		case len(doc.Keys) == 1:
			only = k
		}
	}
	for _, k := range []*jose.JSONWebKey{verifying, only} {
		if k != nil {
			return k.Key, leaf(k)
		}
	}
	return nil, nil
}

// readKey reads a key of a set, without its private half.
func readKey(fields map[string]any) (*jose.JSONWebKey, bool) {
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, false
	}
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON(text); err != nil {
		return nil, false
	}
	public := k.Public()
	return &public, public.Valid()
}

func leaf(k *jose.JSONWebKey) *x509.Certificate {
	if len(k.Certificates) == 0 {
		return nil
	}
	return k.Certificates[0]
}

// verifies reports whether k has signed the token.
func verifies(k *jose.JSONWebKey, token Token) bool {
	signed, err := jose.ParseSignedCompact(string(token.Raw.Reveal()), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(token.Alg)})
	if err != nil {
		return false
	}
	_, err = signed.Verify(k.Key)
	return err == nil
}

func fromPEM(text []byte) (crypto.PublicKey, *x509.Certificate) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, nil
		}
		if k, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			return k, nil
		}
		if k, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
			return k, nil
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			return c.PublicKey, c
		}
	}
}

// signText signs under the header's own HMAC algorithm, or else the token's.
func signText(key []byte, alg, header, claims string) (string, error) {
	var h struct {
		Alg string `json:"alg"`
	}
	if json.Unmarshal([]byte(header), &h) == nil && hashes[h.Alg] != 0 {
		alg = h.Alg
	}
	hash := hashes[alg]
	if hash == 0 {
		return "", fmt.Errorf("sign with a secret: %q is no HMAC algorithm", alg)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	mac := hmac.New(hash.New, key)
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil)), nil
}

var hashes = map[string]crypto.Hash{"HS256": crypto.SHA256, "HS384": crypto.SHA384, "HS512": crypto.SHA512}

// Secret is the secret that signs the target's tokens: the user's, or the one
// that was guessed. It is guessed once in a scan, without asking the target.
func (t *Target) Secret(ctx context.Context) (secret Secret, known bool) {
	if !t.config.Secret.Empty() {
		return Secret{Value: t.config.Secret}, true
	}
	type outcome struct {
		Secret
		known bool
	}
	o, err := Memo(t, "secret", func() (outcome, error) {
		guessed, err := t.guess()
		return outcome{Secret{Value: redact.NewText(guessed.Secret), Guessed: true, Tried: guessed.Tried}, guessed.Secret != nil}, err
	})
	if err != nil || ctx.Err() != nil {
		return o.Secret, false
	}
	return o.Secret, o.known
}

func (t *Target) guess() (attack.Guessed, error) {
	token, ok := t.Token()
	if !ok || hashes[token.Alg] == 0 {
		return attack.Guessed{}, nil
	}
	ctx, cancel := context.WithTimeout(t.life, maxGuessing)
	defer cancel()
	hints := attack.Hints{Host: t.Host(), Issuer: token.Issuer}
	if t.surface.spec != nil {
		hints.Title = t.surface.spec.Title
	}
	found, err := attack.Guess(ctx, string(token.Raw.Reveal()), attack.Candidates(hints, t.config.Wordlist))
	if len(found.Secret) > 0 {
		t.secrets.hide(string(found.Secret))
	}
	return found, err
}
