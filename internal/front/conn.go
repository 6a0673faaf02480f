package front

import (
	"bytes"
	"context"
	"crypto/tls"
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
	broken     bool  // nothing more can be written
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
	c.buf = first[:]
	for c.exchange() {
		c.served = true
		if len(c.buf) > readBuffer && c.end-c.start <= readBuffer {
			c.end = copy(first[:], c.buf[c.start:c.end])
			c.start, c.buf = 0, first[:]
		}
	}
	// Where a handler has ended its goroutine, somebody may still read into it:
	// then it is nobody else's.
	buffers.Put(first)
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
	if c.broken {
		// A farewell behind half a record would only look like an attack.
		_ = c.raw.Close()
	} else {
		_ = c.tls.Close() // the client may be gone
	}
	c.server.State(c.raw, http.StateClosed)
	if c.turn != nil && !c.calling {
		c.turn.retire()
		c.turn = nil
	}
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
	whole := c.call(c.server.Handler, r)
	keep := whole && t.answer.finish()
	if !whole {
		t.answer.drop()
	}
	c.broken = t.answer.failed
	keep = !c.stopWatching() && keep
	left, known := int64(0), true
	if c.body != nil {
		left, known = c.body.end()
		c.body = nil
	}
	c.release(t)
	if whole && !c.broken && (!known || left > 0 && (!keep || !c.discard(left))) {
		c.linger()
		return false
	}
	return keep && c.rest()
}

// call runs a handler and reports whether it has returned.
func (c *conn) call(h http.Handler, r *http.Request) (whole bool) {
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
	h.ServeHTTP(&c.turn.answer, r)
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
