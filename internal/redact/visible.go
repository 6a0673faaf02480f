package redact

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// visible returns s with every character that does not print, or that is no
// valid UTF-8, written as an escape of Go. Foreign text can then neither begin a
// line of its own, nor move a terminal's cursor, nor turn the direction of
// writing. Text without such characters is returned as it is.
func visible(s string) string {
	var out []byte
	done := 0
	for i := 0; i < len(s); {
		if c := s[i]; ' ' <= c && c < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if (r != utf8.RuneError || size > 1) && unicode.IsPrint(r) {
			i += size
			continue
		}
		out = append(out, s[done:i]...)
		out = appendEscape(out, s[i:i+size], r)
		i += size
		done = i
	}
	if done == 0 {
		return s
	}
	return string(append(out, s[done:]...))
}

func appendEscape(out []byte, raw string, r rune) []byte {
	if r == utf8.RuneError && len(raw) == 1 {
		const digits = "0123456789abcdef"
		return append(out, '\\', 'x', digits[raw[0]>>4], digits[raw[0]&15])
	}
	var buf [16]byte
	quoted := strconv.AppendQuoteRuneToASCII(buf[:0], r)
	return append(out, quoted[1:len(quoted)-1]...)
}

// clean is what every foreign text in a log goes through.
func clean(s string) string { return visible(Mask(s)) }
