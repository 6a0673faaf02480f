package front2

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"
)

// header is the header block that is being read, of a request or its trailer.
type header struct {
	conn   *conn
	id     uint32 // 0: none
	flags  byte   // of HEADERS
	block  []byte // its parts, if there are several
	fields []hpack.HeaderField
	size   int  // as RFC 9113 §6.5.2 counts
	large  bool // larger than it may be
	parts  int
	wrong  string // with the request that it was to be; empty: nothing
}

func (h *header) open() bool { return h.id != 0 }

// maxBlock bounds a header block as it is sent. Beyond it the connection ends;
// up to it, a header that is too large is answered.
func maxBlock(maxHeader int) int { return 2*maxHeader + maxFrame }

// maxParts bounds the frames of a header block.
const maxParts = 32

// take is where the decoder puts fields.
func (h *header) take(f hpack.HeaderField) {
	if h.size += int(f.Size()); h.size > h.conn.server.config.MaxHeader {
		h.large = true
		h.fields = h.fields[:0]
		return
	}
	h.fields = append(h.fields, f)
}

// decode reads a whole block.
func (h *header) decode(block []byte) error {
	h.fields, h.size, h.large = h.fields[:0], 0, false
	d := h.conn.decoder
	if _, err := d.Write(block); err != nil {
		return fail(compressionError, "header block: "+err.Error())
	}
	if err := d.Close(); err != nil {
		return fail(compressionError, "header block: "+err.Error())
	}
	return nil
}

// reset forgets the block. Values are not kept for longer than their request.
func (h *header) reset() {
	h.id, h.parts, h.wrong = 0, 0, ""
	clear(h.fields)
	h.fields = h.fields[:0]
	if cap(h.fields) > 4*manyFields {
		h.fields = nil
	}
	h.block = nil
}

// pseudo are the fields that stand for a request line (RFC 9113 §8.3.1).
type pseudo struct{ method, scheme, authority, path string }

// set reports whether name is one of them and comes for the first time. None
// may be empty.
func (p *pseudo) set(name, value string) bool {
	var to *string
	switch name {
	case ":method":
		to = &p.method
	case ":scheme":
		to = &p.scheme
	case ":authority":
		to = &p.authority
	case ":path":
		to = &p.path
	default:
		return false
	}
	if *to != "" || value == "" {
		return false
	}
	*to = value
	return true
}

// fill makes the request of st out of fields. wrong says what is malformed by
// the letter of RFC 9113 §8, and is empty for a request.
func (st *stream) fill(fields []hpack.HeaderField) (wrong string) {
	c, r := st.conn, st.request
	*r = st.blank
	st.values = st.values[:0]
	var p pseudo
	crumbs := 0
	regular := false
	for _, f := range fields {
		if !validValue(f.Value) {
			return "value of a header has a control byte"
		}
		if strings.HasPrefix(f.Name, ":") {
			if regular || !p.set(f.Name, f.Value) {
				return "pseudo-header is unknown, empty, repeated or out of place"
			}
			continue
		}
		regular = true
		if !validName(f.Name) {
			return "name of a header has a byte that names have not"
		}
		if f.Name == "cookie" {
			crumbs++
		}
		if wrong := st.add(f.Name, textproto.TrimString(f.Value)); wrong != "" {
			return wrong
		}
	}
	if crumbs > 1 { // RFC 9113 §8.2.3
		st.header["Cookie"] = []string{strings.Join(st.header["Cookie"], "; ")}
	}
	r.Proto, r.ProtoMajor, r.RemoteAddr, r.TLS = "HTTP/2.0", 2, c.remote, c.state
	r.Method, r.Host, r.Header = p.method, p.authority, st.header
	if wrong := st.target(&p); wrong != "" {
		return wrong
	}
	if r.Host == "" {
		r.Host = st.header.Get("Host")
	}
	return st.frameBody()
}

// blankRequest makes the request of st out of a header that is too large to
// look at.
func (st *stream) blankRequest() {
	st.answer.refuse, st.left, st.unread = true, -1, true
	r := st.request
	*r = st.blank
	r.Proto, r.ProtoMajor, r.RemoteAddr, r.TLS = "HTTP/2.0", 2, st.conn.remote, st.conn.state
	st.url = url.URL{}
	r.Method, r.URL, r.Header, r.Body = http.MethodGet, &st.url, st.header, http.NoBody
}

// target reads what the request is for, and says what is wrong with it.
func (st *stream) target(p *pseudo) (wrong string) {
	r := st.request
	if !validMethod(p.method) {
		return "method is missing or has a byte that methods have not"
	}
	if p.method == http.MethodConnect {
		st.url = url.URL{Host: p.authority}
		r.RequestURI, r.URL = p.authority, &st.url
		if p.scheme != "" || p.path != "" || p.authority == "" {
			return "CONNECT has more or less than an authority"
		}
		return ""
	}
	switch {
	case p.scheme != "https" && p.scheme != "http":
		return "scheme is missing or neither https nor http"
	case p.path == "":
		return "path is missing"
	case strings.ContainsAny(p.authority, "@ \t"):
		return "authority has more than host and port"
	}
	r.RequestURI = p.path
	if plainPath(p.path) {
		st.url = url.URL{Path: p.path}
		r.URL = &st.url
		return ""
	}
	u, err := url.ParseRequestURI(p.path)
	if err != nil {
		return "request target is malformed"
	}
	r.URL = u
	return ""
}

