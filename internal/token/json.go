package token

import (
	"bytes"
	"errors"
	"slices"
	"unicode/utf8"
)

// The scanner reads one JSON object (RFC 8259) in a single pass. It is stricter
// than encoding/json where readers differ: member names must be unique at any
// depth after their escapes are resolved, all text must be UTF-8, a surrogate
// needs its partner, and nesting is bounded.

// member is one member of the outermost object. name is unescaped; value is the
// text of the value as it stands; kind is its first byte, which tells what it is.
type member struct {
	name, value []byte
	kind        byte
}

// The kinds of values. A number has the kind of its first byte: '-' or a digit.
const (
	kindString = '"'
	kindObject = '{'
	kindArray  = '['
)

var (
	errUTF8      = errors.New("is not valid UTF-8")
	errSyntax    = errors.New("is not valid JSON")
	errObject    = errors.New("is not a JSON object")
	errDepth     = errors.New("is nested too deeply")
	errDuplicate = errors.New("has a member twice")
	errSurrogate = errors.New("has an escape that is half a character")
)

type scanner struct {
	data     []byte
	pos      int
	depth    int
	maxDepth int
	// names holds the member names of every object that is open, but for the
	// outermost, whose members are collected.
	names [][]byte
}

// scanObject appends the members of the object that data is to members. What it
// returns refers to data.
func scanObject(data []byte, maxDepth int, members []member) ([]member, error) {
	if !utf8.Valid(data) {
		return members, errUTF8
	}
	s := scanner{data: data, maxDepth: maxDepth}
	s.space()
	if s.pos == len(data) || data[s.pos] != kindObject {
		return members, errObject
	}
	if err := s.object(&members); err != nil {
		return members, err
	}
	s.space()
	if s.pos != len(data) {
		return members, errSyntax
	}
	if repeatsMember(members) {
		return members, errDuplicate
	}
	return members, nil
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// next skips space and returns the byte that follows, 0 at the end.
func (s *scanner) next() byte {
	s.space()
	if s.pos == len(s.data) {
		return 0
	}
	return s.data[s.pos]
}

// object reads an object from its brace. If collect is not nil the members go
// there, and the caller looks whether one repeats.
func (s *scanner) object(collect *[]member) error {
	if s.depth++; s.depth > s.maxDepth {
		return errDepth
	}
	s.pos++
	first := len(s.names)
	if s.next() == '}' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		if s.next() != kindString {
			return errSyntax
		}
		name, err := s.string()
		if err != nil {
			return err
		}
		if s.next() != ':' {
			return errSyntax
		}
		s.pos++
		kind := s.next()
		start := s.pos
		if err := s.value(); err != nil {
			return err
		}
		if collect != nil {
			*collect = append(*collect, member{name, s.data[start:s.pos], kind})
		} else {
			s.names = append(s.names, name)
		}
		switch s.next() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			s.depth--
			if repeats(s.names[first:]) {
				return errDuplicate
			}
			s.names = s.names[:first]
			return nil
		default:
			return errSyntax
		}
	}
}

func (s *scanner) array() error {
	if s.depth++; s.depth > s.maxDepth {
		return errDepth
	}
	s.pos++
	if s.next() == ']' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		s.space()
		if err := s.value(); err != nil {
			return err
		}
		switch s.next() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			s.depth--
			return nil
		default:
			return errSyntax
		}
	}
}

func (s *scanner) value() error {
	if s.pos == len(s.data) {
		return errSyntax
	}
	switch c := s.data[s.pos]; c {
	case kindString:
		_, err := s.string()
		return err
	case kindObject:
		return s.object(nil)
	case kindArray:
		return s.array()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		if c == '-' || isDigit(c) {
			return s.number()
		}
		return errSyntax
	}
}

func (s *scanner) word(w string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(w)) {
		return errSyntax
	}
	s.pos += len(w)
	return nil
}

func (s *scanner) number() error {
	if s.data[s.pos] == '-' {
		s.pos++
	}
	zero := s.pos < len(s.data) && s.data[s.pos] == '0'
	if n := s.digits(); n == 0 || zero && n > 1 {
		return errSyntax
	}
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		if s.digits() == 0 {
			return errSyntax
		}
	}
	if s.pos < len(s.data) && (s.data[s.pos] == 'e' || s.data[s.pos] == 'E') {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		if s.digits() == 0 {
			return errSyntax
		}
	}
	return nil
}

func (s *scanner) digits() (n int) {
	for s.pos < len(s.data) && isDigit(s.data[s.pos]) {
		s.pos++
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// manyNames is the size of an object above which names are sorted to be
// compared, so that a hostile one costs no more than n log n.
const manyNames = 20

func repeatsMember(members []member) bool {
	if len(members) > manyNames {
		names := make([][]byte, len(members))
		for i := range members {
			names[i] = members[i].name
		}
		return repeats(names)
	}
	for i := range members {
		for j := range i {
			if string(members[i].name) == string(members[j].name) {
				return true
			}
		}
	}
	return false
}

// repeats tells whether a name is there twice. The order of many is lost.
func repeats(names [][]byte) bool {
	if len(names) > manyNames {
		slices.SortFunc(names, bytes.Compare)
		for i := 1; i < len(names); i++ {
			if bytes.Equal(names[i-1], names[i]) {
				return true
			}
		}
		return false
	}
	for i, name := range names {
		for _, other := range names[:i] {
			if string(name) == string(other) {
				return true
			}
		}
	}
	return false
}
