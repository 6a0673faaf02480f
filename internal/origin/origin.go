// Package origin is a client for one HTTP/1.1 server: it sends a request and
// reads the answer on the caller's own goroutine. net/http's Transport needs
// two more goroutines a connection and hands every request between them, which
// is most of what a proxy on it costs.
//
// It takes requests without a body that do not switch protocols, which are
// nearly all that a proxy of an API carries; everything else is for Transport.
package origin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Client keeps connections to one server. Make one with New; it is safe for
// concurrent use.
type Client struct {
	dial    func(context.Context) (net.Conn, error)
	timeout time.Duration
	idle    time.Duration
	max     int
	header  int64

	mu     sync.Mutex
	free   []*conn // the last one is the freshest
	sweep  *time.Timer
	closed bool
}

// Config describes a Client. Every field must be set.
type Config struct {
	// Dial opens a connection.
	Dial func(context.Context) (net.Conn, error)
	// HeaderTimeout bounds the wait for the header of an answer. The request
	// itself fits into the connection's buffers.
	HeaderTimeout time.Duration
	// IdleTimeout is how long an unused connection is kept. It should be
	// shorter than the server's own, or requests are lost to closing ones.
	IdleTimeout time.Duration
	// MaxIdle bounds the unused connections.
	MaxIdle int
	// MaxHeader bounds the bytes of an answer's header, 1xx answers included.
	MaxHeader int64
}

// New makes a Client. It opens nothing.
func New(c Config) *Client {
	return &Client{dial: c.Dial, timeout: c.HeaderTimeout, idle: c.IdleTimeout, max: c.MaxIdle, header: c.MaxHeader}
}

// conn is one connection with its buffers.
type conn struct {
	net.Conn
	limit   io.LimitedReader // between the socket and br, so that a header ends
	br      *bufio.Reader
	since   time.Time // when it became idle
	used    bool
	started bool // a byte of the current answer has come
	socket  silence
	cut     func()
}

// Read implements io.Reader for the buffer, and notes that the server answers.
func (c *conn) read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.started = true
	}
	return n, err
}

type socket struct{ c *conn }

func (s socket) Read(p []byte) (int, error) { return s.c.read(p) }

// errHeaderTooLarge says that an answer's header does not end within bounds.
var errHeaderTooLarge = errors.New("header of the answer is too large")

// Takes reports whether r is a request that Do can send.
func Takes(r *http.Request) bool {
	return r.ContentLength == 0 && len(r.TransferEncoding) == 0 && len(r.Header["Upgrade"]) == 0 && len(r.Header["Expect"]) == 0
}

