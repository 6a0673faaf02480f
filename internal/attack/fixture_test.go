package attack_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/token"
)

type object = map[string]any

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// party is an issuer under one algorithm, with what an attacker may know of it.
type party struct {
	alg, kid string
	secret   []byte
	key      crypto.Signer
	keys     *token.KeySet
	material attack.Material
}

var hashes = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

var privateKeys = sync.OnceValue(func() map[string]crypto.Signer {
	must := func(k crypto.Signer, err error) crypto.Signer {
		if err != nil {
			panic(err)
		}
		return k
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	return map[string]crypto.Signer{
		"RS": rsaKey, "PS": rsaKey, "EdDSA": must(ed, err),
		"ES256": must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"ES384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"ES512": must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
	}
})

func genuineClaims() object {
	return object{
		"iss": "https://id.example.com/", "sub": "alice", "aud": "api.example.com", "scope": "read",
		"exp": now.Add(5 * time.Minute).Unix(), "nbf": now.Unix(), "iat": now.Unix(), "jti": "b7a1c9",
	}
}

func newParty(t testing.TB, alg string) *party {
	t.Helper()
	p := &party{alg: alg}
	header := object{"alg": alg, "typ": "at+jwt"}
	if strings.HasPrefix(alg, "HS") {
		p.secret = make([]byte, 64)
		rand.Read(p.secret)
		var err error
		if p.keys, err = token.NewSecret(p.secret, []string{alg}); err != nil {
			t.Fatal(err)
		}
	} else {
		p.kid = "key-1"
		header["kid"] = p.kid
		p.publish(t)
	}
	p.material.Sign = func(header, claims map[string]any) (string, error) {
		return p.signText(compactJSON(t, header), compactJSON(t, claims))
	}
	p.material.SignText = p.signText
	p.material.Now = now
	var err error
	if p.material.Token, err = p.material.Sign(header, genuineClaims()); err != nil {
		t.Fatal(err)
	}
	return p
}

// publish lets the attacker know the key in every form.
func (p *party) publish(t testing.TB) {
	t.Helper()
	if p.key = privateKeys()[p.alg]; p.key == nil {
		p.key = privateKeys()[p.alg[:2]]
	}
	signer, err := token.NewSigner(p.alg, p.kid, p.key)
	if err != nil {
		t.Fatal(err)
	}
	p.material.JWKS = []byte(`{"keys":[` + string(signer.JWK()) + `]}`)
	if p.keys, _, err = token.ParseJWKS(p.material.JWKS); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "id.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, p.key.Public(), p.key)
	if err != nil {
		t.Fatal(err)
	}
	if p.material.Cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	p.material.PublicKey = p.key.Public()
}

func (p *party) signText(header, claims string) (string, error) {
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	if p.secret != nil {
		return text + "." + encode(macOf(p.alg, p.secret, text)), nil
	}
	digest, hash := []byte(text), hashes[p.alg[2:]]
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	var options crypto.SignerOpts = hash
	if strings.HasPrefix(p.alg, "PS") {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	signature, err := p.key.Sign(rand.Reader, digest, options)
	if pub, ok := p.key.Public().(*ecdsa.PublicKey); ok && err == nil {
		var rs struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(signature, &rs); err != nil {
			return "", err
		}
		size := (pub.Curve.Params().BitSize + 7) / 8
		signature = append(rs.R.FillBytes(make([]byte, size)), rs.S.FillBytes(make([]byte, size))...)
	}
	return text + "." + encode(signature), err
}

func (p *party) policy() *token.Policy {
	return &token.Policy{
		Issuer: "https://id.example.com/", Audiences: []string{"api.example.com"},
		Algorithms: []string{p.alg}, Leeway: 30 * time.Second,
	}
}

// verify is the strict verifier of this repository.
func (p *party) verify(raw string) error {
	parsed, err := token.Parse(raw, token.Limits{})
	if err != nil {
		return err
	}
	return parsed.Verify(p.policy(), p.keys, now)
}

func macOf(alg string, key []byte, text string) []byte {
	h := hmac.New(hashes[alg[2:]].New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func compactJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
