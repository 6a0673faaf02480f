package scan

import (
	"net/http"
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

// Session is what a login or a refresh gave.
type Session struct {
	Access, Refresh, IDToken redact.Text
	// ExpiresIn is expires_in of the answer. Zero: absent.
	ExpiresIn time.Duration
	// Cookies are those that the answer set.
	Cookies []*http.Cookie
	// CookieName is the cookie that Access was found in. Empty: the body.
	CookieName string
	// Response is the answer itself.
	Response *Response
}
