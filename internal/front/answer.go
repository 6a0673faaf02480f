package front

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// answer is the http.ResponseWriter of one request. What is written is gathered
// and goes out in one piece, if it fits, when the handler has returned. It may
// be used on one goroutine at a time; deadlines may be set on any.
type answer struct {
	conn   *conn
	turn   *turn
	header http.Header
	isHead bool

	status  int
	out     *[]byte // what goes out next
	early   *[]byte // body that came before its framing was known
	framed  bool    // the end of the header is in out
	chunked bool
	bare    bool // no body belongs to this status and method
	sniff   bool // Content-Type is still to be guessed
	close   bool
	length  int64 // announced; -1: not
	written int64
	trailer []string // announced
	err     error    // why nothing more can be written
	failed  bool     // because the connection has failed
	touched atomic.Bool
}

const (
	// gather is how much of an answer is gathered before it goes out.
	gather = 8 << 10
	// earlyBody is how much of a body may come before it is sent in chunks.
	earlyBody = 4 << 10
)

var gathered = sync.Pool{New: func() any { b := make([]byte, 0, gather); return &b }}

func (a *answer) begin(r *http.Request) {
	clear(a.header)
	a.isHead = r.Method == http.MethodHead
	a.status, a.framed, a.chunked, a.bare, a.sniff = 0, false, false, false, false
	a.close, a.length, a.written = r.Close, -1, 0
	a.trailer, a.err, a.failed = nil, nil, false
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// Reuse says that the handler keeps nothing of the request, its header and
// context, or this writer when it returns: no goroutine, no list, no transport.
// Strings may be kept.
func (a *answer) Reuse() { a.turn.reuse = true }

// WriteHeader implements http.ResponseWriter. It sends 1xx answers at once and
// ignores a second status.
func (a *answer) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %d", status))
	case a.status != 0:
		return
	case status < 200 && status != http.StatusSwitchingProtocols:
		a.inform(status)
		return
	}
	a.status = status
	a.bare = a.isHead || !hasBody(status)
	a.close = a.close || status == http.StatusSwitchingProtocols || a.conn.server.draining.Load()
	if lengths := a.header["Content-Length"]; len(lengths) > 0 {
		if n, err := strconv.ParseInt(lengths[0], 10, 64); err == nil && n >= 0 {
			a.length = n
		}
	}
	_, typed := a.header["Content-Type"]
	a.sniff = !typed && hasBody(status) && a.header.Get("Content-Encoding") == ""
	a.begun()
	if (a.length >= 0 || !hasBody(status)) && !a.sniff {
		a.frame(nil, false)
	}
}

// hasBody reports whether answers of that status have one (RFC 9110 §6.4.1).
func hasBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if len(p) == 0 || a.err != nil {
		return 0, a.err
	}
	if !hasBody(a.status) {
		return 0, http.ErrBodyNotAllowed
	}
	a.written += int64(len(p)) // what is too much counts: the connection ends
	if a.length >= 0 && a.written > a.length {
		return 0, http.ErrContentLength
	}
	if !a.framed && a.length < 0 {
		if a.early == nil {
			a.early = gathered.Get().(*[]byte)
		}
		if len(*a.early)+len(p) <= earlyBody {
			*a.early = append(*a.early, p...)
			return len(p), nil
		}
	}
	if !a.framed {
		a.frame(p, false)
	}
	a.body(p)
	if a.err != nil {
		return 0, a.err
	}
	return len(p), nil
}

// WriteString implements io.StringWriter.
func (a *answer) WriteString(s string) (int, error) { return a.Write([]byte(s)) }

// body sends a part of the body.
func (a *answer) body(p []byte) {
	if len(p) == 0 || a.bare {
		return
	}
	if !a.chunked {
		a.put(p)
		return
	}
	var size [20]byte
	a.put(append(strconv.AppendInt(size[:0], int64(len(p)), 16), '\r', '\n'))
	a.put(p)
	a.put([]byte("\r\n"))
}

// put gathers p, or sends what does not fit.
func (a *answer) put(p []byte) {
	for a.err == nil && len(p) > 0 {
		if len(*a.out) == 0 && len(p) >= gather {
			_, a.err = a.conn.tls.Write(p)
			return
		}
		n := min(len(p), max(0, gather-len(*a.out)))
		*a.out = append(*a.out, p[:n]...)
		if p = p[n:]; len(p) > 0 {
			a.send()
		}
	}
}

// send sends what was gathered.
func (a *answer) send() {
	if a.out == nil {
		return // the answer is complete
	}
	if a.err == nil && len(*a.out) > 0 {
		_, a.err = a.conn.tls.Write(*a.out)
	}
	if cap(*a.out) > gather { // a large header
		*a.out = make([]byte, 0, gather)
	}
	*a.out = (*a.out)[:0]
}

// Flush implements http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// FlushError sends what was written so far, as http.ResponseController does.
func (a *answer) FlushError() error {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if !a.framed && a.err == nil {
		a.frame(nil, false)
	}
	a.send()
	return a.err
}

// finish completes the answer and reports whether another request may follow.
func (a *answer) finish() bool {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if !a.framed {
		a.frame(nil, true)
	}
	if a.chunked && !a.bare {
		a.put([]byte("0\r\n"))
		a.put(a.trailers())
		a.put([]byte("\r\n"))
	}
	short := !a.bare && a.length >= 0 && a.written != a.length
	a.send()
	keep := a.err == nil && !a.close && !short
	a.drop()
	return keep
}

// errOver is what a handler gets that writes when it has returned.
var errOver = errors.New("the request is over")

// drop forgets what was not sent, and ends the answer.
func (a *answer) drop() {
	a.failed = a.failed || a.err != nil && !errors.Is(a.err, errOver)
	if a.err == nil {
		a.err = errOver
	}
	if a.status == 0 {
		a.status = http.StatusInternalServerError // too late for any
	}
	for _, p := range []**[]byte{&a.out, &a.early} {
		if *p != nil {
			**p = (**p)[:0]
			gathered.Put(*p)
			*p = nil
		}
	}
}

// SetReadDeadline ends reads of the request's body, as http.ResponseController does.
func (a *answer) SetReadDeadline(t time.Time) error {
	a.touched.Store(true)
	return a.conn.raw.SetReadDeadline(t)
}

// SetWriteDeadline ends writes of the answer, as http.ResponseController does.
// The connection is of no use afterwards.
func (a *answer) SetWriteDeadline(t time.Time) error {
	a.touched.Store(true)
	return a.conn.raw.SetWriteDeadline(t)
}

// EnableFullDuplex allows what is always allowed here: to read the request's
// body while the answer is written.
func (a *answer) EnableFullDuplex() error { return nil }

// trailers makes the fields behind the last chunk: the announced ones, and
// those with http.TrailerPrefix.
func (a *answer) trailers() []byte {
	var b []byte
	for _, name := range a.trailer {
		b = appendFields(b, name, a.header[name])
	}
	for name, values := range a.header {
		if rest, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			b = appendFields(b, rest, values)
		}
	}
	return b
}
