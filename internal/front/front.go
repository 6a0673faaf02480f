// Package front speaks HTTP/1.1 over TLS with clients, for whoever serves many
// small requests: it reads a request and writes its answer on the connection's
// own goroutine. net/http reads ahead on a second goroutine during each
// request, and makes and sorts maps that a proxy throws away.
//
// It takes usual requests only: HTTP/1.1, a path for a target, no body or one
// of known length, no change of protocol. A connection with anything else on it
// is handed to net/http, with what was read of it, and stays there. What is not
// well-formed by the letter of RFC 9112 is refused, also where net/http is
// lenient: lines that end in a bare LF, folded lines, a length beside a coding.
package front

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config describes a Server. Every field but Refuse must be set.
type Config struct {
	// TLS makes the handshake. Connections that negotiate another protocol than
	// HTTP/1.1 go to Rest.
	TLS *tls.Config
	// Handler answers. Its requests' contexts end with the handler, with Base,
	// or when the client goes away during a long wait. Unless the handler calls
	// Reuse, request and writer are not touched again after it has returned.
	Handler http.Handler
	// Refuse answers what is malformed, with an HTTP status that fits. r has
	// neither path nor header, and a Host only if that is what is wrong. Nil:
	// the status alone.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, reason string)
	// Rest takes over connections that are not for this package. They are
	// *tls.Conn after their handshake, or net.Conn that also have the method
	// ConnectionState.
	Rest func(net.Conn)
	// Base is the parent of every request's context.
	Base context.Context
	// HeaderTimeout bounds a handshake, and then again a whole request header.
	HeaderTimeout time.Duration
	// IdleTimeout bounds the wait for a next request.
	IdleTimeout time.Duration
	// MaxHeader bounds request line and header together, in bytes.
	MaxHeader int
	// State is told when a connection, as it was accepted, turns active, idle
	// or closed.
	State func(net.Conn, http.ConnState)
	// Log gets handshake errors and panics, worded as net/http does.
	Log *log.Logger
}

// Server serves the connections of one listener. Make one with New.
type Server struct {
	Config
	draining atomic.Bool

	mu       sync.Mutex
	listener net.Listener
	conns    map[*conn]struct{}
	empty    chan struct{} // closed when the last of conns goes, while somebody waits
}

// New makes a Server. It starts nothing.
func New(c Config) *Server {
	if c.Refuse == nil {
		c.Refuse = func(w http.ResponseWriter, _ *http.Request, status int, _ string) { w.WriteHeader(status) }
	}
	return &Server{Config: c, conns: make(map[*conn]struct{})}
}

// Serve accepts connections until Shutdown, and then returns
// http.ErrServerClosed, or until ln fails for good. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	defer func() { _ = ln.Close() }() // Shutdown may have done it
	s.mu.Lock()
	s.listener = ln
	s.mu.Unlock()
	wait := time.Duration(0)
	for {
		if s.draining.Load() {
			return http.ErrServerClosed
		}
		nc, err := ln.Accept()
		if err == nil {
			wait = 0
			s.start(nc)
			continue
		}
		if s.draining.Load() {
			return http.ErrServerClosed
		}
		var passing interface{ Temporary() bool }
		if !errors.As(err, &passing) || !passing.Temporary() {
			return err
		}
		// Out of file descriptors, most likely: some will come back.
		wait = min(max(2*wait, firstRetry), lastRetry)
		s.Log.Printf("http: Accept error: %v; retrying in %v", err, wait)
		time.Sleep(wait)
	}
}

const (
	firstRetry = 5 * time.Millisecond
	lastRetry  = time.Second
)

// start serves nc on a goroutine of its own.
func (s *Server) start(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	go c.serve()
}

// forget is the end of a connection.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// Shutdown stops accepting, closes connections between two requests at once,
// and waits for the others until ctx ends. Those that have not sent a first
// request get a few seconds for it.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.mu.Lock()
	ln := s.listener
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	var err error
	if ln != nil {
		if err = ln.Close(); errors.Is(err, net.ErrClosed) {
			err = nil
		}
	}
	for _, c := range all {
		c.drain()
	}
	if waited := s.wait(ctx); waited != nil {
		return waited
	}
	return err
}

// wait returns when no connection is left, or when ctx ends.
func (s *Server) wait(ctx context.Context) error {
	s.mu.Lock()
	if len(s.conns) == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes every connection and returns when their goroutines have ended,
// or with an error when ctx ends before.
func (s *Server) Close(ctx context.Context) error {
	s.draining.Store(true)
	s.mu.Lock()
	for c := range s.conns {
		_ = c.raw.Close() // what was under way is given up
	}
	s.mu.Unlock()
	return s.wait(ctx)
}
