package front

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// conn is one connection. Its goroutine reads a request, calls the handler and
// writes the answer, and so on. What other goroutines may touch stands behind mu.
type conn struct {
	server *Server
	raw    net.Conn // as accepted
	tls    *tls.Conn
	state  *tls.ConnectionState
	remote string
	base   context.Context

	buf        []byte // from buffers, or larger
	start, end int    // what of buf was read and not used yet
	head       head
	turn       *turn // of the request under way, or of the last one
	body       *body // of the request under way; nil: none
	away       bool  // closed, or no longer ours
	served     bool  // a request has come
	calling    bool  // the handler runs
	posted     bool  // the request before was a POST
	// idleSince is when the deadline for a next request was set. Zero: another
	// deadline is in force, or none.
	idleSince time.Time

	mu    sync.Mutex
	phase phase
	born  time.Time
	watch watch
}

// phase is what a connection does, for a shutdown.
type phase uint8

const (
	fresh  phase = iota // no request has come yet
	idle                // between two requests
	active              // a request is under way
	closed
)

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{server: s, raw: nc, tls: tls.Server(nc, s.TLS), born: time.Now()}
	c.watch.ended.L = &c.mu
	return c
}

// buffers lends what connections read into.
var buffers = sync.Pool{New: func() any { return new([readBuffer]byte) }}

const (
	readBuffer = 4 << 10
	// maxDrain is how much of a body that the handler has left is read, so that
	// the connection can be used again; longest how long that may take.
	maxDrain = 256 << 10
	longest  = 5 * time.Second
	// lingering is how long a client may take to see an answer before the
	// connection is closed under what it still sends, of which so much is read.
	lingering = 500 * time.Millisecond
	maxLinger = 4 << 20
	// freshGrace is how old a connection gets in a shutdown without a request.
	freshGrace = 5 * time.Second
)

// longAgo as a deadline ends what waits.
var longAgo = time.Unix(1, 0)

// serve is the life of the connection.
func (c *conn) serve() {
	defer c.server.forget(c)
	defer c.close()
	stretch(byte(len(c.buf)))
	if !c.handshake() {
		return
	}
	c.remote = c.raw.RemoteAddr().String()
	c.base = context.WithValue(c.server.Base, http.LocalAddrContextKey, c.raw.LocalAddr())
	first := buffers.Get().(*[readBuffer]byte)
	defer buffers.Put(first)
	c.buf = first[:]
	for c.exchange() {
		c.served = true
		if len(c.buf) > readBuffer && c.end-c.start <= readBuffer {
			c.end = copy(first[:], c.buf[c.start:c.end])
			c.start, c.buf = 0, first[:]
		}
	}
}

// stretch makes the goroutine's stack as large as a handshake needs, at once,
// while there is nothing on it: else it grows by being copied several times,
// which is a twentieth of what a new connection costs.
//
//go:noinline
func stretch(b byte) byte {
	var room [12 << 10]byte
	room[int(b)%len(room)] = b
	return room[int(b)/2]
}

// close ends the connection, if it is still ours.
func (c *conn) close() {
	if c.away {
		return
	}
	if c.calling { // the handler has ended its goroutine
		c.stopWatching()
		c.turn.life.end()
	}
	c.mu.Lock()
	c.phase = closed
	c.watch.stop()
	c.mu.Unlock()
	_ = c.tls.Close() // the client may be gone
	c.server.State(c.raw, http.StateClosed)
	if c.turn != nil && !c.calling {
		c.turn.retire()
		c.turn = nil
	}
}

// handshake reports whether the connection speaks HTTP/1.1 and is ours.
func (c *conn) handshake() bool {
	until := time.Now().Add(c.server.HeaderTimeout)
	_ = c.raw.SetDeadline(until) // fails where the connection is broken, as will the handshake
	if err := c.tls.HandshakeContext(context.Background()); err != nil {
		reason := err.Error()
		var record tls.RecordHeaderError
		if errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
			_, _ = io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
			reason = "client sent an HTTP request to an HTTPS server"
		}
		c.server.Log.Printf("http: TLS handshake error from %s: %v", c.raw.RemoteAddr(), reason)
		return false // crypto/tls has sent its alert
	}
	_ = c.raw.SetWriteDeadline(time.Time{})
	state := c.tls.ConnectionState()
	c.state = &state
	if p := state.NegotiatedProtocol; p != "" && p != "http/1.1" {
		c.leave(c.tls)
		return false
	}
	_ = c.raw.SetReadDeadline(time.Now().Add(c.server.HeaderTimeout))
	return true
}

