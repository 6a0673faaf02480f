package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// What every token says, and every checking proxy is told to demand.
const (
	issuer   = "https://id.bench.example/"
	audience = "api.bench.example"
	scope    = "read"

	lifetime = 20 * time.Hour // of a token
	keepFor  = 8 * time.Hour  // how long a saved token is used again
)

var b64 = base64.RawURLEncoding

// signer makes tokens of one algorithm with one key.
type signer struct {
	alg    string
	key    crypto.Signer // nil for HS256
	secret []byte
}

// newSigner makes a signer with a fresh key for RS256, ES256, EdDSA or HS256.
func newSigner(alg string) (*signer, error) {
	s := &signer{alg: alg}
	var err error
	switch alg {
	case "RS256":
		s.key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, s.key, err = ed25519.GenerateKey(rand.Reader)
	case "HS256":
		s.secret = []byte(rand.Text() + rand.Text()) // 52 letters; longer than the hash
	default:
		err = fmt.Errorf("no such algorithm %q", alg)
	}
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return s, nil
}

// token signs twelve claims; n sets its subject, and its jti is random.
func (s *signer) token(n int, now time.Time) (string, error) {
	text := s.unsigned(n, now)
	sig, err := s.sign([]byte(text))
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", s.alg, err)
	}
	return text + "." + b64.EncodeToString(sig), nil
}

// forged is a token whose signature is random but of the right length and in
// the right range, so that refusing it costs a full verification.
func (s *signer) forged(n int, now time.Time) string {
	sig := make([]byte, 256)
	rand.Read(sig)
	sig[0] = 0
	return s.unsigned(n, now) + "." + b64.EncodeToString(sig)
}

func (s *signer) unsigned(n int, now time.Time) string {
	id := make([]byte, 16)
	rand.Read(id)
	header := fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, s.alg, s.kid())
	if s.key == nil { // a shared secret has no name to go by
		header = fmt.Sprintf(`{"alg":%q,"typ":"at+jwt"}`, s.alg)
	}
	claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"user-%07d","exp":%d,"nbf":%d,"iat":%d,"jti":%q,`+
		`"sid":"%x","client_id":"web","scope":"openid %s write","email":"user-%07d@bench.example","name":"Person %d of the Bench, who has quite a long name"}`,
		issuer, audience, n, now.Add(lifetime).Unix(), now.Unix(), now.Unix(), hex.EncodeToString(id),
		id[:8], scope, n, n)
	return b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(claims))
}

func (s *signer) kid() string { return "bench-" + s.alg }

func (s *signer) sign(text []byte) ([]byte, error) {
	sum := sha256.Sum256(text)
	switch key := s.key.(type) {
	case *ecdsa.PrivateKey: // JOSE wants r and s side by side, not ASN.1 (RFC 7518 §3.4)
		r, v, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			return nil, err
		}
		return append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...), nil
	case ed25519.PrivateKey:
		return ed25519.Sign(key, text), nil
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	default:
		mac := hmac.New(sha256.New, s.secret)
		mac.Write(text)
		return mac.Sum(nil), nil
	}
}

// tokens signs n of them on all cores.
func (s *signer) tokens(n int, now time.Time) ([]string, error) {
	out := make([]string, n)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				t, err := s.token(i, now)
				if err != nil {
					failed.Store(&err)
					return
				}
				out[i] = t
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	return out, nil
}

// forgeries returns n forged tokens.
func (s *signer) forgeries(n int, now time.Time) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s.forged(i, now)
	}
	return out
}

// saved is the file that spares later runs the RSA signatures.
type saved struct {
	Made   time.Time
	Key    []byte // PKCS #8
	Tokens []string
}

// savedTokens returns a signer of RS256 and n of its tokens, from file if that
// has enough recent ones, else new ones, which it saves.
func savedTokens(file string, n int, now time.Time) (*signer, []string, error) {
	if s, tokens, ok := loadTokens(file, n, now); ok {
		return s, tokens, nil
	}
	s, err := newSigner("RS256")
	if err != nil {
		return nil, nil, err
	}
	tokens, err := s.tokens(n, now)
	if err != nil {
		return nil, nil, err
	}
	der, err := s.privateDER()
	if err != nil {
		return nil, nil, err
	}
	raw, err := json.Marshal(saved{now, der, tokens})
	if err != nil {
		return nil, nil, fmt.Errorf("save tokens: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, nil, fmt.Errorf("save tokens: %w", err)
	}
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return nil, nil, fmt.Errorf("save tokens: %w", err)
	}
	return s, tokens, nil
}

// loadTokens takes any flaw of the file as a reason to make it anew.
func loadTokens(file string, n int, now time.Time) (*signer, []string, bool) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, false
	}
	var f saved
	if json.Unmarshal(raw, &f) != nil || len(f.Tokens) < n || now.Sub(f.Made) > keepFor || now.Before(f.Made) {
		return nil, nil, false
	}
	key, err := parsePrivateDER(f.Key)
	if err != nil {
		return nil, nil, false
	}
	return &signer{alg: "RS256", key: key}, f.Tokens[:n], true
}
