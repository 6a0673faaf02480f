package front

import "strings"

// tokenByte marks the bytes of tokens: methods and field names (RFC 9110 §5.6.2).
var tokenByte = mark("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

// hostByte marks the bytes of a Host (RFC 3986 §3.2.2, and the port).
var hostByte = mark("!$%&'()*+,-.:;=[]_~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

// plainByte marks the bytes of a path that net/url neither decodes nor writes
// in another way.
var plainByte = mark("$&+,-./:;=@_~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

func mark(bytes string) (t [256]bool) {
	for i := range len(bytes) {
		t[bytes[i]] = true
	}
	return t
}

// valueByte marks the bytes of field values: what is visible, spaces, tabs, and
// everything above ASCII (RFC 9110 §5.5).
var valueByte = func() (t [256]bool) {
	for b := range t {
		t[b] = b == '\t' || b >= ' ' && b != 0x7f
	}
	return t
}()

// made reports whether every byte of s is marked.
func made(s []byte, of *[256]bool) bool {
	for _, b := range s {
		if !of[b] {
			return false
		}
	}
	return true
}

// canonical writes a field name as net/http does: capitals behind hyphens and
// at the beginning, small letters elsewhere.
func canonical(name string) string {
	up, same := true, true
	for i := range len(name) {
		if capital(name[i], up) != name[i] {
			same = false
			break
		}
		up = name[i] == '-'
	}
	if same {
		return name
	}
	b := []byte(name)
	up = true
	for i := range b {
		b[i] = capital(b[i], up)
		up = b[i] == '-'
	}
	return string(b)
}

func capital(b byte, up bool) byte {
	switch {
	case up && 'a' <= b && b <= 'z':
		return b - ('a' - 'A')
	case !up && 'A' <= b && b <= 'Z':
		return b + ('a' - 'A')
	}
	return b
}

// lists reports whether a comma-separated field value names token, which is in
// small letters.
func lists(value, token string) bool {
	for part := range strings.SplitSeq(value, ",") {
		if strings.EqualFold(strings.Trim(part, " \t"), token) {
			return true
		}
	}
	return false
}
