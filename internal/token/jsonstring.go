package token

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// string reads a string from its opening quote and returns its text, which is a
// part of the data when nothing in it was escaped.
func (s *scanner) string() ([]byte, error) {
	s.pos++
	start := s.pos
	for i := start; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.pos = i + 1
			return s.data[start:i], nil
		case c == '\\':
			s.pos = i
			return s.escaped(append([]byte(nil), s.data[start:i]...))
		case c < ' ':
			return nil, errSyntax
		}
	}
	return nil, errSyntax
}

// escaped goes on with a string whose beginning is text.
func (s *scanner) escaped(text []byte) ([]byte, error) {
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		s.pos++
		switch {
		case c == '"':
			return text, nil
		case c < ' ':
			return nil, errSyntax
		case c != '\\':
			text = append(text, c)
		default:
			var err error
			if text, err = s.escape(text); err != nil {
				return nil, err
			}
		}
	}
	return nil, errSyntax
}

func (s *scanner) escape(text []byte) ([]byte, error) {
	if s.pos == len(s.data) {
		return nil, errSyntax
	}
	c := s.data[s.pos]
	s.pos++
	switch c {
	case '"', '\\', '/':
		return append(text, c), nil
	case 'b':
		return append(text, '\b'), nil
	case 'f':
		return append(text, '\f'), nil
	case 'n':
		return append(text, '\n'), nil
	case 'r':
		return append(text, '\r'), nil
	case 't':
		return append(text, '\t'), nil
	case 'u':
		r, ok := s.hex4()
		if !ok {
			return nil, errSyntax
		}
		if utf16.IsSurrogate(r) {
			if !bytes.HasPrefix(s.data[s.pos:], []byte(`\u`)) {
				return nil, errSurrogate
			}
			s.pos += 2
			low, ok := s.hex4()
			if !ok {
				return nil, errSyntax
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return nil, errSurrogate
			}
		}
		return utf8.AppendRune(text, r), nil
	}
	return nil, errSyntax
}

func (s *scanner) hex4() (r rune, ok bool) {
	if len(s.data)-s.pos < 4 {
		return 0, false
	}
	for _, c := range s.data[s.pos : s.pos+4] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	s.pos += 4
	return r, true
}

// text returns the string that a member's value is.
func (m *member) text() ([]byte, bool) {
	if m.kind != kindString {
		return nil, false
	}
	return stringText(m.value)
}

// stringText returns the text of a string that the scanner has passed.
func stringText(value []byte) ([]byte, bool) {
	s := scanner{data: value}
	text, err := s.string()
	return text, err == nil && s.pos == len(value)
}

// eachString calls yield with each element of an array that the scanner has
// passed, and returns false when an element is no string or yield says so.
func eachString(array []byte, yield func([]byte) bool) bool {
	s := scanner{data: array, pos: 1}
	if s.next() == ']' {
		return true
	}
	for {
		if s.next() != kindString {
			return false
		}
		text, err := s.string()
		if err != nil || !yield(text) {
			return false
		}
		if s.next() == ']' {
			return true
		}
		s.pos++
	}
}
