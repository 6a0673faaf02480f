package front2

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"
)

// secure is what a *tls.Conn has.
type secure interface {
	net.Conn
	ConnectionState() tls.ConnectionState
	NetConn() net.Conn
	CloseWrite() error
}

// conn is one connection. Its goroutine reads; handlers' goroutines write.
type conn struct {
	server *Server
	tls    secure
	state  *tls.ConnectionState // nil: without TLS
	remote string
	base   context.Context

	// What follows is the reading goroutine's.
	greeted bool // the client's preface has been read
	buf     []byte
	r, w    int // buf[r:w] was read and not used yet
	decoder *hpack.Decoder
	header  header
	hurry   time.Time // by when what has begun must be whole; zero: nothing has
	heard   bool      // something has come since the last look
	pinged  bool      // and is unanswered
	odd     int       // frames to no end since oddFrom
	oddFrom time.Time
	earned  atomic.Int64 // how many of these are excused by what was sent
	moved   atomic.Bool  // the client has taken something since the last look

	mu      sync.Mutex
	streams map[uint32]*stream // that are open
	running int                // handlers; a stream is open no longer than its own
	last    uint32             // the highest stream that the client has opened
	done    closedStreams
	idle    time.Time // since when no stream was open
	window  int       // that we may send
	first   int       // window of a new stream
	frame   int       // longest frame that we may send
	credit  int       // that the client may still send
	owed    int       // that it may be told to send more
	out     output
	leaving bool  // no further streams
	dead    error // why nothing goes on
	ended   sync.WaitGroup
	soon    *time.Timer // the second announcement of a shutdown
}

const (
	firstBuffer = 4 << 10
	keepBuffer  = headLen + maxFrame
)

func newConn(s *Server, t secure) *conn {
	state := t.ConnectionState()
	c := &conn{
		server: s, tls: t, state: &state, remote: t.RemoteAddr().String(),
		base: context.WithValue(s.config.Base, http.LocalAddrContextKey, t.LocalAddr()),
		buf:  make([]byte, firstBuffer), streams: make(map[uint32]*stream),
		window: firstWindow, first: firstWindow, frame: maxFrame, credit: connWindow, idle: time.Now(),
	}
	c.header.conn = c
	c.decoder = hpack.NewDecoder(4<<10, c.header.take)
	c.decoder.SetMaxStringLength(maxBlock(s.config.MaxHeader))
	c.out.init(&c.mu)
	return c
}

var (
	errIdle = errors.New("nothing was asked for")
	errSlow = errors.New("client was too slow")
	errGone = errors.New("client went away")
)

// serve is the life of the connection.
func (c *conn) serve() {
	err := c.greet()
	for err == nil {
		err = c.readFrame()
	}
	c.end(err)
}

// greet exchanges prefaces (RFC 9113 §3.4).
func (c *conn) greet() error {
	c.hurry = time.Now().Add(c.server.config.HeaderTimeout)
	if err := c.readBy(c.hurry); err != nil {
		return err
	}
	c.mu.Lock()
	c.out.bytes = appendSettings(c.out.bytes, c.server.config.MaxHeader)
	c.kick()
	c.mu.Unlock()
	if !c.greeted {
		if err := c.need(len(clientPreface)); err != nil {
			return err
		}
		if string(c.buf[c.r:c.r+len(clientPreface)]) != clientPreface {
			return fail(protocolError, "no preface")
		}
		c.r += len(clientPreface)
	}
	if err := c.need(headLen); err != nil {
		return err
	}
	if f := parseFrame(c.buf[c.r:]); f.kind != frameSettings || f.has(flagAck) {
		return fail(protocolError, "no SETTINGS in the preface")
	}
	// Whoever has said this much is no silent peer any more.
	c.server.config.State(c.tls, http.StateActive)
	c.server.config.State(c.tls, http.StateIdle)
	return c.readFrame()
}

func (c *conn) buffered() int { return c.w - c.r }

// need makes sure that n bytes are buffered. What has begun must be whole in
// time.
func (c *conn) need(n int) error {
	for c.buffered() < n {
		if (c.buffered() > 0 || c.header.open()) && c.hurry.IsZero() {
			c.hurry = time.Now().Add(c.server.config.HeaderTimeout)
			if err := c.readBy(c.hurry); err != nil {
				return err
			}
		}
		if err := c.fill(n); err != nil {
			return err
		}
	}
	return nil
}

// calm says that nothing is half there any more.
func (c *conn) calm() error {
	if c.hurry.IsZero() {
		return nil
	}
	c.hurry = time.Time{}
	return c.readBy(time.Now().Add(min(pingAfter, c.server.config.IdleTimeout)))
}

// readBy sets the reading goroutine's deadline, unless it shall wait no more.
func (c *conn) readBy(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil {
		return c.dead
	}
	return c.tls.SetReadDeadline(t)
}

