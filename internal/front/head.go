package front

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A head is a request line and a header as they were read last on a connection.
// Clients repeat themselves: a line that comes again is not read again, and
// costs no memory. The zero value is ready.
type head struct {
	request string // the request line
	method  string
	target  string
	version version
	url     url.URL

	lines []line // the first n are of this request
	n     int

	host   string
	hosts  int
	length int64
	digits string // of length
	// measured says that there was a Content-Length.
	measured bool
	coded    bool // there was a Transfer-Encoding
	close    bool
	unusual  bool // a field that asks for more than an answer
	pragma   bool // a Cache-Control is implied (RFC 9111 §5.4)
}

// line is one field line.
type line struct {
	raw   string
	name  string // canonical
	value string
	role  role
}

// role is what a field means to whoever frames messages.
type role uint8

const (
	plain role = iota
	roleHost
	roleLength
	roleCoding
	roleConnection
	roleUnusual
	rolePragma
)

type version uint8

const (
	http11 version = iota
	http10
)

// refused says why a head is none.
type refused struct {
	status int
	reason string
	host   string // the Host, if that is what is wrong
}

func malformed(reason string) *refused {
	return &refused{status: http.StatusBadRequest, reason: reason}
}

// keptLines bounds the lines that are remembered from one request to the next.
const keptLines = 64

// parse reads a whole head: lines that end in CRLF, of which the last one is
// empty. Nothing in h refers to b afterwards.
func (h *head) parse(b []byte) *refused {
	end := bytes.IndexByte(b, '\n')
	if end < 1 {
		return malformed("no request line")
	}
	if first := b[:end-1]; string(first) != h.request {
		h.request = ""
		line := string(first)
		if no := h.readRequestLine(line); no != nil {
			return no
		}
		h.request = line
	}
	h.n, h.hosts, h.host, h.length = 0, 0, "", 0
	h.measured, h.coded, h.close, h.unusual, h.pragma = false, false, false, false, false
	for b = b[end+1:]; ; b = b[end+1:] {
		end = bytes.IndexByte(b, '\n')
		if end < 1 {
			return malformed("header without end")
		}
		if end == 1 {
			break
		}
		if no := h.readLine(b[:end-1]); no != nil {
			return no
		}
	}
	return h.check()
}

