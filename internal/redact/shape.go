package redact

// shape recognises what looks like a JWT in compact form (RFC 7515 §7.1, RFC
// 7516 §7.1), one character at a time: eyJ, which is base64url for `{"`, then
// base64url characters, a dot, base64url characters, a dot. Either of the
// second and third part may be empty, but not both. A second part that itself
// begins with eyJ is enough, so that a token without its signature is found.
//
// Once begun, a candidate can only succeed or end at a character that cannot
// begin another, hence nothing is ever looked at twice.
type shape struct {
	state uint8
	// pending counts the characters of the candidate so far.
	pending int
}

// The states of a shape. In shapePayload1 and shapePayload2 the second part has
// begun with e and with ey.
const (
	shapeIdle uint8 = iota
	shapeE
	shapeEy
	shapeHeader
	shapeDot
	shapePayload
	shapePayload1
	shapePayload2
	shapeTwoDots
)

// feed takes the next character and tells whether the candidate is a JWT now.
// The shape is then idle again, and pending is still the candidate's length.
func (s *shape) feed(c byte) bool {
	if s.state == shapeIdle { // the common case, kept apart and small
		if c == 'e' {
			s.state, s.pending = shapeE, 1
		}
		return false
	}
	next, found := s.next(c)
	switch {
	case found:
		s.state = shapeIdle
		s.pending++
	case next == shapeIdle:
		*s = shape{}
	case next == shapeE:
		*s = shape{state: shapeE, pending: 1}
	default:
		s.state = next
		s.pending++
	}
	return found
}

func (s *shape) next(c byte) (state uint8, found bool) {
	switch s.state {
	case shapeE, shapeEy:
		switch {
		case s.state == shapeE && c == 'y':
			return shapeEy, false
		case s.state == shapeEy && c == 'J':
			return shapeHeader, false
		case c == 'e':
			return shapeE, false
		}
	case shapeHeader:
		switch {
		case isBase64URL(c):
			return shapeHeader, false
		case c == '.':
			return shapeDot, false
		}
	case shapeDot:
		switch {
		case c == 'e':
			return shapePayload1, false
		case isBase64URL(c):
			return shapePayload, false
		case c == '.':
			return shapeTwoDots, false
		}
	case shapePayload, shapePayload1, shapePayload2:
		return s.payload(c)
	case shapeTwoDots:
		return shapeIdle, isBase64URL(c)
	}
	return shapeIdle, false
}

func (s *shape) payload(c byte) (state uint8, found bool) {
	switch {
	case c == '.':
		return shapeIdle, true
	case s.state == shapePayload1 && c == 'y':
		return shapePayload2, false
	case s.state == shapePayload2 && c == 'J':
		return shapeIdle, true
	case isBase64URL(c):
		return shapePayload, false
	}
	return shapeIdle, false
}