// plainPath reports whether a path means itself, so that url.ParseRequestURI
// would only copy it.
func plainPath(s string) bool {
	if s[0] != '/' || strings.HasPrefix(s, "//") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '/' || c == '-' || c == '_' || c == '.' || c == '~') {
			return false
		}
	}
	return true
}

// add puts a field into the header, or says what is wrong with it.
func (st *stream) add(name, value string) (wrong string) {
	name = canonical(name)
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade":
		return "header belongs to a connection: " + name // RFC 9113 §8.2.2
	case "Te":
		if value != "trailers" {
			return "TE is not trailers"
		}
	}
	had := st.header[name]
	switch {
	case len(had) == 0:
		if len(st.values) == cap(st.values) {
			st.values = make([]string, 0, 16)
		}
		n := len(st.values)
		st.values = append(st.values, value)
		st.header[name] = st.values[n : n+1 : n+1]
	default:
		st.header[name] = append(had, value)
	}
	return ""
}

// frameBody prepares for the body, of which only frames say where it ends, and
// says what is wrong with its length.
func (st *stream) frameBody() (wrong string) {
	r := st.request
	delete(st.header, "Trailer") // which is dropped when it comes
	if waits(st.header["Expect"]) {
		delete(st.header, "Expect")
		st.expects = !st.gotEnd
	}
	st.left = -1
	switch lengths := st.header["Content-Length"]; {
	case len(lengths) > 1:
		return "two Content-Length headers"
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 63)
		if err != nil || lengths[0][0] == '+' {
			return "Content-Length is malformed"
		}
		st.left = int64(n)
	}
	if st.gotEnd {
		r.Body = http.NoBody
		if st.left > 0 {
			return "Content-Length, but no body"
		}
		return ""
	}
	r.ContentLength = st.left
	st.body = &body{conn: st.conn, stream: st}
	r.Body = st.body
	return ""
}

// waits reports whether a client sends its body only when it is told to
// (RFC 9110 §10.1.1).
func waits(expect []string) bool {
	for _, line := range expect {
		for what := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(textproto.TrimString(what), "100-continue") {
				return true
			}
		}
	}
	return false
}

// begin prepares st for a request.
func (st *stream) begin(c *conn, id uint32, end bool) {
	st.conn, st.id = c, id
	st.cond.L = &c.mu
	st.window, st.credit, st.owed = c.first, streamWindow, 0
	st.data, st.read = st.data[:0], 0
	st.gotEnd, st.sentEnd, st.unread, st.expects = end, false, end, false
	st.readBy, st.writeBy, st.failure = time.Time{}, time.Time{}, nil
	st.body, st.reading = nil, 0
	st.life.begin(c.base)
	st.answer.begin()
}

// validTrailer reports whether fields may follow a body (RFC 9113 §8.1).
func validTrailer(fields []hpack.HeaderField) bool {
	for _, f := range fields {
		if !validName(f.Name) || !validValue(f.Value) {
			return false
		}
	}
	return true
}

const (
	inName = 1 << iota // of a field, which is of lower case
	inToken
	inValue
)

// classes says of each byte where it may stand.
var classes = func() (t [256]byte) {
	for c := range t {
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[c] |= inValue
		}
		lower := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0
		if lower {
			t[c] |= inName
		}
		if lower || c >= 'A' && c <= 'Z' {
			t[c] |= inToken
		}
	}
	return t
}()

func all(s string, class byte) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

func validName(s string) bool   { return s != "" && all(s, inName) }
func validMethod(s string) bool { return s != "" && all(s, inToken) }

// validValue refuses control bytes. White space at the ends, which RFC 9113
// §8.2.1 does not allow either, is taken off instead: some clients leave it.
func validValue(s string) bool { return all(s, inValue) }

// names translates between the two forms of common names.
var canonicalNames, lowerNames = func() (up, down map[string]string) {
	up, down = make(map[string]string), make(map[string]string)
	for name := range strings.FieldsSeq(`accept accept-charset accept-encoding accept-language accept-ranges
		access-control-allow-credentials access-control-allow-headers access-control-allow-methods
		access-control-allow-origin access-control-expose-headers access-control-max-age
		access-control-request-headers access-control-request-method age allow authorization cache-control
		content-disposition content-encoding content-language content-length content-location content-range
		content-security-policy content-type cookie date dnt dpop etag expect expires forwarded from host if-match
		if-modified-since if-none-match if-range if-unmodified-since last-modified link location origin pragma
		priority proxy-authorization range referer referrer-policy refresh retry-after sec-ch-ua sec-ch-ua-mobile
		sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user server set-cookie
		strict-transport-security te trailer traceparent tracestate upgrade-insecure-requests user-agent vary via
		www-authenticate x-content-type-options x-forwarded-for x-forwarded-host x-forwarded-proto
		x-frame-options x-request-id x-requested-with`) {
		key := textproto.CanonicalMIMEHeaderKey(name)
		up[name], down[key] = key, name
	}
	return up, down
}()

// canonical is the form of a name that http.Header has.
func canonical(name string) string {
	if key, ok := canonicalNames[name]; ok {
		return key
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// lower is the form that goes over the wire.
func lower(name string) string {
	if wire, ok := lowerNames[name]; ok {
		return wire
	}
	return strings.ToLower(name)
}