// looksLikeHTTP reports whether a record that is none begins like a request.
func looksLikeHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// leave gives the connection away.
func (c *conn) leave(to net.Conn) {
	c.mu.Lock()
	c.phase = closed // for us
	c.watch.stop()
	c.mu.Unlock()
	c.away = true
	_ = c.raw.SetDeadline(time.Time{})
	c.server.Rest(to)
}

// exchange carries one request through. It reports whether another may follow.
func (c *conn) exchange() bool {
	no, err := c.readHead()
	if err != nil || !c.activate() {
		return false
	}
	if no != nil {
		c.refuse(no)
		return false
	}
	if !c.head.usual() {
		c.leave(&rest{Conn: c.tls, state: c.state, read: bytes.Clone(c.buf[c.start:c.end])})
		return false
	}
	return c.respond()
}

// readHead reads until c.head is whole, and takes it out of the buffer, unless
// it is not for us.
func (c *conn) readHead() (*refused, error) {
	if err := c.await(); err != nil {
		return nil, err
	}
	hurry := !c.served // the deadline is that of a header
	seen, line := c.start, c.start
	for {
		end, no := headEnd(c.buf[:c.end], &seen, &line)
		switch {
		case no != nil:
			return no, nil
		case end > 0 && end-c.start <= c.server.MaxHeader:
			no := c.head.parse(c.buf[c.start:end])
			if no == nil && c.head.usual() {
				c.start = end
			}
			return no, nil
		case end > 0 || c.end-c.start > c.server.MaxHeader:
			return &refused{status: http.StatusRequestHeaderFieldsTooLarge, reason: "header is too large"}, nil
		}
		if no := checkFirst(c.buf[c.start:line]); no != nil {
			return no, nil
		}
		if !hurry {
			hurry, c.idleSince = true, time.Time{}
			_ = c.raw.SetReadDeadline(time.Now().Add(c.server.HeaderTimeout))
		}
		was := c.start
		if err := c.fill(); err != nil {
			return nil, err
		}
		seen, line = seen-was+c.start, line-was+c.start
	}
}

// checkFirst looks at the request line of a head that is not whole yet: who
// speaks another language may wait for an answer before saying more.
func checkFirst(b []byte) *refused {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return nil
	}
	var first head
	return first.readRequestLine(string(b[:max(0, end-1)]))
}

