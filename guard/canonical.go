package guard

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// A canonical path is the one form in which a path is both matched and
// forwarded, so that a rule and the upstream can never see two different ones.
type canonical struct {
	// encoded is what the upstream gets: unreserved characters decoded, all
	// other escapes kept with upper-case digits (RFC 3986 §6.2.2).
	encoded string
	// decoded is encoded without escapes. Routes match it.
	decoded string
	// query is everything behind the first question mark, as it came.
	query    string
	hasQuery bool
	// marked says that encoded has one of the five bytes that mean themselves,
	// but that net/url alone would escape.
	marked bool
}

// checkPath makes the canonical path and finds out who answers it.
func checkPath(x *exchange) *refusal {
	target := x.r.RequestURI
	if target == "" { // not from a server
		target = x.r.URL.RequestURI()
	}
	c, reason := canonicalize(target)
	x.path = c
	if reason != "" {
		return &refusal{rule: RulePath, kind: kindInvalidRequest, reason: reason}
	}
	if x.asked != nil && !c.sameTarget(target) {
		return &refusal{rule: RulePath, kind: kindInvalidRequest, reason: "path is not in canonical form, and the proxy would forward it as it is"}
	}
	if len(x.policy.local.exact)+len(x.policy.local.tree) > 0 {
		if l := x.policy.local.find(c.decoded); l != nil {
			x.local = l.local
			x.route = l
		}
	}
	return nil
}

// canonicalize reads a request target in origin form. The reason is empty when
// the target has one meaning only; otherwise it says what made it ambiguous.
func canonicalize(target string) (c canonical, reason string) {
	path := target
	if i := strings.IndexByte(target, '?'); i >= 0 {
		path, c.query, c.hasQuery = target[:i], target[i+1:], true
	}
	if path == "" || path[0] != '/' {
		return c, "request target is not a path"
	}
	for i := 0; i < len(c.query); i++ {
		if b := c.query[i]; b == '#' || b <= ' ' || b == 0x7f {
			return c, "query holds a fragment, a space or a control byte"
		}
	}
	plain := true
	for i := 0; i < len(path); i++ {
		class := byteClass[path[i]]
		if class == escapedInPath {
			plain = false
			break
		}
		c.marked = c.marked || class == markedInPath
	}
	if plain {
		c.encoded, c.decoded = path, path
		return c, ambiguousSegments(path)
	}
	return canonicalizeSlow(c, path)
}

// canonicalizeSlow handles paths with escapes or unusual bytes.
func canonicalizeSlow(c canonical, path string) (canonical, string) {
	encoded := make([]byte, 0, len(path)+16)
	decoded := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		b := path[i]
		if b != '%' {
			if reason := rawByte(b); reason != "" {
				return c, reason
			}
			decoded = append(decoded, b)
			if byteClass[b] != escapedInPath {
				encoded = append(encoded, b)
			} else {
				encoded = appendEscape(encoded, b)
			}
			continue
		}
		if i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2]) {
			return c, "path has a percent sign that begins no escape"
		}
		b = unhex(path[i+1])<<4 | unhex(path[i+2])
		if reason := escapedByte(b); reason != "" {
			return c, reason
		}
		i += 2
		decoded = append(decoded, b)
		if unreserved(b) {
			encoded = append(encoded, b)
		} else {
			encoded = appendEscape(encoded, b)
		}
	}
	if !utf8.Valid(decoded) {
		return c, "path is not valid UTF-8"
	}
	if encodedTwice(decoded) {
		return c, "path is encoded twice"
	}
	c.encoded, c.decoded = string(encoded), string(decoded)
	c.marked = strings.ContainsAny(c.encoded, marks)
	return c, ambiguousSegments(c.decoded)
}

// encodedTwice looks for an escape in a decoded path. A server that decodes
// once more would see another path, however the escape came about.
func encodedTwice(decoded []byte) bool {
	for i, b := range decoded {
		if b == '%' && i+2 < len(decoded) && isHex(decoded[i+1]) && isHex(decoded[i+2]) {
			return true
		}
	}
	return false
}

// rawByte says why an unescaped byte cannot stand in a path.
func rawByte(b byte) string {
	switch {
	case b == '\\':
		return "path has a backslash"
	case b == ';':
		return "path has a semicolon"
	case b == '#':
		return "request target has a fragment"
	case b <= ' ' || b == 0x7f:
		return "path has a control byte or a space"
	}
	return ""
}

// escapedByte says why an escape of b has two meanings.
func escapedByte(b byte) string {
	switch {
	case b == '/':
		return "path has an encoded slash"
	case b == '\\':
		return "path has an encoded backslash"
	case b == ';':
		return "path has an encoded semicolon"
	case b < ' ' || b == 0x7f:
		return "path has an encoded control byte"
	}
	return ""
}

// write puts path and query into u, so that u.EscapedPath gives the canonical
// form and no other.
func (c *canonical) write(u *url.URL) {
	u.Path, u.RawPath = c.decoded, ""
	if c.marked || c.encoded != c.decoded {
		u.RawPath = c.encoded
	}
	u.RawQuery, u.ForceQuery = c.query, c.hasQuery && c.query == ""
}

// ambiguousSegments looks for empty and dot segments, which servers remove or
// keep as they please.
func ambiguousSegments(path string) string {
	for i := 0; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		rest := path[i+1:]
		switch {
		case rest == "":
			return ""
		case rest[0] == '/':
			return "path has an empty segment"
		case rest[0] != '.':
		case rest == "." || rest == ".." || strings.HasPrefix(rest, "./") || strings.HasPrefix(rest, "../"):
			return "path has a dot segment"
		}
	}
	return ""
}

// The classes of bytes in a path. The zero one is the strictest.
const (
	escapedInPath = iota
	plainInPath   // unreserved, sub-delims without the semicolon, colon, at and slash (RFC 3986 §3.3)
	markedInPath  // plain, and one of marks
)

// marks are plain bytes that net/url escapes.
const marks = "!'()*"

var byteClass = func() (t [256]uint8) {
	for b := range 256 {
		switch {
		case strings.IndexByte(marks, byte(b)) >= 0:
			t[b] = markedInPath
		case unreserved(byte(b)) || strings.IndexByte("$&+,=:@/", byte(b)) >= 0:
			t[b] = plainInPath
		}
	}
	return t
}()

func unreserved(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' ||
		b == '-' || b == '.' || b == '_' || b == '~'
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

func unhex(b byte) byte {
	switch {
	case b <= '9':
		return b - '0'
	case b <= 'F':
		return b - 'A' + 10
	}
	return b - 'a' + 10
}

const upperHex = "0123456789ABCDEF"

func appendEscape(dst []byte, b byte) []byte {
	return append(dst, '%', upperHex[b>>4], upperHex[b&15])
}
