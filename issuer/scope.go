package issuer

import (
	"slices"
	"strings"
)

// validScopes tells whether each is a scope token (RFC 6749 §3.3).
func validScopes(scopes []string) bool {
	for _, s := range scopes {
		if s == "" || len(s) > 256 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
			return false
		}
	}
	return true
}

// chooseScopes gives what was asked for, or all of what is allowed if nothing
// was. It is false if more was asked for than is allowed.
func chooseScopes(asked string, allowed []string) ([]string, bool) {
	if asked == "" {
		return allowed, true
	}
	var chosen []string
	for s := range strings.FieldsSeq(asked) {
		if !slices.Contains(allowed, s) {
			return nil, false
		}
		if !slices.Contains(chosen, s) {
			chosen = append(chosen, s)
		}
	}
	return chosen, true
}

// common gives the scopes that are in both.
func common(a, b []string) []string {
	var both []string
	for _, s := range a {
		if slices.Contains(b, s) {
			both = append(both, s)
		}
	}
	return both
}

func invalidScope() *failure {
	return &failure{status: 400, detail: "Scope is not allowed", code: "invalid_scope", reason: "more scopes were asked for than are allowed"}
}
