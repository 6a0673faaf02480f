// Package front2 speaks HTTP/2 with clients (RFC 9113), for whoever serves many
// small requests: one goroutine a connection reads frames, a lent one runs a
// request's handler and writes its answer itself, header and body in one piece
// where they fit. net/http passes each request and each of its frames between
// four goroutines.
//
// It is as strict as RFC 9113 lets a server be, and bounds whatever a client can
// pile up: streams and those cancelled, header blocks and their parts, answers
// to PING and SETTINGS, data that no handler has read. It offers neither push
// nor extended CONNECT. Trailers of requests are checked and dropped.
package front2

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Config describes a Server. Every field but Refuse must be set.
type Config struct {
	// Handler answers. Its requests' contexts end with the handler, with Base,
	// or when the client gives up the stream. Unless the handler calls the
	// method Reuse of its http.ResponseWriter, nothing of request and writer is
	// used again after it has returned. A panic with http.ErrAbortHandler
	// resets the stream.
	Handler http.Handler
	// Refuse answers a request whose header is too large, with that status. Of
	// one that is malformed, and of a connection that breaks the protocol, it is
	// told, with status 400: the stream is reset or the connection ends, and what
	// Refuse writes then goes nowhere. r has neither path nor header. Nil: the
	// status alone.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, reason string)
	// Base is the parent of every request's context.
	Base context.Context
	// HeaderTimeout bounds the preface, and then again each header block.
	HeaderTimeout time.Duration
	// IdleTimeout bounds the time without a stream.
	IdleTimeout time.Duration
	// MaxHeader bounds a request's header, counted as in RFC 9113 §6.5.2.
	// Above it the answer is 431.
	MaxHeader int
	// State is told when a connection turns active or idle.
	State func(net.Conn, http.ConnState)
	// Log gets panics, worded as net/http does.
	Log *log.Logger
}

const (
	// maxStreams is how many streams a client may have open.
	maxStreams = 250
	// maxRunning is how many handlers may run for one connection, those of
	// streams included that the client has cancelled.
	maxRunning = 2 * maxStreams
	// streamWindow and connWindow are how much data a client may send that no
	// handler has read.
	streamWindow = 256 << 10
	connWindow   = 1 << 20
	// maxOdd is how many frames that move nothing forward, like PING or a
	// cancelled stream, may come within oddTime.
	maxOdd  = 5000
	oddTime = 10 * time.Second
	// maxQueued is how much waits to be written before handlers wait too.
	maxQueued = 64 << 10
	// maxStuck is how much may wait to be written that no handler waits for,
	// like answers to PING, before a client that does not read is given up.
	maxStuck = 256 << 10
	// pingAfter is how long a connection with streams may be silent, and
	// pingWait how long the answer to a PING may take.
	pingAfter = 15 * time.Second
	pingWait  = 10 * time.Second
	// writeTimeout is how long the system may take nothing of what is written.
	writeTimeout = 30 * time.Second
	// goAwayWait is the time between the two announcements of a shutdown, in
	// which streams that were under way arrive.
	goAwayWait = 500 * time.Millisecond
	// lingering is how long a client may take to see why its connection ends.
	lingering = 500 * time.Millisecond
)

// Server serves connections. Make one with New; it is safe for concurrent use.
type Server struct {
	config  Config
	workers workers

	mu       sync.Mutex
	conns    map[*conn]struct{}
	draining bool
}

// New makes a Server. It starts nothing.
func New(c Config) *Server {
	if c.Refuse == nil {
		c.Refuse = func(w http.ResponseWriter, _ *http.Request, status int, _ string) { w.WriteHeader(status) }
	}
	return &Server{config: c, conns: make(map[*conn]struct{})}
}

// ServeConn serves a connection that has negotiated HTTP/2, and returns when it
// is closed and its handlers have returned.
func (s *Server) ServeConn(t *tls.Conn) { s.serve(t, nil) }

func (s *Server) serve(t secure, prepare func(*conn)) {
	c := newConn(s, t)
	if prepare != nil {
		prepare(c)
	}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	draining := s.draining
	s.mu.Unlock()
	if draining {
		c.shutdown()
	}
	c.serve()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// Shutdown tells all clients that their connection ends with the streams that
// are open, and returns at once. It is meant for http.Server.RegisterOnShutdown.
func (s *Server) Shutdown() {
	s.mu.Lock()
	s.draining = true
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.shutdown()
	}
}

// Close ends the goroutines that wait for work, and waits for those whose
// handlers have not returned until ctx ends. Connections must have ended.
func (s *Server) Close(ctx context.Context) { s.workers.close(ctx) }
