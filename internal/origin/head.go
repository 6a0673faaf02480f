package origin

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// head is what an answer's header says of its own form.
type head struct {
	minor   int // of the version, 0 or 1
	status  int
	reason  string // status and reason phrase, as in http.Response
	length  int64  // -1: not known
	chunked bool
	close   bool // the connection ends with this answer
	body    bool // there is one, maybe of no bytes
	// promised says that one is announced that must not come. It may come all
	// the same, even when the next request is out: as the answer to that.
	promised bool
}

var (
	errStatusLine = errors.New("answer does not begin with the status line of HTTP/1.1")
	errLength     = errors.New("answer has a Content-Length that is no single number")
	errCoding     = errors.New("answer has a Transfer-Encoding other than chunked")
	errTwoLengths = errors.New("answer has both Content-Length and Transfer-Encoding")
	errOldCoding  = errors.New("answer of HTTP/1.0 has a Transfer-Encoding")
	errTrailer    = errors.New("answer announces a trailer that no trailer may be")
)

// parseHead reads the header of an answer to a request with this method: its
// lines without the empty one, each ending in CR LF. Fields go to h, whose
// values lie in values as far as it reaches.
//
// It takes what RFC 9112 allows to be sent, no more: single spaces in the status
// line (§4), no folded lines (§5.2), no space before a colon (§5.1), and one
// length or chunked, never both (§6.3).
func parseHead(block, method string, h http.Header, values []string) (head, error) {
	line, fields, _ := strings.Cut(block, "\r\n")
	out, err := parseStatus(line)
	if err != nil {
		return out, err
	}
	if err := parseFields(fields, h, values); err != nil {
		return out, err
	}
	return out, out.frame(method, h)
}

// parseStatus reads the status line (RFC 9112 §4). Servers that leave out the
// reason may leave out the space before it too.
func parseStatus(line string) (head, error) {
	const fixed = len("HTTP/1.1 200")
	if len(line) < fixed || line[:7] != "HTTP/1." || line[8] != ' ' || len(line) > fixed && line[fixed] != ' ' || !isValue(line[fixed:]) {
		return head{}, errStatusLine
	}
	out := head{minor: int(line[7] - '0'), reason: line[9:]}
	for _, c := range []byte(line[9:fixed]) {
		if c < '0' || c > '9' {
			return head{}, errStatusLine
		}
		out.status = 10*out.status + int(c-'0')
	}
	if out.minor > 1 || out.status < 100 {
		return head{}, errStatusLine
	}
	return out, nil
}

// parseFields reads field lines (RFC 9112 §5), of a header or a trailer. Errors
// tell the number of a line and nothing of what it holds.
func parseFields(block string, h http.Header, values []string) error {
	for n := 1; block != ""; n++ {
		end := strings.IndexByte(block, '\r') // that there is one, and LF behind it, the caller knows
		line := block[:end]
		block = block[end+1:]
		if block == "" || block[0] != '\n' {
			return fmt.Errorf("field line %d of the answer holds a CR", n)
		}
		block = block[1:]
		colon := strings.IndexByte(line, ':')
		if colon <= 0 || !isToken(line[:colon]) {
			return fmt.Errorf("field line %d of the answer has no name of a field", n)
		}
		name, value := line[:colon], trimSpace(line[colon+1:])
		if !isValue(value) {
			return fmt.Errorf("field line %d of the answer holds a control byte", n)
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		if had := h[name]; len(had) > 0 {
			h[name] = append(had, value)
			continue
		}
		if len(values) == 0 {
			values = make([]string, 8)
		}
		values[0] = value
		h[name], values = values[:1:1], values[1:]
	}
	return nil
}

// frame finds out where the answer ends (RFC 9112 §6.3), and takes from h what
// concerns this connection alone.
func (p *head) frame(method string, h http.Header) error {
	coding, lengths := h["Transfer-Encoding"], h["Content-Length"]
	p.length, p.chunked = -1, len(coding) == 1
	switch {
	case len(coding) > 0 && p.minor == 0:
		return errOldCoding
	case len(coding) > 0 && len(lengths) > 0:
		return errTwoLengths
	case len(coding) > 1 || len(coding) == 1 && !strings.EqualFold(coding[0], "chunked"):
		return errCoding
	case len(lengths) > 1:
		return errLength
	case len(lengths) == 1:
		n, ok := parseLength(lengths[0])
		if !ok {
			return errLength
		}
		p.length = n
	}
	delete(h, "Transfer-Encoding")
	p.close = closes(h["Connection"], p.minor)
	p.promised = p.length > 0 || p.chunked
	switch {
	case method == http.MethodHead:
	case p.status < 200 || p.status == http.StatusNoContent || p.status == http.StatusNotModified:
		p.length = 0
	default:
		p.body, p.promised = true, false
		p.close = p.close || p.length < 0 && !p.chunked
	}
	return nil
}

// closes reports whether a connection ends after an answer with these
// Connection fields (RFC 9112 §9.3).
func closes(lines []string, minor int) bool {
	keep := false
	for _, line := range lines {
		for option := range strings.SplitSeq(line, ",") {
			option = trimSpace(option)
			if strings.EqualFold(option, "close") {
				return true
			}
			keep = keep || strings.EqualFold(option, "keep-alive")
		}
	}
	return minor == 0 && !keep
}

// parseLength reads a Content-Length (RFC 9110 §8.6).
func parseLength(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// announced makes the trailer that the Trailer field of a chunked answer
// announces, names without values, and takes the field away.
func announced(h http.Header) (http.Header, error) {
	lines := h["Trailer"]
	if len(lines) == 0 {
		return nil, nil
	}
	delete(h, "Trailer")
	trailer := make(http.Header)
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			name = textproto.CanonicalMIMEHeaderKey(trimSpace(name))
			switch name {
			case "":
				continue
			case "Transfer-Encoding", "Trailer", "Content-Length":
				return nil, errTrailer
			}
			trailer[name] = nil
		}
	}
	return trailer, nil
}

func trimSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// isToken reports whether s consists of characters of a token (RFC 9110 §5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if classes[s[i]]&inToken == 0 {
			return false
		}
	}
	return true
}

// isValue reports whether s may stand in a field's value or a reason phrase: no
// control byte but the tab (RFC 9110 §5.5).
func isValue(s string) bool {
	for i := range len(s) {
		if classes[s[i]]&inValue == 0 {
			return false
		}
	}
	return true
}

const (
	inToken = 1 << iota
	inValue
)

// classes says of each byte where it may stand.
var classes = func() (t [256]byte) {
	for c := range t {
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[c] |= inValue
		}
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0 {
			t[c] |= inToken
		}
	}
	return t
}()