// Do sends r, whose URL gives path and query alone, and returns the answer.
// The header of r is sent as it is, without hop-by-hop fields of Do's own
// making. started, if not nil, is called with what ends the exchange early; it
// stays good until the answer's body is closed. informed, if not nil, is called
// with each 1xx answer that comes first, of which there may be five.
//
// A request on a connection that the server has closed meanwhile is sent again
// on another if its method is safe to repeat and nothing of an answer came.
func (c *Client) Do(ctx context.Context, r *http.Request, started func(cut func()), informed func(status int, h http.Header)) (*http.Response, error) {
	for {
		pc, err := c.get(ctx)
		if err != nil {
			return nil, err
		}
		reused := pc.used
		res, err := c.exchange(pc, r, started, informed)
		if err == nil {
			return res, nil
		}
		_ = pc.Close() // already broken
		if !reused || pc.started || !repeatable(r.Method) || ctx.Err() != nil || isTimeout(err) {
			return nil, err
		}
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// repeatable reports whether a method may be sent twice (RFC 9110 §9.2.2).
func repeatable(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// exchange sends r on pc and reads the header of its answer.
func (c *Client) exchange(pc *conn, r *http.Request, started func(cut func()), informed func(status int, h http.Header)) (*http.Response, error) {
	pc.used, pc.started = true, false
	if started != nil {
		started(pc.cut)
	}
	if err := pc.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return nil, err
	}
	if err := writeRequest(pc.Conn, r); err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	pc.limit.N = c.header
	for range maxInformational {
		res, err := http.ReadResponse(pc.br, r)
		if err != nil {
			if pc.limit.N <= 0 {
				return nil, errHeaderTooLarge
			}
			return nil, fmt.Errorf("read answer: %w", err)
		}
		switch {
		case res.StatusCode >= 200:
			return c.answer(pc, res)
		case res.StatusCode < 100:
			return nil, fmt.Errorf("server answers with status %03d", res.StatusCode)
		case res.StatusCode == http.StatusSwitchingProtocols:
			return nil, errors.New("server switched protocols without being asked")
		case informed != nil:
			informed(res.StatusCode, res.Header)
		}
	}
	return nil, errors.New("server sends 1xx answers without end")
}

const maxInformational = 5

// answer gives res a body that returns the connection when it is read.
func (c *Client) answer(pc *conn, res *http.Response) (*http.Response, error) {
	pc.limit.N = 1<<63 - 1
	if res.Close || res.ProtoMajor != 1 || res.ProtoMinor == 0 || res.ContentLength < 0 && len(res.TransferEncoding) == 0 && res.Request.Method != http.MethodHead {
		res.Close = true
	}
	if res.ContentLength < 0 || res.ContentLength > int64(pc.br.Buffered()) {
		// Bodies may take their time; whoever reads them looks after that.
		if err := pc.SetReadDeadline(time.Time{}); err != nil {
			return nil, err
		}
	}
	res.Body = &body{ReadCloser: res.Body, client: c, conn: pc, keep: !res.Close}
	return res, nil
}

// body is an answer's body. Read to its end, it gives its connection back.
type body struct {
	io.ReadCloser
	client *Client
	conn   *conn
	keep   bool
	ended  bool // the last byte was read
	done   bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF { //nolint:errorlint // io.EOF is never wrapped by http's bodies, and this runs for every answer
		b.ended = true
	}
	return n, err
}

// Close gives the connection back if the body has ended, else closes it.
func (b *body) Close() error {
	if b.done {
		return nil
	}
	b.done = true
	if !b.ended && b.keep && b.conn.SetReadDeadline(longAgo) == nil {
		// Close of http's body would read on without a bound; look whether
		// the end is in the buffer already.
		n, err := b.ReadCloser.Read(make([]byte, 1))
		b.ended = n == 0 && err == io.EOF //nolint:errorlint // as in Read
	}
	if b.ended && b.keep && b.conn.br.Buffered() == 0 {
		b.client.put(b.conn)
		return nil
	}
	return b.conn.Close()
}

// longAgo as a deadline lets a read see what is buffered and nothing else.
var longAgo = time.Unix(1, 0)

// get takes the freshest idle connection that is still good, or opens one. Not
// good is one that the server has closed, and one on which it has said
// something that nobody asked for: the next request would take it for its own
// answer.
func (c *Client) get(ctx context.Context) (*conn, error) {
	for pc := c.takeFree(); pc != nil; pc = c.takeFree() {
		if time.Since(pc.since) < c.idle && pc.SetReadDeadline(time.Time{}) == nil && pc.socket.silent() {
			return pc, nil
		}
		_ = pc.Close() // of no more use
	}
	raw, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	pc := &conn{Conn: raw}
	pc.socket.watch(raw)
	pc.cut = func() { _ = pc.Close() }
	pc.limit = io.LimitedReader{R: socket{pc}, N: c.header}
	pc.br = bufio.NewReaderSize(&pc.limit, 4<<10)
	return pc, nil
}

func (c *Client) takeFree() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.free)
	if n == 0 {
		return nil
	}
	pc := c.free[n-1]
	c.free[n-1] = nil
	c.free = c.free[:n-1]
	return pc
}

// put keeps pc for the next request.
func (c *Client) put(pc *conn) {
	pc.since = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.free) >= c.max {
		_ = pc.Close() // not needed any more
		return
	}
	c.free = append(c.free, pc)
	if c.sweep == nil {
		c.sweep = time.AfterFunc(c.idle, c.expire)
	}
}

// expire closes what was idle for too long.
func (c *Client) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	n := 0
	for n < len(c.free) && now.Sub(c.free[n].since) >= c.idle {
		_ = c.free[n].Close() // not needed any more
		n++
	}
	c.free = append(c.free[:0], c.free[n:]...)
	clear(c.free[len(c.free):cap(c.free)])
	if len(c.free) == 0 || c.closed {
		c.sweep = nil
		return
	}
	c.sweep.Reset(max(c.idle-now.Sub(c.free[0].since), 10*time.Millisecond))
}

// CloseIdle closes the connections that nobody uses, and those in use as soon
// as they are given back.
func (c *Client) CloseIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, pc := range c.free {
		_ = pc.Close() // not needed any more
	}
	c.free = nil
	if c.sweep != nil {
		c.sweep.Stop()
		c.sweep = nil
	}
}
