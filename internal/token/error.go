package token

import (
	"errors"
	"strconv"
	"unicode/utf8"
)

// Rule names the protection that refused a token. The names are those of the
// guard's rules.
type Rule string

// The rules of this package.
const (
	RuleToken    Rule = "token"
	RuleExpired  Rule = "expired"
	RuleIssuer   Rule = "issuer"
	RuleAudience Rule = "audience"
	RuleBinding  Rule = "binding"
)

// ErrUnknownKey says that a token names a key that the set does not have. The
// set may be older than the token: a caller may fetch it once more.
var ErrUnknownKey = errors.New("no key has this kid")

// ErrSignature says that a token's signature does not match the key that it
// must have been made with: that key never made it.
var ErrSignature = errors.New("signature does not match")

// ErrNonce says that a proof lacks the nonce that was asked for, or has a
// stale one. The client is told the current one and tries again (RFC 9449 §8).
var ErrNonce = errors.New("proof has no current nonce")

// Error is why a token was refused. Every error of Parse, Verify, CheckTime
// and VerifyProof is one.
type Error struct {
	Rule Rule
	// Reason is for logs. Of the token's text it holds at most the algorithm,
	// the type and the key id, quoted and shortened.
	Reason string

	cause error
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// Unwrap returns ErrUnknownKey, ErrSignature, ErrNonce or nil.
func (e *Error) Unwrap() error { return e.cause }

func refuse(rule Rule, reason string) *Error {
	return &Error{Rule: rule, Reason: reason}
}

// quoted makes text of a token fit for a log line.
func quoted(s string) string {
	const most = 64
	if len(s) <= most {
		return strconv.QuoteToASCII(s)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.QuoteToASCII(s[:cut]) + "…"
}
