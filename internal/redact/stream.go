package redact

// holdMax is how much of a stream is held back at most, in bytes, until it is
// known whether it is a token. Candidates that grow longer are taken for one.
const holdMax = 64 << 10

// stream takes secrets out of bytes that come in pieces. What it puts out is
// the same however the input is cut.
//
// Each byte goes through two lanes: one sees the bytes as they are, the other
// what they stand for when escapes are resolved. Both are needed, as what looks
// like an escape may be none (in %2eyJ… the token begins within it). As soon as
// a lane has found something, everything held back is replaced, and what could
// be its continuation is swallowed.
type stream struct {
	literals []literal
	// Nothing begins at bytes b, c, d unless first[b]&second[c]&third[d] has a
	// bit, or c opens an escape and first[b]&second[c] has one.
	first, second, third [256]uint8

	// held[start:] is what came in and is not decided; its last undecoded
	// bytes have not been through the lane of resolved escapes.
	held      []byte
	start     int
	undecoded int
	raw       lane
	resolved  lane

	// redacted is set when nothing came out since the last find: finds side by
	// side are shown as one.
	redacted bool
	// swallowing is set after a find; dot is then the length of a dot at the
	// start of held that is part of the token only if more follows.
	swallowing bool
	dot        int
}

// lane follows all candidates through one reading of the stream.
type lane struct {
	shape   shape
	matched []int
	// sizes[start:] has the length in bytes of each character that belongs to
	// a candidate, and pending is their sum.
	sizes   []uint8
	start   int
	pending int
}

func newStream(secrets []string) *stream {
	s := &stream{literals: literals(secrets)}
	s.raw.matched = make([]int, len(s.literals))
	s.resolved.matched = make([]int, len(s.literals))
	s.index()
	return s
}

// The bits of first, second and third. Literals share the four that are left.
const (
	bitShape     = 1 << 0
	bitLiteral   = 1 << 1
	bitPercent   = 1 << 5
	bitBackslash = 1 << 6
	bitReference = 1 << 7
	bitsEscape   = bitPercent | bitBackslash | bitReference
	bitsText     = bitPercent - 1
)

// index fills first, second and third.
func (s *stream) index() {
	s.first['e'], s.second['y'], s.third['J'] = bitShape, bitShape, bitShape
	for i, l := range s.literals {
		bit := uint8(bitLiteral << (i % 4))
		s.first[l.text[0]] |= bit
		mark(&s.second, bit, l.text[1:min(2, len(l.text))])
		mark(&s.third, bit, l.text[min(2, len(l.text)):min(3, len(l.text))])
		if len(l.text) == 1 { // found while a candidate may be two bytes old
			mark(&s.third, bitsText, "")
		}
	}
	// Each character may be written as an escape. Of the first, these are the
	// pairs in which decode sees the start of one.
	mark(&s.second, bitsText, `%\&`)
	mark(&s.third, bitsText, `%\&`)
	s.first['%'] |= bitPercent
	mark(&s.second, bitPercent, "0123456789abcdefABCDEF")
	s.first['\\'] |= bitBackslash
	mark(&s.second, bitBackslash, `"\/bfnrtu`)
	s.first['&'] |= bitReference
	mark(&s.second, bitReference, "#")
	mark(&s.third, bitsEscape, "")
}

// mark sets bits for each of the characters, or for all if there are none.
func mark(table *[256]uint8, bits uint8, chars string) {
	for i := range len(chars) {
		table[chars[i]] |= bits
	}
	for i := range table {
		if chars == "" {
			table[i] |= bits
		}
	}
}

// take takes a piece of the stream and appends to out what is decided.
func (s *stream) take(out, piece []byte) []byte {
	for len(piece) > 0 {
		if !s.swallowing && len(s.held) == 0 {
			n := s.ordinary(piece)
			out = append(out, piece[:n]...)
			s.redacted = s.redacted && n == 0
			if piece = piece[n:]; len(piece) == 0 {
				break
			}
		}
		if s.swallowing && len(s.held) == 0 && isBase64URL(piece[0]) {
			piece = piece[1:]
			continue
		}
		out = s.step(out, piece[0])
		piece = piece[1:]
	}
	return out
}

// ordinary returns how many bytes come before the first at which anything may
// begin.
func (s *stream) ordinary(piece []byte) int {
	for i := 0; i+2 < len(piece); i++ {
		bits := s.first[piece[i]] & s.second[piece[i+1]]
		if bits != 0 && (bits&s.third[piece[i+2]] != 0 || opensEscape(piece[i+1])) {
			return i
		}
	}
	last := len(piece) - 1
	if last > 0 && s.first[piece[last-1]]&s.second[piece[last]] != 0 {
		return last - 1
	}
	if s.first[piece[last]] != 0 {
		return last
	}
	return last + 1
}

// step takes one byte.
func (s *stream) step(out []byte, c byte) []byte {
	s.held = append(s.held, c)
	if s.swallowing {
		return s.swallow(out, false)
	}
	s.undecoded++
	return s.resolve(out, c, s.raw.feed(s.literals, c, 1), false)
}

