package redact

import "strings"

// schemes are those of which the credential is one word.
var schemes = []string{"bearer", "dpop", "basic"}

// notCredentials are words that follow the name of a scheme in sentences, and
// the parameters of its challenges (RFC 6750 §3, RFC 9449 §7.1, RFC 7617 §2).
var notCredentials = map[string]bool{
	"a": true, "an": true, "and": true, "are": true, "as": true, "auth": true,
	"authentication": true, "authorization": true, "binding": true, "but": true,
	"by": true, "challenge": true, "credential": true, "credentials": true,
	"for": true, "from": true, "has": true, "header": true, "in": true, "is": true,
	"jwt": true, "jwts": true, "key": true, "keys": true, "method": true,
	"missing": true, "must": true, "nonce": true, "nonces": true, "not": true,
	"of": true, "on": true, "only": true, "or": true, "prefix": true,
	"presents": true, "proof": true, "proofs": true, "required": true,
	"scheme": true, "that": true, "the": true, "to": true, "token": true,
	"tokens": true, "type": true, "was": true, "with": true, "without": true,
}

var challenge = map[string]bool{
	"realm": true, "error": true, "error_description": true, "error_uri": true,
	"scope": true, "algs": true, "charset": true, "resource_metadata": true,
}

func isScheme(word string) bool {
	for _, scheme := range schemes {
		if strings.EqualFold(word, scheme) {
			return true
		}
	}
	return false
}

// schemeBefore returns the scheme, in lower case, that ends at s[:end].
func schemeBefore(s string, end int) string {
	if end < 4 || strings.IndexByte("rRpPcC", s[end-1]) < 0 {
		return ""
	}
	for _, scheme := range schemes {
		start := end - len(scheme)
		if start >= 0 && strings.EqualFold(s[start:end], scheme) && startsWord(s, start) {
			return scheme
		}
	}
	return ""
}

// credential masks what follows a scheme that ends at i, behind a space that is
// written in size bytes.
func (m *masker) credential(size int) bool {
	scheme := schemeBefore(m.s, m.i)
	if scheme == "" {
		return false
	}
	from := m.i + size
	for from < len(m.s) && (strings.IndexByte(" \t\"'\\<", m.s[from]) >= 0) {
		from++
	}
	if n := maskedLen(m.s[from:]); n > 0 {
		return m.pass(from + n)
	}
	end := from
	for end < len(m.s) {
		c, n := decodeAt(m.s, end)
		if !isToken68(c) || m.s[end] == '+' && m.s[m.i] == '+' { // + is a space here
			break
		}
		end += n
	}
	for end > from && m.s[end-1] == '.' && !isToken(m.s[from:end]) {
		end--
	}
	value := m.s[from:end]
	switch {
	case value == "" || !isCredential(scheme, value):
		return false
	case isToken(value):
		return m.replace(from, end, maskedToken(value))
	}
	return m.replace(from, end, Redacted)
}

func isToken68(c byte) bool {
	return isAlnum(c) || strings.IndexByte("-._~+/=", c) >= 0 && c != 0
}

// isCredential tells a credential from the next word of a sentence and from the
// parameters of a challenge.
func isCredential(scheme, value string) bool {
	if scheme == "basic" {
		return isBasic(value)
	}
	if name, _, found := strings.Cut(value, "="); found && challenge[strings.ToLower(name)] {
		return false
	}
	return len(value) > len("authentication") || !notCredentials[strings.ToLower(value)]
}

// isBasic tells whether value is, or may well be, base64 of name:password, in
// either alphabet (RFC 4648 §4, §5).
func isBasic(value string) bool {
	bits, count := uint32(0), 0
	for i := 0; i < len(value); {
		c, size := decodeAt(value, i)
		switch c {
		case '+':
			c = '-'
		case '/':
			c = '_'
		}
		digit, ok := base64Digit(c)
		if !ok { // padding
			break
		}
		bits, count, i = bits<<6|uint32(digit), count+6, i+size
		if count >= 8 {
			count -= 8
			if byte(bits>>count) == ':' {
				return true
			}
		}
	}
	return isRandom(value)
}

// isRandom tells whether value looks drawn by lot rather than written: long,
// with digits and letters.
func isRandom(value string) bool {
	return len(value) >= 12 && strings.ContainsAny(value, "0123456789") &&
		strings.ContainsAny(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
}
