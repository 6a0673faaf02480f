package redact

import "strings"

// Mask returns s with what must not be seen replaced:
//   - anything of the shape of a compact JWS or JWE (RFC 7515 §7.1, RFC 7516
//     §7.1), whole or without its signature, also with percent-encoded dots, by
//     the form that Token gives it;
//   - credentials after the schemes Bearer, DPoP and Basic;
//   - private keys in PEM (RFC 7468), and the private members of a JWK;
//   - the password of a URL;
//   - the values of parameters, members and headers that are secret by their
//     name, such as access_token, password or Set-Cookie.
//
// The last four become "[redacted]", or the form of Token where they are a JWT.
// Other text is returned as it is, and then nothing is allocated. Any bytes
// will do, valid UTF-8 or not; the time is linear in the length. Masking twice
// gives the same as masking once.
func Mask(s string) string {
	m := masker{s: s}
	for m.i < len(s) {
		if !anchors[s[m.i]] || !m.at(s[m.i]) {
			m.i++
		}
	}
	if m.done == 0 && m.out == nil {
		return s
	}
	return string(append(m.out, s[m.done:]...))
}

// MaskBytes is Mask for bytes. It returns b itself when nothing is masked, and
// never changes what b holds.
func MaskBytes(b []byte) []byte {
	s := string(b)
	masked := Mask(s)
	if masked == s {
		return b
	}
	return []byte(masked)
}

// anchors has the characters at which a secret can be recognised. What comes
// before them is then looked at backwards, within bounds.
var anchors = [256]bool{
	'J': true, '=': true, ':': true, ' ': true, '\t': true, '+': true, '%': true, '-': true,
}

// masker goes once through s. What is before i is decided, and what is before
// done is in out.
type masker struct {
	s       string
	i, done int
	out     []byte
	// shapeless is where the last candidate for a JWT failed. All that begin
	// before it fail there too.
	shapeless int
	// jwk tells whether s may hold a JWK: 0 unknown, 1 yes, -1 no.
	jwk int
}

// at looks for a secret at the anchor c, and tells whether i has moved.
func (m *masker) at(c byte) bool {
	switch c {
	case 'J':
		return m.token()
	case '=':
		return m.parameter(1)
	case ':':
		return m.userinfo() || m.parameter(1)
	case ' ', '\t', '+':
		return m.credential(1)
	case '-':
		return m.privateKey()
	case '%':
		return m.escaped()
	}
	return false
}

// escaped looks at an anchor that is percent-encoded.
func (m *masker) escaped() bool {
	switch c, size := decodeAt(m.s, m.i); {
	case size == 1:
		return false
	case c == '=' || c == ':':
		return m.parameter(size)
	case c == ' ':
		return m.credential(size)
	}
	return false
}

// replace puts text in the place of s[from:to] and goes on behind it.
func (m *masker) replace(from, to int, text string) bool {
	m.out = append(m.out, m.s[m.done:from]...)
	m.out = append(m.out, text...)
	m.i, m.done = to, to
	return true
}

// pass leaves everything before to as it is.
func (m *masker) pass(to int) bool {
	m.i = to
	return true
}

// token masks a JWT whose third character is at i.
func (m *masker) token() bool {
	from := m.i - 2
	if from < m.done || from < m.shapeless || m.s[from:m.i] != "ey" {
		return false
	}
	if !startsWord(m.s, from) && !startsJSON(m.s[from:]) {
		return false
	}
	end, found := tokenEnd(m.s, from)
	if !found {
		m.shapeless = end
		return false
	}
	return m.replace(from, end, maskedToken(m.s[from:end]))
}

// tokenEnd returns where the JWT at from ends, or else where it turned out to
// be none.
func tokenEnd(s string, from int) (end int, found bool) {
	var candidate shape
	i := from
	for !found {
		if i == len(s) {
			return i, false
		}
		c, size := decodeAt(s, i)
		found = candidate.feed(c)
		if !found && candidate.state == shapeIdle {
			return i, false
		}
		i += size
	}
	for i < len(s) {
		c, size := decodeAt(s, i)
		if c == '.' && i+size < len(s) {
			after, more := decodeAt(s, i+size)
			c, size = after, size+more
		}
		if !isBase64URL(c) {
			break
		}
		i += size
	}
	return i, true
}

// isToken tells whether all of s is a JWT.
func isToken(s string) bool {
	if !strings.HasPrefix(s, "eyJ") {
		return false
	}
	end, found := tokenEnd(s, 0)
	return found && end == len(s)
}

// maskedToken shows a token that may be written with escapes.
func maskedToken(raw string) string { return Token(unescape(raw)) }

// decodeAt reads the character at s[i], which may be an escape.
func decodeAt(s string, i int) (c byte, size int) {
	if !opensEscape(s[i]) {
		return s[i], 1
	}
	var window [escapeMax]byte
	c, size, _ = decode(window[:copy(window[:], s[i:])], true)
	return c, size
}

// startsWord tells whether what begins at i does not continue a word. An escape
// before it, as the line end in \neyJ…, is not part of a word.
func startsWord(s string, i int) bool {
	switch {
	case i == 0 || !isBase64URL(s[i-1]):
		return true
	case i >= 2 && s[i-2] == '\\' && strings.IndexByte("bfnrt", s[i-1]) >= 0:
		return true
	case i >= 3 && s[i-3] == '%':
		_, size := decodeAt(s, i-3)
		return size == 3
	case i >= 6 && s[i-6] == '\\':
		_, size := decodeAt(s, i-6)
		return size == 6
	}
	return false
}

// startsJSON tells whether s, which begins with eyJ, reads as base64url of an
// object whose first name is of ASCII. KeyJoin.java does not.
func startsJSON(s string) bool {
	const n = 8
	if len(s) < n {
		return false
	}
	var bits uint64
	for i := range n {
		digit, ok := base64Digit(s[i])
		if !ok {
			return false
		}
		bits = bits<<6 | uint64(digit)
	}
	for shift := 0; shift < 48; shift += 8 {
		if c := byte(bits >> shift); c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func base64Digit(c byte) (digit byte, ok bool) {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A', true
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26, true
	case '0' <= c && c <= '9':
		return c - '0' + 52, true
	case c == '-':
		return 62, true
	case c == '_':
		return 63, true
	}
	return 0, false
}
