package scan

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/redact"
)

// Token is a credential and what can be read in it without a key.
type Token struct {
	Raw redact.Text
	// JWT says that the rest is filled: Raw is compact with a JSON header and
	// payload. Anything else is opaque.
	JWT bool
	// Header and Claims have numbers as json.Number.
	Header, Claims map[string]any
	// Alg, KeyID and Type are alg, kid and typ as they stand. Issuer, Subject,
	// Audience and ID are empty where the claim is absent or of a wrong type.
	Alg, KeyID, Type     string
	Issuer, Subject, ID  string
	Audience             []string
	Expiry, Issued, From time.Time // exp, iat, nbf; zero where absent or no number
	// SignatureBytes is the length of the signature.
	SignatureBytes int
}

// ReadToken reads what a credential says of itself. It never fails: what cannot
// be read is opaque.
func ReadToken(raw string) Token {
	t := Token{Raw: redact.NewText(raw)}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || len(raw) > maxHeader {
		return t
	}
	header, ok := readObject(parts[0])
	if !ok {
		return t
	}
	claims, ok := readObject(parts[1])
	if !ok {
		return t
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	text := func(m map[string]any, k string) string { s, _ := m[k].(string); return s }
	t.JWT, t.Header, t.Claims, t.SignatureBytes = true, header, claims, len(signature)
	t.Alg, t.KeyID, t.Type = text(header, "alg"), text(header, "kid"), text(header, "typ")
	t.Issuer, t.Subject, t.ID = text(claims, "iss"), text(claims, "sub"), text(claims, "jti")
	switch aud := claims["aud"].(type) {
	case string:
		t.Audience = []string{aud}
	case []any:
		for _, v := range aud {
			if s, ok := v.(string); ok {
				t.Audience = append(t.Audience, s)
			}
		}
	}
	t.Expiry, t.Issued, t.From = readDate(claims["exp"]), readDate(claims["iat"]), readDate(claims["nbf"])
	return t
}

func readObject(part string) (map[string]any, bool) {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil, false
	}
	return decodeObject(text)
}

// maxObject bounds the texts that are read whole: a tree takes many times the
// text's memory.
const maxObject = 256 << 10

func decodeObject(text []byte) (map[string]any, bool) {
	if len(text) > maxObject {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var o map[string]any
	if err := d.Decode(&o); err != nil || o == nil {
		return nil, false
	}
	return o, true
}

// readDate reads a NumericDate (RFC 7519 §2).
func readDate(v any) time.Time {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}
	}
	f, err := n.Float64()
	if err != nil || math.Abs(f) > 1e11 {
		return time.Time{}
	}
	return time.UnixMilli(int64(f * 1000))
}
