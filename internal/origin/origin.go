// Package origin is a client for one HTTP/1.1 server: it sends a request and
// reads the answer on the caller's own goroutine. net/http's Transport needs
// two more goroutines a connection and hands every request between them, which
// is most of what a proxy on it costs.
//
// It takes requests with no body or a small one that do not switch protocols,
// which are nearly all that a proxy of an API carries; everything else is for
// Transport. Of answers it takes what RFC 9112 lets a server send and nothing
// that only some would read in the same way.
package origin

import (
	"bytes"
	"context"
	"crypto/tls"
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
	tls     *tls.Config
	timeout time.Duration
	idle    time.Duration
	max     int
	header  int

	mu     sync.Mutex
	free   []*conn // the last one is the freshest
	sweep  *time.Timer
	closed bool
}

// Config describes a Client. Every field but TLS must be set.
type Config struct {
	// Dial opens a connection.
	Dial func(context.Context) (net.Conn, error)
	// TLS is how the server is spoken to and verified, ServerName included.
	// Nil: in plain text.
	TLS *tls.Config
	// HeaderTimeout bounds the wait for the header of an answer, from the time
	// at which the request is sent. The wait may be a sixteenth longer.
	HeaderTimeout time.Duration
	// IdleTimeout is how long an unused connection is kept. It should be
	// shorter than the server's own, or requests are lost to closing ones.
	IdleTimeout time.Duration
	// MaxIdle bounds the unused connections.
	MaxIdle int
	// MaxHeader bounds the bytes of an answer's header, 1xx answers included.
	MaxHeader int
}

// New makes a Client. It opens nothing.
func New(c Config) *Client {
	out := &Client{dial: c.Dial, timeout: c.HeaderTimeout, idle: c.IdleTimeout, max: c.MaxIdle, header: c.MaxHeader}
	if c.TLS != nil {
		out.tls = c.TLS.Clone()
		out.tls.NextProtos = []string{"h2", "http/1.1"}
	}
	return out
}

// MaxBody is the longest body of a request, in bytes, that Do sends. It is read
// before anything is sent, so that no client that stalls holds a connection,
// and no early answer meets half a request.
const MaxBody = 16 << 10

// Takes reports whether r is a request that Do can send: with no body, or with
// one of a known length up to MaxBody, and no wish for another protocol or for
// leave to send.
func Takes(r *http.Request) bool {
	return r.ContentLength >= 0 && r.ContentLength <= MaxBody && (r.ContentLength == 0 || r.Body != nil) &&
		len(r.TransferEncoding) == 0 && len(r.Header["Upgrade"]) == 0 && len(r.Header["Expect"]) == 0
}

// ErrHTTP2 says that the server chose HTTP/2, which Do does not speak. Nothing
// was sent, and the request can go another way as it is.
var ErrHTTP2 = errors.New("server speaks HTTP/2")