// await waits for the first byte of a request.
func (c *conn) await() error {
	skipped := 0
	for {
		// Some old clients send a CRLF behind a body (RFC 9112 §2.2).
		for c.posted && skipped < 4 && c.start < c.end && (c.buf[c.start] == '\r' || c.buf[c.start] == '\n') {
			c.start++
			skipped++
		}
		if c.start < c.end {
			return nil
		}
		if c.served {
			if now := time.Now(); now.Sub(c.idleSince) > c.server.IdleTimeout/idleGrain {
				c.idleSince = now
				_ = c.raw.SetReadDeadline(now.Add(c.server.IdleTimeout))
			}
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// idleGrain says by which part the wait for a next request may be shorter than
// it should be, so that not every request has to move a deadline.
const idleGrain = 64

// headEnd looks for the empty line that ends a head. seen and line are where
// the last look ended, and the line in which that was.
func headEnd(b []byte, seen, line *int) (end int, no *refused) {
	for {
		i := bytes.IndexByte(b[*seen:], '\n')
		if i < 0 {
			*seen = len(b)
			return 0, nil
		}
		i += *seen
		if i == *line || b[i-1] != '\r' {
			return 0, malformed("line ends in a bare LF")
		}
		if i == *line+1 {
			return i + 1, nil
		}
		*seen, *line = i+1, i+1
	}
}

// fill reads once into the buffer, which it makes larger if it is full.
func (c *conn) fill() error {
	c.makeRoom()
	n, err := c.tls.Read(c.buf[c.end:])
	c.end += n
	if n > 0 {
		return nil
	}
	return err
}

func (c *conn) makeRoom() {
	switch {
	case c.start == c.end:
		c.start, c.end = 0, 0
	case c.end < len(c.buf):
	case c.start > 0:
		c.end = copy(c.buf, c.buf[c.start:c.end])
		c.start = 0
	default:
		larger := make([]byte, min(2*len(c.buf), max(c.server.MaxHeader+1, len(c.buf)+1)))
		c.end = copy(larger, c.buf)
		c.buf = larger
	}
}

// activate begins a request, unless a shutdown has closed the connection.
func (c *conn) activate() bool {
	c.mu.Lock()
	alive := c.phase != closed
	if alive {
		c.phase = active
	}
	c.mu.Unlock()
	if alive {
		c.server.State(c.raw, http.StateActive)
	}
	return alive
}

// respond calls the handler for c.head and writes the answer.
func (c *conn) respond() bool {
	if c.turn == nil {
		c.turn = newTurn(c)
	}
	t := c.turn
	r := t.begin(&c.head)
	if c.head.length > 0 {
		c.body = &body{conn: c, left: c.head.length}
		r.Body, r.ContentLength = c.body, c.head.length
		if int64(c.end-c.start) < c.head.length {
			c.idleSince = time.Time{}
			_ = c.raw.SetReadDeadline(time.Time{}) // whoever reads the body looks after its pace
		}
	}
	c.startWatching(c.body == nil)
	whole := c.call(r)
	keep := whole && t.answer.finish()
	if !whole {
		t.answer.drop()
	}
	keep = !c.stopWatching() && keep
	left, known := int64(0), true
	if c.body != nil {
		left, known = c.body.end()
		c.body = nil
	}
	c.release(t)
	if whole && (!known || left > 0 && (!keep || !c.discard(left))) {
		c.linger()
		return false
	}
	return keep && c.rest()
}

// call runs the handler and reports whether it has returned.
func (c *conn) call(r *http.Request) (whole bool) {
	defer func() {
		if whole {
			return
		}
		failed := recover()
		if failed == nil {
			return // runtime.Goexit: close does the rest
		}
		c.calling = false
		//nolint:errorlint // as net/http: whoever panics with it means this very value
		if failed != http.ErrAbortHandler {
			trace := make([]byte, 64<<10)
			trace = trace[:runtime.Stack(trace, false)]
			c.server.Log.Printf("http: panic serving %v: %v\n%s", c.remote, failed, trace)
		}
	}()
	c.calling = true
	c.server.Handler.ServeHTTP(&c.turn.answer, r)
	c.calling = false
	return true
}

// release ends the request's context, and forgets what the next request cannot use.
func (c *conn) release(t *turn) {
	if t.answer.touched.Swap(false) {
		c.idleSince = time.Time{}
		_ = c.raw.SetDeadline(time.Time{})
	}
	large := c.head.n > maxTurn || len(c.buf) > readBuffer
	if !t.again() || large {
		t.life.end()
		c.turn = nil
	}
	c.posted = c.head.method == http.MethodPost
	c.head.trimMemory(large)
}

// rest ends a request after which another may follow.
func (c *conn) rest() bool {
	c.mu.Lock()
	alive := c.phase != closed
	if alive {
		c.phase = idle
	}
	c.mu.Unlock()
	if !alive || c.server.draining.Load() {
		return false
	}
	if c.start == c.end {
		c.server.State(c.raw, http.StateIdle)
	}
	return true
}

// refuse answers a head that is none, and ends the connection.
func (c *conn) refuse(no *refused) {
	c.head = head{}
	t := newTurn(c)
	c.turn = t
	r := t.begin(&c.head)
	r.Method, r.Host = http.MethodGet, no.host
	t.answer.close = true
	c.server.Refuse(&t.answer, r, no.status, no.reason)
	t.answer.finish()
	c.release(t)
	c.linger()
}

// discard reads the rest of a body that nobody wanted.
func (c *conn) discard(left int64) bool {
	buffered := min(left, int64(c.end-c.start))
	c.start += int(buffered)
	if left -= buffered; left == 0 {
		return true
	}
	if left > maxDrain {
		return false
	}
	c.idleSince = time.Time{}
	_ = c.raw.SetReadDeadline(time.Now().Add(longest))
	n, err := io.CopyN(io.Discard, c.tls, left)
	return err == nil && n == left
}

// linger ends the connection such that the client can see the answer, although
// it still sends: closing at once would have the system throw the answer away.
func (c *conn) linger() {
	_ = c.tls.CloseWrite()
	_ = c.raw.SetReadDeadline(time.Now().Add(lingering))
	_, _ = io.CopyN(io.Discard, c.raw, maxLinger)
}

// readBody reads for the request's body.
func (c *conn) readBody(p []byte) (int, error) {
	if c.start < c.end {
		n := copy(p, c.buf[c.start:c.end])
		c.start += n
		return n, nil
	}
	return c.tls.Read(p)
}

// interrupt ends a read that waits.
func (c *conn) interrupt() {
	c.idleSince = time.Time{}
	_ = c.raw.SetReadDeadline(longAgo)
}

// drain is what a shutdown does to the connection.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.phase {
	case idle:
		c.phase = closed
		_ = c.raw.Close()
	case fresh:
		c.watch.grace = time.AfterFunc(freshGrace-time.Since(c.born), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.phase == fresh {
				_ = c.raw.Close()
			}
		})
	case active, closed:
	}
}
