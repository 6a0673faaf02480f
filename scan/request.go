package scan

import (
	"crypto/tls"
	"net/http"
	"time"
)

// Request is one HTTP request to the target. The zero Request is a GET of the
// URL that is scanned.
type Request struct {
	// Method is sent as it stands, whatever its case. Empty: GET.
	Method string
	// Path, with an optional query, starts at the target's origin, as /items?x=1.
	// Empty, and URL too: the path of the scanned URL.
	Path string
	// URL is used in the place of Path: an absolute URL. It must be on the
	// target's own host name; another host's is an error.
	URL string
	// Header goes along as it stands, in this spelling and order by name. Host,
	// Content-Length, User-Agent, Accept and Connection are added where it does
	// not have them. A nil value suppresses one of those.
	Header http.Header
	// Body goes along with its Content-Length.
	Body []byte

	// Plain sends the request without TLS; Port then says where. Zero: port 80
	// for a target on 443, else the target's own.
	Plain bool
	Port  int
	// Host overrides the Host header, SNI the name asked for in the handshake;
	// SNI "-" asks for none.
	Host, SNI string
	// RawTarget is the request line's second word, byte for byte.
	RawTarget string
	// HTTP10 speaks HTTP/1.0.
	HTTP10 bool
	// NoKeepAlive uses a connection of its own, closed afterwards.
	NoKeepAlive bool
	// NoRetry returns a 429 or 503 at once, without backing off and trying again.
	NoRetry bool
	// Follow is how many redirects to follow, on the target's own host only, and
	// never with a credential from HTTPS to HTTP. Zero: none.
	Follow int

	// credential says that Body holds a password or a token in a form that the
	// scan would not recognise.
	credential bool
}

// Response is what came back. It is not changed after it was made.
type Response struct {
	// Status is the code, Proto as "HTTP/1.1".
	Status int
	Proto  string
	// Header is complete, in canonical spelling.
	Header http.Header
	// Body is the first 1 MiB, inflated if it was compressed; Truncated says that
	// there was more, or that the answer broke off.
	Body      []byte
	Truncated bool
	// Class is for comparing answers.
	Class Class
	// TLS is nil over plain HTTP.
	TLS *tls.ConnectionState
	// URL is what was asked for in the end; Method how.
	Method, URL string
	// Took is from the request's first byte to the answer's last.
	Took time.Duration
}

// OK tells whether the status is 2xx.
func (r *Response) OK() bool { return r != nil && r.Status >= 200 && r.Status < 300 }

// Class is what of an answer is the same whenever the same happened. Answers are
// in one class if their Class is equal.
type Class struct {
	Status int
	// Media is the media type without parameters, in lower case.
	Media string
	// Shape is the set of keys of a JSON body; of another body, its text without
	// what changes by itself, hashed, or its length in powers of two where it is
	// long. Empty: there is no body.
	Shape string
}

// Acceptance is whether the target took a token.
type Acceptance struct {
	Accepted bool
	// Inconclusive says why nothing could be decided. Empty: it was. Accepted is
	// false then.
	Inconclusive string
	// Evidence has a line for each control request and for the attack, masked.
	Evidence string
	// Repeat is a command that shows the same, with $TOKEN for the token.
	Repeat string
	// Response is the last answer to the token. Nil: none came.
	Response *Response
}