// Do sends r, whose URL gives path and query alone, and returns the answer.
// The header of r is sent as it is, without hop-by-hop fields of Do's own
// making; its body is read to the end, and not closed. started, if not nil, is
// called with what ends the exchange early; it stays good until the answer's
// body is closed. informed, if not nil, is called with each 1xx answer that
// comes first, of which there may be five.
//
// The answer's header and trailer are good until its body is closed, which the
// caller must do once; the strings in them stay good.
//
// A request without a body on a connection that the server has closed meanwhile
// is sent again on another if its method is safe to repeat and nothing of an
// answer came. One with a body is sent once.
func (c *Client) Do(ctx context.Context, r *http.Request, started func(cut func()), informed func(status int, h http.Header)) (*http.Response, error) {
	out := buffers.Get().(*request)
	defer out.free()
	if err := out.write(r); err != nil {
		return nil, err
	}
	for {
		pc, err := c.get(ctx)
		if errors.Is(err, ErrHTTP2) && r.ContentLength > 0 {
			r.Body = io.NopCloser(bytes.NewReader(bytes.Clone(out.body())))
		}
		if err != nil {
			return nil, err
		}
		reused := pc.used
		res, err := c.exchange(pc, r, out.bytes, started, informed)
		if err == nil {
			return res, nil
		}
		_ = pc.Close() // already broken
		if !reused || pc.started || r.ContentLength > 0 || !repeatable(r.Method) || ctx.Err() != nil || isTimeout(err) {
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

// exchange sends a request on pc and reads the header of its answer.
func (c *Client) exchange(pc *conn, r *http.Request, request []byte, started func(cut func()), informed func(status int, h http.Header)) (*http.Response, error) {
	pc.used, pc.started = true, false
	if started != nil {
		started(pc.cut)
	}
	if _, err := pc.Write(request); err != nil {
		err = fmt.Errorf("send request: %w", err)
		if r.ContentLength == 0 || isTimeout(err) {
			return nil, err
		}
		// It may have been answered before it was read: the answer is here.
		if res, early := c.receive(pc, r, informed); early == nil {
			res.Close, res.Body.(*body).keep = true, false
			return res, nil
		}
		return nil, err
	}
	return c.receive(pc, r, informed)
}

// receive reads the header of the answer to r, and of 1xx answers before it.
func (c *Client) receive(pc *conn, r *http.Request, informed func(status int, h http.Header)) (*http.Response, error) {
	left := c.header
	for range maxInformational {
		block, err := pc.lines(left, true)
		if err != nil {
			return nil, fmt.Errorf("read answer: %w", unexpected(err, inLength))
		}
		left -= len(block)
		if pc.header == nil {
			pc.header = make(http.Header, 16)
		}
		clear(pc.header)
		a := new(answer)
		h, err := parseHead(string(block), r.Method, pc.header, a.values[:])
		if err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		switch {
		case h.status >= 200:
			return c.answer(pc, r, a, h)
		case h.status == http.StatusSwitchingProtocols:
			return nil, errors.New("server switched protocols without being asked")
		case informed != nil:
			informed(h.status, pc.header.Clone())
		}
	}
	return nil, errors.New("server sends 1xx answers without end")
}

const maxInformational = 5

// chunked is the TransferEncoding of all answers that have one.
var chunked = []string{"chunked"}

// answer puts together what Do returns.
func (c *Client) answer(pc *conn, r *http.Request, a *answer, h head) (*http.Response, error) {
	a.Response = http.Response{
		Status: h.reason, StatusCode: h.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: h.minor,
		Header: pc.header, ContentLength: h.length, Close: h.close, Request: r, Body: &a.reader,
	}
	a.reader = body{client: c, conn: pc, res: &a.Response, keep: !h.close && !h.promised, left: h.length}
	if h.minor == 0 {
		a.Proto = "HTTP/1.0"
	}
	if h.chunked {
		var err error
		if a.Trailer, err = announced(pc.header); err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		a.TransferEncoding = chunked
	}
	switch b := &a.reader; {
	case !h.body || h.length == 0:
		b.state = bodyEnded
	case h.chunked:
		b.state, b.left = chunkSize, 0
	case h.length < 0:
		b.state = inClose
	}
	if a.reader.state != bodyEnded && (h.length < 0 || h.length > int64(pc.buffered())) {
		// Bodies may take their time; whoever reads them looks after that.
		if err := pc.patient(); err != nil {
			return nil, err
		}
	}
	return &a.Response, nil
}

// get takes the freshest idle connection that is still good, or opens one. Not
// good is one that the server has closed, and one on which it has said
// something that nobody asked for: the next request would take it for its own
// answer.
func (c *Client) get(ctx context.Context) (*conn, error) {
	for pc := c.takeFree(); pc != nil; pc = c.takeFree() {
		if time.Since(pc.since) < c.idle && pc.within(c.timeout) == nil && pc.quiet() {
			return pc, nil
		}
		_ = pc.Close() // of no more use
	}
	raw, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	pc := &conn{Conn: raw}
	if c.tls != nil {
		err = pc.secure(ctx, c.tls)
	} else {
		pc.quiet = watch(raw).silent
	}
	if err == nil {
		err = pc.within(c.timeout)
	}
	if err != nil {
		_ = raw.Close() // of no use
		return nil, err
	}
	pc.cut = func() { _ = raw.Close() } // tells whoever waits; TLS' own Close may wait itself
	return pc, nil
}