// fill reads once, into a buffer that can hold n bytes.
func (c *conn) fill(n int) error {
	switch {
	case c.r == c.w:
		c.r, c.w = 0, 0
	case c.r+n > len(c.buf):
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if n > len(c.buf) {
		larger := make([]byte, keepBuffer)
		c.w = copy(larger, c.buf[c.r:c.w])
		c.r, c.buf = 0, larger
	}
	for {
		n, err := c.tls.Read(c.buf[c.w:])
		if n > 0 {
			c.w += n
			c.heard = true
			return nil
		}
		if err == nil {
			err = io.ErrNoProgress
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err := c.silence(time.Now()); err != nil {
			return err
		}
	}
}

// silence says what follows from hearing nothing.
func (c *conn) silence(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil {
		return c.dead
	}
	wait := pingAfter
	switch idle := c.server.config.IdleTimeout; {
	case !c.hurry.IsZero():
		if wait = c.hurry.Sub(now); wait <= 0 {
			return errSlow
		}
	case c.running == 0:
		if wait = c.idle.Add(idle).Sub(now); wait <= 0 {
			return errIdle
		}
	case c.moved.Swap(false) && c.out.busy || c.heard: // a PING would wait behind what is on its way
		c.heard, c.pinged = false, false
	case c.pinged:
		return errGone
	default:
		c.pinged = true
		c.out.bytes = append(appendFrame(c.out.bytes, 8, framePing, 0, 0), "wiretigh"...)
		c.kick()
		wait = pingWait
	}
	return c.tls.SetReadDeadline(now.Add(wait))
}

// strange counts a frame that moves nothing forward.
func (c *conn) strange() error {
	if c.odd++; c.odd < maxOdd {
		return nil
	}
	if c.odd -= int(min(maxOdd, c.earned.Swap(0))); c.odd < maxOdd/2 {
		return nil
	}
	now := time.Now()
	if now.Sub(c.oddFrom) < oddTime {
		return fail(enhanceYourCalm, "too many frames to no end")
	}
	c.odd, c.oddFrom = 0, now
	return nil
}

// end closes the connection and waits for what runs for it.
func (c *conn) end(err error) {
	c.mu.Lock()
	if c.dead == nil {
		c.dead = err
	}
	var why *failure
	say := noError
	if errors.As(err, &why) {
		say = why.code
	}
	c.leaving = true
	if c.soon != nil {
		c.soon.Stop()
	}
	for _, st := range c.streams {
		st.abandon(errGone)
	}
	clear(c.streams)
	tell := why != nil || errors.Is(err, errIdle) || errors.Is(err, errSlow) || errors.Is(err, errFinished)
	if tell {
		c.out.bytes = appendGoAway(c.out.bytes, c.last, say)
		c.out.final = true
	}
	c.mu.Unlock()
	if why != nil {
		c.tell(why.reason)
	}
	if tell {
		c.linger()
	}
	_ = c.tls.NetConn().Close() // crypto/tls' own would wait for peers that do not read
	c.ended.Wait()
}

// linger gives the client time to read why the connection ends: closing at once
// under what it still sends would make its system throw that away.
func (c *conn) linger() {
	until := time.Now().Add(lingering)
	_ = c.tls.SetDeadline(until) // a broken connection ends sooner
	c.mu.Lock()
	for c.out.busy {
		c.out.idle.Wait()
	}
	c.flush()
	c.mu.Unlock()
	_ = c.tls.CloseWrite()
	_, _ = io.CopyN(io.Discard, c.tls.NetConn(), 1<<20)
}

// errFinished says that a shutdown is complete.
var errFinished = errors.New("shutting down")

// shutdown begins to take leave (RFC 9113 §6.8): first without refusing what is
// on its way, then for good.
func (c *conn) shutdown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil || c.soon != nil {
		return
	}
	if c.running == 0 {
		c.finish()
		return
	}
	c.out.bytes = appendGoAway(c.out.bytes, maxWindow, noError)
	c.kick()
	c.soon = time.AfterFunc(goAwayWait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.dead != nil {
			return
		}
		c.leaving = true
		c.out.bytes = appendGoAway(c.out.bytes, c.last, noError)
		c.kick()
		c.finishIfIdle()
	})
}

// finishIfIdle ends a connection that takes no more streams, after the last.
func (c *conn) finishIfIdle() {
	if c.leaving && c.running == 0 {
		c.finish()
	}
}

// finish has the reading goroutine end the connection.
func (c *conn) finish() {
	if c.dead == nil {
		c.dead, c.leaving = errFinished, true
		_ = c.tls.SetReadDeadline(longAgo)
	}
}

// longAgo as a deadline ends what waits.
var longAgo = time.Unix(1, 0)

// closedStreams remembers the streams that have ended last.
type closedStreams struct {
	ids  [128]uint32
	ours [128]bool // we have reset it, and the client may not have heard yet
	next int
}

func (s *closedStreams) add(id uint32, ours bool) {
	s.ids[s.next], s.ours[s.next] = id, ours
	s.next = (s.next + 1) % len(s.ids)
}

func (s *closedStreams) find(id uint32) (known, ours bool) {
	for i, had := range s.ids {
		if had == id {
			return true, s.ours[i]
		}
	}
	return false, false
}
