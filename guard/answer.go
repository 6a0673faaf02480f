package guard

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// answer guards what goes back to the client: headers when they are written,
// and the body of an error, in which tokens are redacted while it streams.
type answer struct {
	x *exchange
	w http.ResponseWriter

	relayed  bool // an upstream makes the answer, no handler in this process
	wrote    bool
	status   int
	bytes    int64
	refused  *refusal
	inClear  bool // it goes over no TLS, where HSTS means nothing (RFC 6797 §7.2)
	swept    bool // of headers that the upstream must not set
	replaced bool // refused took the place of what the upstream said
	aborted  string
	body     io.Writer              // set when the body takes a way round
	closer   func(whole bool) error // ends body
	hijacked *watchedConn

	mu    sync.Mutex
	cut   func() // ends the connection to the client or to the upstream
	ended bool   // the ResponseWriter is the server's again
}

func (a *answer) init(x *exchange, w http.ResponseWriter) { a.x, a.w = x, w }

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.w.Header() }

// Unwrap lets http.ResponseController reach what this type does not change.
func (a *answer) Unwrap() http.ResponseWriter { return a.w }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.wrote {
		return
	}
	if status >= 100 && status < 200 {
		if status != http.StatusSwitchingProtocols {
			a.informational(status)
			return
		}
	}
	if a.refused == nil {
		if reason := a.guardHeader(a.Header(), status); reason != "" {
			a.instead(&refusal{rule: RuleTransport, kind: kindBadGateway, reason: reason})
			return
		}
	}
	a.wrote, a.status = true, status
	h := a.Header()
	a.own(h)
	if !a.relayed {
		a.x.flight.stream.Store(len(h["Content-Length"]) == 0 || endless(h))
	}
	if status >= 400 && a.refused == nil && a.x.local == nil {
		a.scrub()
	}
	a.x.flight.begun.Store(true)
	a.w.WriteHeader(status)
}

// informational sends a 1xx answer with nothing but Link, which is all that
// early hints are about (RFC 8297). HTTP/1.0 does not know them.
func (a *answer) informational(status int) {
	if !a.x.r.ProtoAtLeast(1, 1) {
		return
	}
	h := a.Header()
	kept := h.Clone()
	for name := range h {
		if name != "Link" {
			delete(h, name)
		}
	}
	a.w.WriteHeader(status)
	clear(h)
	for name, values := range kept {
		h[name] = values
	}
}

// instead answers with a refusal in the place of what the upstream said.
func (a *answer) instead(f *refusal) {
	clear(a.Header())
	a.refused, a.replaced = f, true
	f.write(a, a.x.r.Method, a.x.id)
	a.body = io.Discard
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if !a.wrote {
		a.WriteHeader(http.StatusOK)
	}
	a.x.flight.active.Store(a.x.guard.now().UnixNano())
	a.bytes += int64(len(p))
	if a.body != nil {
		return a.body.Write(p)
	}
	return a.w.Write(p)
}

// FlushError implements the flush of http.ResponseController.
func (a *answer) FlushError() error {
	if !a.wrote {
		a.WriteHeader(http.StatusOK)
	}
	if a.body != nil {
		if f, ok := a.body.(interface{ Flush() error }); ok {
			if err := f.Flush(); err != nil {
				return err
			}
		} else {
			return nil
		}
	}
	return http.NewResponseController(a.w).Flush()
}

// Flush implements http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// Hijack hands over the connection after a switch of protocols, still counted
// and still cut when the token ends.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(a.w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		_ = conn.Close() // unreachable, and nobody else would close it
		return nil, nil, err
	}
	a.own(a.Header())
	a.wrote, a.status = true, http.StatusSwitchingProtocols
	a.x.flight.stream.Store(true)
	a.x.flight.begun.Store(true)
	a.x.flight.hijacked.Store(true)
	_ = conn.SetDeadline(time.Time{}) // fails where the connection is broken, which is found out soon
	a.severable(func() { _ = abruptly(conn).Close() })
	a.hijacked = &watchedConn{Conn: conn, x: a.x}
	in := io.MultiReader(bytes.NewReader(bytes.Clone(early)), a.hijacked)
	return a.hijacked, bufio.NewReadWriter(bufio.NewReader(in), bufio.NewWriter(a.hijacked)), nil
}

// abruptly is the connection below TLS, whose own Close may wait to say so to a
// peer that does not listen.
func abruptly(c net.Conn) net.Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c
}

