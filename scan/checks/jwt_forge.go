package checks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"time"

	"github.com/wiretight/wiretight/scan"
)

// hmacToken signs under HS256.
func hmacToken(secret string, header, claims map[string]any) (string, error) {
	var text string
	for _, part := range []map[string]any{header, claims} {
		raw, err := json.Marshal(part)
		if err != nil {
			return "", err
		}
		text += "." + base64.RawURLEncoding.EncodeToString(raw)
	}
	text = text[1:]
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// freshClaims is the token's claims, issued now and good for five minutes.
func freshClaims(token scan.Token, now time.Time) map[string]any {
	claims := maps.Clone(token.Claims)
	claims["exp"], claims["iat"] = now.Add(5*time.Minute).Unix(), now.Unix()
	for name, value := range map[string]any{"nbf": now.Unix(), "jti": scan.Random(16)} {
		if _, ok := claims[name]; ok {
			claims[name] = value
		}
	}
	return claims
}