// readRequestLine reads method, target and version (RFC 9112 §3).
func (h *head) readRequestLine(line string) *refused {
	method, rest, _ := strings.Cut(line, " ")
	target, proto, ok := strings.Cut(rest, " ")
	if !ok || method == "" || target == "" {
		return malformed("request line is malformed")
	}
	switch {
	case proto == "HTTP/1.1":
		h.version = http11
	case proto == "HTTP/1.0":
		h.version = http10
	case len(proto) == 8 && proto[:5] == "HTTP/" && digit(proto[5]) && proto[6] == '.' && digit(proto[7]) && method != "PRI":
		return &refused{status: http.StatusHTTPVersionNotSupported, reason: "version of the protocol is not supported"}
	default:
		return malformed("version of the protocol is malformed")
	}
	for i := range len(method) {
		if !tokenByte[method[i]] {
			return malformed("method has a byte that methods have not")
		}
	}
	for i := range len(target) {
		if target[i] <= ' ' || target[i] == 0x7f {
			return malformed("request target has a control byte")
		}
	}
	h.method, h.target = method, target
	return h.readTarget()
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

// readTarget makes h.url of a target in origin form, as url.ParseRequestURI
// would. Other forms are not for this package.
func (h *head) readTarget() *refused {
	h.url = url.URL{}
	if h.target[0] != '/' {
		return nil
	}
	path, query, _ := strings.Cut(h.target, "?")
	for i := range len(path) {
		if !plainByte[path[i]] {
			u, err := url.ParseRequestURI(h.target)
			if err != nil {
				return malformed("request target is malformed")
			}
			h.url = *u
			return nil
		}
	}
	h.url.Path, h.url.RawQuery = path, query
	h.url.ForceQuery = query == "" && len(path) < len(h.target)
	return nil
}

// readLine reads one field line (RFC 9112 §5).
func (h *head) readLine(b []byte) *refused {
	if h.n < len(h.lines) && h.lines[h.n].raw == string(b) {
		return h.note(&h.lines[h.n])
	}
	colon := bytes.IndexByte(b, ':')
	switch {
	case b[0] == ' ' || b[0] == '\t':
		return malformed("header line is folded")
	case colon <= 0:
		return malformed("header line has no name")
	case !made(b[:colon], &tokenByte):
		return malformed("name of a header has a byte that names have not")
	case !made(b[colon+1:], &valueByte):
		return malformed("value of a header has a control byte")
	}
	raw := string(b)
	l := line{raw: raw, name: canonical(raw[:colon]), value: strings.Trim(raw[colon+1:], " \t")}
	l.role = roleOf(l.name)
	if h.n == len(h.lines) {
		h.lines = append(h.lines, l)
	} else {
		h.lines[h.n] = l
	}
	return h.note(&h.lines[h.n])
}

func roleOf(name string) role {
	switch name {
	case "Host":
		return roleHost
	case "Content-Length":
		return roleLength
	case "Transfer-Encoding":
		return roleCoding
	case "Connection":
		return roleConnection
	case "Upgrade", "Expect", "Trailer", "Http2-Settings":
		return roleUnusual
	case "Pragma":
		return rolePragma
	}
	return plain
}

// note counts a line in, and looks at what it means for the framing.
func (h *head) note(l *line) *refused {
	h.n++
	switch l.role {
	case roleHost:
		if h.hosts++; h.hosts > 1 {
			return &refused{status: http.StatusBadRequest, reason: "two Host headers", host: l.value}
		}
		h.host = l.value
		for i := range len(l.value) {
			if !hostByte[l.value[i]] {
				return &refused{status: http.StatusBadRequest, reason: "Host is malformed", host: l.value}
			}
		}
	case roleLength:
		return h.noteLength(l.value)
	case roleCoding:
		if h.coded || !strings.EqualFold(l.value, "chunked") {
			return &refused{status: http.StatusNotImplemented, reason: "transfer coding is not supported"}
		}
		h.coded = true
	case roleConnection:
		h.close = h.close || lists(l.value, "close")
	case roleUnusual:
		h.unusual = true
	case rolePragma:
		h.pragma = h.pragma || l.value == "no-cache"
	}
	return nil
}

// noteLength takes digits only. A repetition must say the same.
func (h *head) noteLength(value string) *refused {
	for i := range len(value) {
		if !digit(value[i]) {
			return malformed("Content-Length is malformed")
		}
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return malformed("Content-Length is malformed")
	}
	if h.measured && value != h.digits {
		return malformed("two different Content-Length headers")
	}
	h.length, h.digits, h.measured = n, value, true
	return nil
}

// check looks at what only the whole header shows.
func (h *head) check() *refused {
	switch {
	case h.coded && h.measured:
		return malformed("Content-Length beside Transfer-Encoding")
	case h.coded && h.version == http10:
		return malformed("Transfer-Encoding with HTTP/1.0")
	case h.hosts == 0 && h.usual():
		return malformed("Host is missing")
	}
	return nil
}

// usual reports whether this package answers the request.
func (h *head) usual() bool {
	return h.version == http11 && h.target[0] == '/' && h.method != http.MethodConnect && !h.coded && !h.unusual
}

// fill puts the fields into header, whose values it keeps in space of values,
// and returns what is left of values.
func (h *head) fill(header http.Header, values []string) []string {
	measured := false
	for i := range h.lines[:h.n] {
		l := &h.lines[i]
		if l.role == roleHost || l.role == roleLength && measured {
			continue
		}
		measured = measured || l.role == roleLength
		if before, ok := header[l.name]; ok {
			header[l.name] = append(before, l.value)
			continue
		}
		values = append(values, l.value)
		n := len(values)
		header[l.name] = values[n-1 : n : n]
	}
	if h.pragma && header["Cache-Control"] == nil && header["Pragma"][0] == "no-cache" {
		header["Cache-Control"] = []string{"no-cache"}
	}
	return values
}

// trimMemory forgets what a client is unlikely to repeat.
func (h *head) trimMemory(large bool) {
	if large {
		*h = head{}
	} else if len(h.lines) > keptLines {
		h.lines = append([]line(nil), h.lines[:keptLines]...)
	}
}
