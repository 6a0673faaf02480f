package redact

import "strings"

// escapeMax is the longest escape that decode understands, in bytes.
const escapeMax = 8

// opaque is what an escape stands for when it can be part of no token.
const opaque = 0

// opensEscape tells whether c may begin an escape.
func opensEscape(c byte) bool { return c == '%' || c == '\\' || c == '&' }

// decode reads the first character of s, which may be written plainly, as
// percent-encoding (once or twice), as an escape of JSON, or as a numeric
// character reference of HTML. It returns what it stands for and how many bytes
// it takes. Where s is too short to tell, ok is false; with final, s is known
// to end there, and a started escape is so many plain characters.
func decode(s []byte, final bool) (c byte, size int, ok bool) {
	switch s[0] {
	case '%':
		c, size = decodePercent(s)
	case '\\':
		c, size = decodeBackslash(s)
	case '&':
		c, size = decodeReference(s)
	default:
		return s[0], 1, true
	}
	switch {
	case size > 0:
		return c, size, true
	case size < 0 && !final:
		return 0, 0, false
	default:
		return s[0], 1, true
	}
}

// The three readers below return a size of 0 when s begins with no escape, and
// of -1 when it ends within one.

func decodePercent(s []byte) (byte, int) {
	c, size := hexPair(s[1:])
	if size <= 0 {
		return 0, size
	}
	if c != '%' {
		return c, 3
	}
	switch c, size = hexPair(s[3:]); {
	case size > 0:
		return c, 5
	case size < 0:
		return 0, -1
	default:
		return '%', 3
	}
}

func decodeBackslash(s []byte) (byte, int) {
	if len(s) < 2 {
		return 0, -1
	}
	switch c := s[1]; {
	case strings.IndexByte(`"\/`, c) >= 0:
		return c, 2
	case strings.IndexByte("bfnrt", c) >= 0:
		return opaque, 2
	case c != 'u':
		return 0, 0
	}
	high, size := hexPair(s[2:])
	if size <= 0 {
		return 0, size
	}
	low, size := hexPair(s[4:])
	if size <= 0 {
		return 0, size
	}
	if high != 0 {
		return opaque, 6
	}
	return low, 6
}

func decodeReference(s []byte) (byte, int) {
	if len(s) < 2 {
		return 0, -1
	}
	if s[1] != '#' {
		return 0, 0
	}
	base, i := 10, 2
	if len(s) > 2 && s[2]|0x20 == 'x' {
		base, i = 16, 3
	}
	value, first := 0, i
	for ; i < len(s) && i < escapeMax; i++ {
		switch c := s[i]; {
		case c == ';' && i > first:
			if value > 0xff {
				return opaque, i + 1
			}
			return byte(value), i + 1
		case '0' <= c && c <= '9', base == 16 && isHex(c):
			value = value*base + int(unhex(c))
		default:
			return 0, 0
		}
	}
	if i == escapeMax {
		return 0, 0
	}
	return 0, -1
}

// hexPair reads two hex digits. Its size is 2, 0 if they are none, -1 if s ends
// before that is known.
func hexPair(s []byte) (byte, int) {
	for i := range min(2, len(s)) {
		if !isHex(s[i]) {
			return 0, 0
		}
	}
	if len(s) < 2 {
		return 0, -1
	}
	return unhex(s[0])<<4 | unhex(s[1]), 2
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	default:
		return c - '0'
	}
}
