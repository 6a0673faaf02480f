package checks

import (
	"crypto/rand"
	"testing"
)

// mendedB has, for each check of list_b.go, the server on which it found
// something, mended. No check of any area may find anything there.
var mendedB = map[string]func(testing.TB) *fixture{
	"jwt.signature-unverified": func(t testing.TB) *fixture { return (&tokenAPI{}).start(t) },
	"jwt.null-signature":       func(t testing.TB) *fixture { return (&tokenAPI{}).start(t) },
	"jwt.alg-none":             func(t testing.TB) *fixture { return (&tokenAPI{}).start(t) },
	"jwt.blank-secret":         func(t testing.TB) *fixture { return (&tokenAPI{}).start(t) },
	"jwt.psychic-signature":    func(t testing.TB) *fixture { return (&tokenAPI{alg: "ES256", publish: true}).start(t) },
	"jwt.alg-confusion":        func(t testing.TB) *fixture { return (&tokenAPI{alg: "RS256", publish: true}).start(t) },
	"jwt.embedded-key":         func(t testing.TB) *fixture { return (&tokenAPI{alg: "ES256", publish: true}).start(t) },
	"jwt.key-fetch":            func(t testing.TB) *fixture { return (&tokenAPI{alg: "RS256", publish: true}).start(t) },
	"jwt.kid-injection":        func(t testing.TB) *fixture { return (&tokenAPI{header: map[string]any{"kid": "k1"}}).start(t) },
	"jwt.weak-secret":          func(t testing.TB) *fixture { return (&tokenAPI{secret: unguessed()}).start(t) },
	"jwt.weak-algorithm":       func(t testing.TB) *fixture { return (&tokenAPI{alg: "ES256", publish: true}).start(t) },
	"jwt.expired-accepted":     secretKnown(tokenAPI{}),
	"jwt.not-before-ignored":   secretKnown(tokenAPI{}),
	"jwt.no-expiry":            func(t testing.TB) *fixture { return (&tokenAPI{}).start(t) },
	"jwt.long-lived":           func(t testing.TB) *fixture { return (&tokenAPI{}).start(t) },
	"jwt.missing-claims":       func(t testing.TB) *fixture { return (&tokenAPI{}).start(t) },
	"jwt.issuer-unchecked":     secretKnown(tokenAPI{}),
	"jwt.audience-unchecked":   secretKnown(tokenAPI{}),
	"jwt.sensitive-claims":     func(t testing.TB) *fixture { return (&tokenAPI{}).start(t) },
	"jwt.token-in-url":         func(t testing.TB) *fixture { return (&tokenAPI{}).start(t) },
	"jwt.type-confusion": func(t testing.TB) *fixture {
		return (&tokenAPI{login: true, refresh: func(*tokenAPI) string { return rand.Text() }}).start(t)
	},
	"jwt.predictable-id": func(t testing.TB) *fixture { return (&tokenAPI{login: true}).start(t) },
	"jwt.not-revoked":    func(t testing.TB) *fixture { return (&tokenAPI{login: true, logout: "revoke"}).start(t) },
}

// unguessed is a secret that nobody guesses.
func unguessed() []byte { return []byte(rand.Text() + rand.Text()) }

// secretKnown gives the scan the secret of the API.
func secretKnown(a tokenAPI) func(testing.TB) *fixture {
	return func(t testing.TB) *fixture {
		b := a
		b.secret = unguessed()
		f := b.start(t)
		f.Config.Secret = text(string(b.secret))
		return f
	}
}
