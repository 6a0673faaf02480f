package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

var b64 = base64.RawURLEncoding

// minter is an issuer elsewhere, whose tokens the guards take beside their own.
type minter struct {
	key *ecdsa.PrivateKey
}

func newMinter() (*minter, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return &minter{key}, nil
}

func (m *minter) jwks() []byte {
	point, _ := m.key.PublicKey.Bytes() // a generated key is on its curve
	return fmt.Appendf(nil, `{"keys":[{"kty":"EC","crv":"P-256","kid":"load","alg":"ES256","use":"sig","x":%q,"y":%q}]}`,
		b64.EncodeToString(point[1:33]), b64.EncodeToString(point[33:]))
}

// token mints one that is good for ten minutes, and returns its jti.
func (m *minter) token() (raw, jti string) {
	now := time.Now()
	jti = rand.Text()
	body := m.signed(jti, now)
	sum := sha256.Sum256([]byte(body))
	r, s, err := ecdsa.Sign(rand.Reader, m.key, sum[:])
	if err != nil {
		panic("cluster: P-256 always signs: " + err.Error())
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return body + "." + b64.EncodeToString(sig[:]), jti
}

// forged is a token with a signature of chance.
func (m *minter) forged() string {
	var sig [64]byte
	_, _ = rand.Read(sig[:]) // never fails (crypto/rand)
	return m.signed(rand.Text(), time.Now()) + "." + b64.EncodeToString(sig[:])
}

func (m *minter) signed(jti string, now time.Time) string {
	claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"load","jti":%q,"iat":%d,"exp":%d}`,
		foreign, host, jti, now.Unix(), now.Add(10*time.Minute).Unix())
	return b64.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt","kid":"load"}`)) + "." + b64.EncodeToString([]byte(claims))
}

// jtiOf reads a token's jti, and verifies nothing.
func jtiOf(raw string) (string, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return "", errors.New("not a token")
	}
	text, err := b64.DecodeString(parts[1])
	if err != nil {
		return "", fmt.Errorf("decode token: %w", err)
	}
	var claims struct {
		ID string `json:"jti"`
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return "", fmt.Errorf("decode token: %w", err)
	}
	return claims.ID, nil
}
