package redact

import "strings"

// spacesMax bounds the white space around a separator, and backslashesMax the
// depth of quoting, as the power of two of JSON in JSON in JSON.
const (
	spacesMax      = 8
	backslashesMax = 15
)

// parameter masks the value behind the separator at i, written in size bytes,
// when the name before it is that of a secret. It knows URLs and forms, JSON
// (also within strings of JSON), headers, YAML, and what fmt makes of structs
// and maps.
func (m *masker) parameter(size int) bool {
	name, quoted, spaced := nameBefore(m.s, m.i)
	kind := nameOf(name)
	if kind == ordinary && quoted && privateMember(name) && m.maybeJWK() {
		kind = secret
	}
	from := m.i + size
	equals := size > 1 || m.s[m.i] == '='
	if kind == ordinary {
		return size == 1 && equals && m.code(name, from)
	}
	if equals && strings.HasPrefix(m.s[from:], "=") { // a comparison
		return false
	}
	if equals && strings.HasPrefix(m.s[from:], ">") { // an arrow
		from++
	}
	start := from
	if !equals || spaced {
		for from < len(m.s) && from < start+spacesMax && isSpace(m.s[from]) {
			from++
		}
	}
	if from == len(m.s) || isLineEnd(m.s[from]) {
		return false
	}
	v := value{from: from, kind: kind, encoded: size > 1}
	v.plain = !equals && !quoted
	v.prose = v.plain && from > start
	if v.plain {
		v.quote = m.quoteBefore(name)
	}
	return m.value(v)
}

// value is what is known of a value before it is read.
type value struct {
	from int
	kind naming
	// plain values follow a colon and a name without quotes, and in prose
	// there is a space between.
	plain, prose bool
	// encoded values follow a separator that is percent-encoded.
	encoded bool
	// quote is what stands before the name, or 0.
	quote byte
}

// value masks a value, in the form that its first character tells.
func (m *masker) value(v value) bool {
	if v.encoded && strings.HasPrefix(m.s[v.from:], "%22") {
		v.from += len("%22")
	}
	open, slashes := v.from, 0
	for open < len(m.s) && m.s[open] == '\\' && slashes < backslashesMax {
		open, slashes = open+1, slashes+1
	}
	switch {
	case strings.HasPrefix(m.s[v.from:], Redacted) && endsValue(m.s, v.from+len(Redacted)):
		return m.pass(v.from + len(Redacted))
	case v.from < len(m.s) && strings.IndexByte("[{", m.s[v.from]) >= 0:
		return m.bracketed(v.from, v.plain)
	case v.plain && v.kind == header:
		return m.line(v.from, v.quote)
	case open < len(m.s) && (m.s[open] == '"' || m.s[open] == '\''):
		return m.quoted(open, slashes)
	}
	end := bareEnd(m.s, v.from, v.encoded)
	switch {
	case v.kind == worded && v.prose && !isRandom(m.s[v.from:end]):
		return false
	case v.kind == header && end < len(m.s) && m.s[end] == ' ' && isWord(m.s[v.from:end]):
		end = bareEnd(m.s, end+1, false) // a scheme and its credential
	}
	return m.secret(v.from, end)
}

// code masks the authorization code of a redirect (RFC 6749 §4.1.2), which has
// too common a name to be masked elsewhere.
func (m *masker) code(name string, from int) bool {
	const codeMin = 16
	start := m.i - len(name)
	if name != "code" || start == 0 || m.s[start-1] != '?' && m.s[start-1] != '&' {
		return false
	}
	end := bareEnd(m.s, from, false)
	return end-from >= codeMin && m.secret(from, end)
}

// secret masks s[from:end].
func (m *masker) secret(from, end int) bool {
	value := m.s[from:end]
	if shown := secretValue(value); shown != value {
		return m.replace(from, end, shown)
	}
	return end > from && m.pass(end)
}

// quoted masks a string that opens with the quote at open, behind as many
// backslashes. One that does not end is masked to the end of the text.
func (m *masker) quoted(open, slashes int) bool {
	quote, run := m.s[open], 0
	for i := open + 1; i < len(m.s); i++ {
		switch m.s[i] {
		case '\\':
			run++
			continue
		case quote:
			if closes(run, slashes) {
				return m.secret(open+1, max(open+1, i-min(run, slashes)))
			}
		}
		run = 0
	}
	return m.secret(open+1, len(m.s))
}