// severable notes what ends the exchange early.
func (a *answer) severable(cut func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut = cut
	if cut != nil && a.x.flight.cut.p.Load() != nil {
		cut() // it was too early for this one
	}
}

// sever ends the exchange early, where its context does not: what waits for the
// upstream, for more of an upload, and for a client that does not read.
func (a *answer) sever() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cut != nil {
		a.cut()
	}
	if a.ended || a.x.flight.hijacked.Load() {
		return
	}
	// Whoever waits for an upload answers when the wait ends: that is not what
	// is to be cut.
	begun := a.x.flight.begun.Load()
	// Both fail only below a server that knows no deadlines.
	c := http.NewResponseController(a.w)
	_ = c.SetReadDeadline(longAgo)
	if begun {
		_ = c.SetWriteDeadline(longAgo)
	}
}

// longAgo as a deadline ends what waits.
var longAgo = time.Unix(1, 0)

// watchedConn notes that something moves, and when it ends.
type watchedConn struct {
	net.Conn
	x       *exchange
	written atomic.Int64
}

// Close ends the exchange, which may have outlived its handler.
func (c *watchedConn) Close() error {
	c.x.guard.inflight.leave(c.x)
	return c.Conn.Close()
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.x.flight.active.Store(c.x.guard.now().UnixNano())
	return n, err
}

func (c *watchedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.x.flight.active.Store(c.x.guard.now().UnixNano())
	c.written.Add(int64(n))
	return n, err
}

// CloseWrite passes on the half close that ends one direction of a tunnel.
func (c *watchedConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Close()
}

// unwanted reports answer headers that tell what runs behind, or speak for the
// guard.
func unwanted(name string) bool {
	switch name {
	case "Server", "X-Powered-By", "X-Aspnet-Version", "X-Aspnetmvc-Version", "X-Generator", "X-Runtime", "X-Version",
		"Strict-Transport-Security", "Alt-Svc", "Public-Key-Pins", "X-Request-Id":
		return true
	}
	return false
}

// own puts the guard's own headers on every answer.
func (a *answer) own(h http.Header) {
	if !a.inClear {
		h["Strict-Transport-Security"] = a.x.one(a.x.policy.hsts)
	}
	h["X-Request-Id"] = a.x.one(a.x.id)
	if _, ok := h["Content-Type"]; !ok && a.relayed {
		h["Content-Type"] = nil // what the upstream did not name is not guessed
	}
	h["X-Content-Type-Options"] = a.x.one("nosniff")
	if !a.swept {
		a.x.dropCORS(h)
	}
	a.x.setCORS(h)
}

// guardHeader guards the header of an answer that the upstream, or the wrapped
// handler, has made. A reason means that the answer must not go out.
func (a *answer) guardHeader(h http.Header, status int) (reason string) {
	a.swept = true
	leads, cookies := false, false
	for name := range h {
		switch {
		case unwanted(name) || a.x.foreignCORS(name):
			delete(h, name)
		case name == "Location" || name == "Content-Location" || name == "Refresh":
			leads = true
		case name == "Set-Cookie":
			cookies = true
		}
	}
	if leads {
		if reason := a.guardLocations(h); reason != "" {
			return reason
		}
	}
	if cookies {
		a.guardCookies(h)
	}
	if a.x.credentialed && len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = a.x.one("no-store")
	}
	if status >= 400 {
		a.scrubHeader(h)
	}
	return ""
}

// endBody ends the body's way round. An error means that the answer is not
// whole.
func (a *answer) endBody(whole bool) error {
	if a.closer == nil {
		return nil
	}
	closer := a.closer
	a.body, a.closer = nil, nil
	if err := closer(whole); err != nil && whole {
		return fmt.Errorf("scrub the answer: %w", err)
	}
	return nil
}

// finish ends the answer: one that the handler left to the server to begin is
// guarded like any other.
func (a *answer) finish(whole bool) error {
	if whole && !a.wrote {
		a.WriteHeader(http.StatusOK)
	}
	err := a.endBody(whole)
	if a.hijacked != nil {
		a.bytes = a.hijacked.written.Load()
	}
	if a.x.r.ProtoMajor == 2 {
		// What is left waits in the server for the client's window to open,
		// which a client may hold shut on as many streams as it likes.
		_ = http.NewResponseController(a.w).SetWriteDeadline(time.Now().Add(min(lastBytes, a.x.policy.idleStream)))
	}
	a.mu.Lock()
	a.ended = true
	a.mu.Unlock()
	return err
}

// lastBytes is how long a client may take to accept the end of an answer.
const lastBytes = 30 * time.Second
