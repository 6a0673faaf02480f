package front2

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"
)

// answer is the http.ResponseWriter of one request. What is written is gathered
// and goes out in one piece, if it fits, when the handler has returned. It may
// be used on one goroutine at a time; deadlines may be set on any.
type answer struct {
	stream *stream
	header http.Header
	head   bool // the request's method is HEAD
	reuse  bool
	refuse bool // with 431, and without the handler

	status  int
	fields  []hpack.HeaderField // the header as it was at WriteHeader
	sent    bool                // it is on its way
	length  int64               // announced; -1: not
	written int64
	early   []byte   // of the body, gathered
	trailer []string // announced
	typed   bool     // Content-Type is known, or not to be guessed
	quit    bool     // the connection shall end with this answer
}

// gather is how much of a body is gathered before it goes out.
const gather = 4 << 10

func (a *answer) begin() {
	a.head, a.reuse, a.refuse = false, false, false
	a.status, a.sent, a.length, a.written = 0, false, -1, 0
	a.fields, a.early, a.trailer = a.fields[:0], a.early[:0], nil
	a.typed, a.quit = false, false
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// Reuse says that the handler keeps nothing of the request, its header and
// context, or this writer when it returns: no goroutine, no list, no transport.
// Strings may be kept.
func (a *answer) Reuse() { a.reuse = true }

// WriteHeader implements http.ResponseWriter. It sends 1xx answers at once and
// ignores a second status.
func (a *answer) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999 || status == http.StatusSwitchingProtocols:
		panic(fmt.Sprintf("invalid WriteHeader code %d", status))
	case a.status != 0:
		return
	case status < 200:
		a.inform(status)
		return
	}
	a.status = status
	a.snapshot(status)
}

// inform sends a 1xx answer.
func (a *answer) inform(status int) {
	a.snapshot(status)
	st := a.stream
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams[st.id] == st && c.dead == nil && len(c.out.bytes) < maxQueued { // it is a hint, and nothing to wait for
		st.expects = st.expects && status != http.StatusContinue
		c.appendHeader(st.id, strconv.Itoa(status), a.fields, false)
		c.flush()
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !hasBody(a.status) {
		return 0, http.ErrBodyNotAllowed
	}
	a.written += int64(len(p)) // what is too much counts: the stream is reset
	if a.length >= 0 && a.written > a.length {
		return 0, http.ErrContentLength
	}
	if a.head && (a.sent || len(a.early)+len(p) > gather) {
		if !a.sent && len(a.early) == 0 {
			a.early = append(a.early, p[:gather/8]...) // its type is guessed from that
		}
		return len(p), nil
	}
	if len(a.early)+len(p) <= gather {
		a.early = append(a.early, p...)
		return len(p), nil
	}
	if err := a.send(p, true); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteString implements io.StringWriter.
func (a *answer) WriteString(s string) (int, error) { return a.Write([]byte(s)) }

// FlushError implements what http.ResponseController looks for.
func (a *answer) FlushError() error {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	return a.send(nil, true)
}

// Flush implements http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// SetReadDeadline bounds the wait for the request's body.
func (a *answer) SetReadDeadline(t time.Time) error {
	st := a.stream
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	st.readBy = t
	st.cond.Broadcast()
	return nil
}

// SetWriteDeadline bounds the wait for the client to take the answer. One that
// is past resets the stream at once.
func (a *answer) SetWriteDeadline(t time.Time) error {
	st := a.stream
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	st.writeBy = t
	if !t.IsZero() && t.Before(time.Now()) {
		st.reset(internalError, os.ErrDeadlineExceeded)
		c.kick()
	}
	st.cond.Broadcast()
	return nil
}

// EnableFullDuplex implements what http.ResponseController looks for. It is
// always enabled.
func (a *answer) EnableFullDuplex() error { return nil }

// hasBody reports whether answers of that status have one (RFC 9110 §6.4.1).
func hasBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// send sends the header, what was gathered, and p.
func (a *answer) send(p []byte, flush bool) error {
	st := a.stream
	c := st.conn
	early := a.early
	if !a.sent {
		a.complete(false, p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := a.sendHeader(false); err != nil {
		return err
	}
	for _, part := range [...][]byte{early, p} {
		if len(part) > 0 && !a.head {
			if err := c.sendData(st, part, false); err != nil {
				return err
			}
		}
	}
	a.early = a.early[:0]
	if flush {
		c.flush()
	}
	return st.failure
}

// sendHeader queues the header if it is not on its way. The caller holds conn.mu.
func (a *answer) sendHeader(end bool) error {
	st := a.stream
	if st.failure != nil {
		return st.failure
	}
	if a.sent {
		return nil
	}
	if err := st.conn.room(st); err != nil {
		return err
	}
	a.sent, st.expects = true, false
	st.conn.appendHeader(st.id, statusText(a.status), a.fields, end)
	return nil
}

func statusText(status int) string {
	switch status {
	case http.StatusOK:
		return "200"
	case http.StatusUnauthorized:
		return "401"
	}
	return strconv.Itoa(status)
}

// lastBytes is how long a client may take to accept the end of an answer whose
// handler has set no deadline.
const lastBytes = time.Minute

// finish ends the answer after its handler, unless the stream has ended. What
// is not whole is left to be reset.
func (a *answer) finish() {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.length >= 0 && a.written != a.length && !a.head && hasBody(a.status) {
		return
	}
	if !a.sent {
		a.complete(true, nil)
	}
	trailer := a.trailers()
	st := a.stream
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.writeBy.IsZero() {
		st.writeBy = time.Now().Add(lastBytes)
	}
	end := len(trailer) == 0
	if a.sendEnd(end) != nil {
		return
	}
	if !end {
		if c.room(st) != nil {
			return
		}
		c.appendHeader(st.id, "", trailer, true)
	}
	st.sentEnd = true
	c.earned.Add(8)
	if st.gotEnd {
		c.close(st, false)
	}
	if a.quit {
		c.leaving = true
		c.out.bytes = appendGoAway(c.out.bytes, c.last, noError)
	}
}

// sendEnd queues what is left of header and body. The caller holds conn.mu.
func (a *answer) sendEnd(end bool) error {
	if a.sent && !end && len(a.early) == 0 {
		return a.stream.failure
	}
	if !a.sent {
		none := len(a.early) == 0 || a.head
		if err := a.sendHeader(end && none); err != nil || none {
			return err
		}
	}
	if a.head {
		a.early = a.early[:0]
	}
	return a.stream.conn.sendData(a.stream, a.early, end)
}

// trailers are the fields that follow the body.
func (a *answer) trailers() []hpack.HeaderField {
	var out []hpack.HeaderField
	for _, name := range a.trailer {
		out = appendField(out, name, a.header[name])
	}
	for name, values := range a.header {
		if rest, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			out = appendField(out, http.CanonicalHeaderKey(rest), values)
		}
	}
	return out
}

var _ interface {
	http.ResponseWriter
	http.Flusher
	io.StringWriter
} = (*answer)(nil)
