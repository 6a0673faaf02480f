package origin

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// buffers lends the space in which requests are put together.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

const keepBuffer = 64 << 10

// writeRequest sends the header of r in one piece.
func writeRequest(w io.Writer, r *http.Request) error {
	if strings.ContainsAny(r.URL.RawQuery, " \t") || strings.ContainsAny(r.Method, " \t") || strings.ContainsAny(r.Host, " \t/") {
		return errSplit
	}
	p := buffers.Get().(*[]byte)
	b := (*p)[:0]
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, r.URL.EscapedPath()...)
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		b = append(b, '?')
		b = append(b, r.URL.RawQuery...)
	}
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host...)
	b = append(b, '\r', '\n')
	for name, values := range r.Header {
		for _, v := range values {
			b = append(b, name...)
			b = append(b, ':', ' ')
			b = append(b, v...)
			b = append(b, '\r', '\n')
		}
	}
	if hasBodyByDefault(r.Method) {
		b = append(b, "Content-Length: 0\r\n"...)
	}
	b = append(b, '\r', '\n')
	err := wellFormed(b, 2+headerLines(r.Header, hasBodyByDefault(r.Method)))
	if err == nil {
		_, err = w.Write(b)
	}
	if cap(b) <= keepBuffer {
		*p = b
		buffers.Put(p)
	}
	return err
}

// hasBodyByDefault reports methods for which servers wait for a length.
func hasBodyByDefault(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

func headerLines(h http.Header, length bool) int {
	n := 0
	for _, values := range h {
		n += len(values)
	}
	if length {
		n++
	}
	return n
}

// wellFormed makes sure that a request has exactly the lines that it was made
// of: whatever found its way into a value, it cannot end the line.
func wellFormed(b []byte, lines int) error {
	lines++ // the request line
	if bytes.Count(b, []byte{'\n'}) != lines || bytes.Count(b, []byte{'\r'}) != lines || bytes.IndexByte(b, 0) >= 0 {
		return errSplit
	}
	return nil
}

var errSplit = errors.New("request holds a byte that would split it")
