package token

import (
	"crypto"
	"crypto/rand"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
)

// Signer makes tokens with one key. It is safe for concurrent use if the key is.
type Signer struct {
	alg *algorithm
	kid string
	key crypto.Signer
	jwk json.RawMessage
}

// NewSigner binds a key to one asymmetric algorithm and a key id, which go into
// every token's header. The key may live elsewhere, as in a hardware module. A
// key that ParseJWKS would not use is refused.
func NewSigner(alg, kid string, key crypto.Signer) (*Signer, error) {
	a := lookup(alg)
	if a == nil || !a.asymmetric() {
		return nil, fmt.Errorf("algorithm %s does not sign with a private key; use ES256, EdDSA or RS256", quoted(alg))
	}
	if !plain([]byte(kid)) || len(kid) > maxKeyID {
		return nil, fmt.Errorf("key id %s is empty, too long or has control characters", quoted(kid))
	}
	if !a.fits(key.Public()) {
		return nil, fmt.Errorf("key of type %T is not for algorithm %s", key.Public(), a.name)
	}
	members, err := publicMembers(key.Public())
	if err != nil {
		return nil, err
	}
	quotedID, err := json.Marshal(kid)
	if err != nil {
		return nil, fmt.Errorf("encode key id: %w", err)
	}
	jwk := `{"alg":"` + a.name + `","kid":` + string(quotedID) + `,"use":"sig",` + members + `}`
	if _, _, err := parseKey([]byte(jwk)); err != nil {
		return nil, fmt.Errorf("key %s cannot be used: %w", quoted(kid), err)
	}
	return &Signer{alg: a, kid: kid, key: key, jwk: json.RawMessage(jwk)}, nil
}

// KeyID returns the kid of the signer's tokens.
func (s *Signer) KeyID() string { return s.kid }

// Algorithm returns the alg of the signer's tokens.
func (s *Signer) Algorithm() string { return s.alg.name }

// JWK returns the public key as a JWK (RFC 7517) with kid, alg and use.
func (s *Signer) JWK() json.RawMessage { return append(json.RawMessage(nil), s.jwk...) }

// Sign returns a token of the given type, as "at+jwt", whose payload is claims
// as encoding/json writes it; it must be an object.
func (s *Signer) Sign(typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	if _, err := scanObject(payload, defaultMaxDepth, nil); err != nil {
		return "", fmt.Errorf("encode claims: payload %w", err)
	}
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}{s.alg.name, s.kid, typ})
	if err != nil {
		return "", fmt.Errorf("encode header: %w", err)
	}
	text := base64.RawURLEncoding.AppendEncode(nil, header)
	text = base64.RawURLEncoding.AppendEncode(append(text, '.'), payload)
	signature, err := s.sign(text)
	if err != nil {
		return "", fmt.Errorf("sign with key %s: %w", quoted(s.kid), err)
	}
	return string(base64.RawURLEncoding.AppendEncode(append(text, '.'), signature)), nil
}

func (s *Signer) sign(text []byte) ([]byte, error) {
	if s.alg.family == familyEd25519 {
		return s.key.Sign(rand.Reader, text, crypto.Hash(0))
	}
	digest := s.alg.digest(nil, string(text))
	if s.alg.family == familyEC {
		der, err := s.key.Sign(rand.Reader, digest, s.alg.hash)
		if err != nil {
			return nil, err
		}
		return s.alg.rawSignature(der)
	}
	var options crypto.SignerOpts = s.alg.hash
	if s.alg.pss {
		options = pssOptions(s.alg)
	}
	return s.key.Sign(rand.Reader, digest, options)
}

// rawSignature turns an ASN.1 signature into the two fixed-length numbers of
// RFC 7518 §3.4.
func (a *algorithm) rawSignature(der []byte) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("read the key's signature: %w", errSignature)
	}
	size := a.coordinate()
	if sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.BitLen() > 8*size || sig.S.BitLen() > 8*size {
		return nil, fmt.Errorf("read the key's signature: %w", errSignature)
	}
	raw := make([]byte, 2*size)
	sig.R.FillBytes(raw[:size])
	sig.S.FillBytes(raw[size:])
	return raw, nil
}
