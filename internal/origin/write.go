package origin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// request is one as it goes out, in one piece.
type request struct {
	bytes []byte
	head  int // bytes of the header
}

// buffers lends the space in which requests are put together.
var buffers = sync.Pool{New: func() any { return &request{bytes: make([]byte, 0, 2<<10)} }}

func (q *request) free() {
	if cap(q.bytes) <= keepBuffer {
		buffers.Put(q)
	}
}

func (q *request) body() []byte { return q.bytes[q.head:] }

// write puts r together, its body included, which it waits for.
func (q *request) write(r *http.Request) error {
	if strings.ContainsAny(r.URL.RawQuery, " \t") || strings.ContainsAny(r.Method, " \t") || strings.ContainsAny(r.Host, " \t/") {
		return errSplit
	}
	b := append(q.bytes[:0], r.Method...)
	b = append(b, ' ')
	b = append(b, r.URL.EscapedPath()...)
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		b = append(b, '?')
		b = append(b, r.URL.RawQuery...)
	}
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host...)
	b = append(b, '\r', '\n')
	lines := 3 // with Host and the empty one
	for name, values := range r.Header {
		lines += len(values)
		for _, v := range values {
			b = append(b, name...)
			b = append(b, ':', ' ')
			b = append(b, v...)
			b = append(b, '\r', '\n')
		}
	}
	if r.ContentLength > 0 || hasBodyByDefault(r.Method) {
		lines++
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, r.ContentLength, 10)
		b = append(b, '\r', '\n')
	}
	b = append(b, '\r', '\n')
	q.bytes, q.head = b, len(b)
	if err := wellFormed(b, lines); err != nil {
		return err
	}
	if r.ContentLength > 0 {
		return q.append(r.Body, int(r.ContentLength))
	}
	return nil
}

// append reads a body of n bytes and sees that it ends there.
func (q *request) append(body io.Reader, n int) error {
	q.bytes = append(q.bytes, make([]byte, n+1)...)
	in := q.body()
	got := 0
	for got <= n {
		m, err := body.Read(in[got:])
		got += m
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read request body: %w", err)
		}
	}
	if got != n {
		return errBodyLength
	}
	q.bytes = q.bytes[:q.head+n]
	return nil
}

// hasBodyByDefault reports methods for which servers wait for a length.
func hasBodyByDefault(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// wellFormed makes sure that a request's header has exactly the lines that it
// was made of: whatever found its way into a value, it cannot end the line.
func wellFormed(b []byte, lines int) error {
	if bytes.Count(b, []byte{'\n'}) != lines || bytes.Count(b, []byte{'\r'}) != lines || bytes.IndexByte(b, 0) >= 0 {
		return errSplit
	}
	return nil
}

var (
	errSplit      = errors.New("request holds a byte that would split it")
	errBodyLength = errors.New("request has a body of another length than announced")
)