// closes tells whether a quote behind run backslashes ends a string that opened
// behind slashes of them: each level of quoting doubles them and adds one.
func closes(run, slashes int) bool {
	for ; slashes > 0; slashes /= 2 {
		if run%2 == 0 { // ends a string further out
			return true
		}
		run /= 2
	}
	return run%2 == 0
}

// bracketed masks a list or object, in JSON or, plain, as fmt prints them.
func (m *masker) bracketed(from int, plain bool) bool {
	end := bracketEnd(m.s, from)
	text := Redacted
	switch {
	case plain || !strings.HasPrefix(strings.TrimLeft(m.s[from+1:min(end, from+1+spacesMax)], " \t\r\n"), `"`):
	case m.s[from] == '[':
		text = `["` + Redacted + `"]`
	default:
		text = `"` + Redacted + `"`
	}
	if m.s[from:end] == text {
		return m.pass(end)
	}
	return m.replace(from, end, text)
}

// bracketEnd returns where the bracket at from is closed. Where nothing is
// quoted, a closing bracket within a value is told from the real one by what
// follows.
func bracketEnd(s string, from int) int {
	depth, run, slashes, quote := 0, 0, 0, byte(0)
	for i := from; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			run++
			continue
		case quote != 0:
			if c == quote && closes(run, slashes) {
				quote = 0
			}
		case c == '"', c == '\'' && strings.IndexByte("[{,: ", s[i-1]) >= 0:
			quote, slashes = c, min(run, backslashesMax)
		case c == '[' || c == '{':
			depth++
		case (c == ']' || c == '}') && endsValue(s, i+1) && !strings.HasPrefix(s[i+1:], ";"):
			if depth--; depth == 0 {
				return i + 1
			}
		}
		run = 0
	}
	return len(s)
}

// endsValue tells whether what follows at i can follow a whole value.
func endsValue(s string, i int) bool {
	return i == len(s) || s[i] <= ' ' || strings.IndexByte(",;.)}]\\\"'`&<>%", s[i]) >= 0
}

// line masks to the end of the line, or of the quotes that the line is in.
func (m *masker) line(from int, quote byte) bool {
	end := from
	for end < len(m.s) && !isLineEnd(m.s[end]) && (quote == 0 || m.s[end] != quote) {
		end++
	}
	return m.secret(from, end)
}

// bareEnd returns where a value without quotes ends. Punctuation may be part of
// a secret, but not its last character. Within a parameter that is itself
// percent-encoded, an encoded ampersand or quote ends the value.
func bareEnd(s string, from int, encoded bool) int {
	end := from
	for end < len(s) && !endsBare(s, end, encoded) {
		end++
	}
	for end > from && strings.IndexByte(",;.)}]'`", s[end-1]) >= 0 {
		end--
	}
	return end
}

func endsBare(s string, i int, encoded bool) bool {
	switch c := s[i]; {
	case c <= ' ':
		return true
	case c == '\\' || c == '%' && encoded:
		escape, size := decodeAt(s, i)
		return size > 1 && (escape == opaque || escape == '&' || escape == '"')
	default:
		return strings.IndexByte(`&"<>`, c) >= 0
	}
}

func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}

// nameBefore returns the name that ends before the separator at end, whether
// quotes are around it, and whether white space is in between.
func nameBefore(s string, end int) (name string, quoted, spaced bool) {
	i := end
	for i > 0 && i > end-spacesMax && isSpace(s[i-1]) {
		i, spaced = i-1, true
	}
	if i > 0 && (s[i-1] == '"' || s[i-1] == '\'') {
		i, quoted = i-1, true
		for n := 0; i > 0 && s[i-1] == '\\' && n < backslashesMax; n++ {
			i--
		}
	} else if strings.HasSuffix(s[:i], "%22") {
		i, quoted = i-len("%22"), true
	}
	start := i
	for start > 0 && i-start < nameMax && isBase64URL(s[start-1]) {
		start--
	}
	return s[start:i], quoted, spaced
}

// quoteBefore returns the quote that stands right before the name at i, or 0.
func (m *masker) quoteBefore(name string) byte {
	if i := m.i - len(name) - 1; i >= 0 && strings.IndexByte("\"'`", m.s[i]) >= 0 {
		return m.s[i]
	}
	return 0
}

// maybeJWK looks once whether the text names a key type (RFC 7517 §4.1).
func (m *masker) maybeJWK() bool {
	if m.jwk == 0 {
		m.jwk = -1
		if strings.Contains(m.s, "kty") {
			m.jwk = 1
		}
	}
	return m.jwk > 0
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func isLineEnd(c byte) bool { return c == '\n' || c == '\r' }