// resolve feeds the second lane with what can be decoded, then lets go of what
// belongs to no candidate. The last byte is c, and found what the raw lane has
// found with it.
func (s *stream) resolve(out []byte, c byte, found hit, final bool) []byte {
	for s.undecoded > 0 {
		char, size, ok := decode(s.held[len(s.held)-s.undecoded:], final)
		if !ok {
			break
		}
		s.undecoded -= size
		also := s.resolved.feed(s.literals, char, uint8(size))
		if also != none && found == none {
			return s.redact(out, s.undecoded, also == whole && isTokenChar(char))
		}
		if also != none {
			break
		}
	}
	if found != none {
		return s.redact(out, 0, found == whole && isTokenChar(c))
	}
	if s.undecoded == 0 {
		s.resolved.join(&s.raw)
	}
	if s.pending() > holdMax {
		return s.redact(out, 0, true)
	}
	return s.release(out, len(s.held)-s.start-s.pending())
}

// pending returns how many bytes at the end of held belong to a candidate.
func (s *stream) pending() int {
	return min(len(s.held)-s.start, max(s.raw.pending, s.resolved.pending+s.undecoded))
}

// redact replaces all candidates. The last rest bytes come after the find and
// are taken again.
func (s *stream) redact(out []byte, rest int, swallow bool) []byte {
	out = s.release(out, len(s.held)-s.start-s.pending())
	var buf restBuf
	again := buf[:copy(buf[:], s.held[len(s.held)-rest:])]
	s.held, s.start, s.undecoded = s.held[:0], 0, 0
	s.raw.reset()
	s.resolved.reset()
	s.swallowing, s.dot = swallow, 0
	if !s.redacted {
		s.redacted = true
		out = append(out, Redacted...)
	}
	return s.again(out, again)
}

// release lets go of n bytes.
func (s *stream) release(out []byte, n int) []byte {
	out = append(out, s.held[s.start:s.start+n]...)
	s.redacted = s.redacted && n == 0
	s.start += n
	s.held, s.start = compact(s.held, s.start)
	return out
}

// swallow drops what continues a token: base64url characters, and a dot when
// such a character follows.
func (s *stream) swallow(out []byte, final bool) []byte {
	for len(s.held) > s.dot {
		c, size, ok := decode(s.held[s.dot:], final)
		switch {
		case !ok:
			return out
		case isBase64URL(c):
			s.held = append(s.held[:0], s.held[s.dot+size:]...)
			s.dot = 0
		case c == '.' && s.dot == 0:
			s.dot = size
		default:
			return s.spit(out)
		}
	}
	return out
}

// restBuf holds what can be left over: a dot and a begun escape.
type restBuf [2 * escapeMax]byte

// spit ends the swallowing and takes back what was not swallowed.
func (s *stream) spit(out []byte) []byte {
	var buf restBuf
	rest := buf[:copy(buf[:], s.held)]
	s.held, s.dot, s.swallowing = s.held[:0], 0, false
	return s.again(out, rest)
}

// again takes back bytes, a few at most, that turned out not to belong to what
// was found.
func (s *stream) again(out, rest []byte) []byte {
	for _, c := range rest {
		out = s.step(out, c)
	}
	return out
}

// finish ends the stream: candidates that are not complete are none.
func (s *stream) finish(out []byte) []byte {
	if s.swallowing {
		out = s.swallow(out, true)
	}
	if s.swallowing { // a dot at the very end
		out = s.spit(out)
	}
	out = s.resolve(out, 0, none, true)
	return s.release(out, len(s.held)-s.start)
}

// hit is what a lane has found.
type hit uint8

const (
	none hit = iota
	// partial is a literal of which more may follow.
	partial
	whole
)

// feed takes the next character, written in size bytes, and tells what is
// complete with it. After a find, the lane must be reset.
func (l *lane) feed(literals []literal, c byte, size uint8) hit {
	found := none
	if l.shape.feed(c) {
		found = whole
	}
	count := l.shape.pending
	for i := range literals {
		n := literals[i].next(l.matched[i], c)
		l.matched[i] = n
		count = max(count, n)
		if n == len(literals[i].text) && found != whole {
			found = whole
			if literals[i].more {
				found = partial
			}
		}
	}
	l.keep(count, size)
	return found
}

// keep notes the size of a character and forgets all but the last count.
func (l *lane) keep(count int, size uint8) {
	l.sizes = append(l.sizes, size)
	l.pending += int(size)
	for len(l.sizes)-l.start > count {
		l.pending -= int(l.sizes[l.start])
		l.start++
	}
	l.sizes, l.start = compact(l.sizes, l.start)
}

// join takes over the candidates of the raw lane of which l has missed the
// beginning, because it ended what l took for an escape. From there on they may
// be written with escapes.
func (l *lane) join(raw *lane) {
	count := 0
	if raw.shape.pending > l.shape.pending {
		l.shape, count = raw.shape, raw.shape.pending
	}
	for i, n := range raw.matched {
		if n > l.matched[i] {
			l.matched[i] = n
			count = max(count, n)
		}
	}
	// Their first characters are not among the sizes. What is held may then
	// be a few bytes more than needed, never less.
	for missing := count - (len(l.sizes) - l.start); missing > 0; missing-- {
		l.sizes = append(l.sizes, 1)
		copy(l.sizes[l.start+1:], l.sizes[l.start:])
		l.sizes[l.start] = 1
		l.pending++
	}
}

func (l *lane) reset() {
	l.shape = shape{}
	clear(l.matched)
	l.sizes, l.start, l.pending = l.sizes[:0], 0, 0
}

// compact moves queue[start:] to the front when at least half is used up.
func compact(queue []byte, start int) ([]byte, int) {
	if start < len(queue)-start {
		return queue, start
	}
	return append(queue[:0], queue[start:]...), 0
}

func isTokenChar(c byte) bool { return isBase64URL(c) || c == '.' }
