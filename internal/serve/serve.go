// Package serve accepts connections for Wiretight: certificates and their
// reload, listeners on which every wait has an end and every crowd a bound,
// and a shutdown that lets running requests finish.
//
// It knows nothing of tokens or routes. A handler gets requests that have
// passed TLS and the limits below, and nothing more is promised of them.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wiretight/wiretight/internal/front"
	"github.com/wiretight/wiretight/internal/front2"
)

// Listener is one address and what answers there.
type Listener struct {
	// Name is used in logs, errors and Server.Addr.
	Name string
	// Addr is host:port, where an empty host means all addresses and port 0
	// any free one, or unix:///path for a socket of mode 0600.
	Addr string
	// TLS is Certificates.Config for HTTPS (HTTP/1.1 and HTTP/2). Nil: plain
	// HTTP/1.1.
	TLS *tls.Config
	// HTTP2 says that callers without TLS speak HTTP/2 from the first byte on,
	// as gRPC does, and nothing else.
	HTTP2 bool
	// Handler answers. It must be set.
	Handler http.Handler
	// Refuse answers what is no request over HTTP/1.1, and over
	// HTTP/2 a header that is too large: with that status and for that reason,
	// which is for logs. Of what else is no request over HTTP/2 it is told, and
	// writes to nobody. r has neither path nor header, and a Host only if that
	// is what is wrong. Nil: the status alone.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, reason string)
	// Last keeps the listener answering until all others have drained, so
	// that health can be asked during a shutdown.
	Last bool
}

// Config describes a Server. The zero value of every limit is the default that
// stands beside it; limits cannot be turned off.
type Config struct {
	Listeners []Listener

	// ReadHeaderTimeout is how long a TLS handshake may take, and then again
	// how long a whole request header may take. Zero: 10 s.
	ReadHeaderTimeout time.Duration
	// IdleTimeout is how long a connection is kept between two requests, and,
	// on Linux, while its peer takes nothing of what was sent to it. Zero: 60 s.
	IdleTimeout time.Duration
	// MaxHeaderBytes bounds request line and header together; above it the
	// answer is 431. net/http allows some 4 KiB more. Zero: 64 KiB.
	MaxHeaderBytes int
	// MaxConns bounds the open connections of each listener. At the bound the
	// longest idle one makes room, or the new one is closed. Zero: half of
	// the file descriptors that the process may have, at most 65,536.
	MaxConns int
	// MaxHalfOpen bounds, for each listener, the connections that have not yet
	// delivered a handshake and a first header. Beyond it the oldest of them
	// is closed, so that a crowd of silent peers cannot lock out speaking
	// ones. Zero: a quarter of MaxConns, at most 4,096.
	MaxHalfOpen int

	// Logger gets what goes wrong below the handlers. It must redact: panic
	// values and protocol errors can quote what a peer sent. Nil: none.
	Logger *slog.Logger
	// Now is the clock of the log's rate limit. Nil: time.Now.
	Now func() time.Time
}

// The limits that a zero Config gets.
const (
	defaultReadHeader = 10 * time.Second
	defaultIdle       = 60 * time.Second
	defaultMaxHeader  = 64 << 10
	maxConns          = 1 << 16
	maxHalfOpen       = 1 << 12
)

// Server runs the listeners of a Config. Make one with New.
type Server struct {
	config   Config
	running  []*running
	draining chan struct{}
	drain    sync.Once
	failed   chan error
	accept   sync.WaitGroup
	started  atomic.Bool
}

// running is one listener while it serves.
type running struct {
	Listener
	server   *http.Server
	front    *front.Server // HTTP/1.1 over TLS; nil: without TLS
	feed     *front.Feed   // what front leaves to server
	h2       *front2.Server
	gate     *gate
	handlers handlers
	// requests is the parent of every request's context.
	requests context.Context
	cut      context.CancelFunc
}

// New checks config and makes a Server of it. No address is opened before
// Start. All mistakes are reported at once.
func New(config Config) (*Server, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	config.fill()
	s := &Server{
		config:   config,
		draining: make(chan struct{}),
		failed:   make(chan error, 2*len(config.Listeners)),
	}
	records := newErrorLog(config.Logger, config.Now)
	for _, l := range config.Listeners {
		s.running = append(s.running, s.prepare(l, records.named(l.Name)))
	}
	return s, nil
}

func (c *Config) check() error {
	var errs []error
	if len(c.Listeners) == 0 {
		errs = append(errs, errors.New("no listener is configured; name at least one address"))
	}
	seen := make(map[string]bool)
	for _, l := range c.Listeners {
		switch {
		case l.Name == "" || l.Addr == "":
			errs = append(errs, fmt.Errorf("listener %q at %q: name and address must both be set", l.Name, l.Addr))
		case seen[l.Name]:
			errs = append(errs, fmt.Errorf("listener %q is named twice", l.Name))
		case l.Handler == nil:
			errs = append(errs, fmt.Errorf("listener %q has no handler", l.Name))
		}
		seen[l.Name] = true
	}
	for name, d := range map[string]time.Duration{"read header timeout": c.ReadHeaderTimeout, "idle timeout": c.IdleTimeout} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s is %v; write a positive duration", name, d))
		}
	}
	for name, n := range map[string]int{"header limit": c.MaxHeaderBytes, "connection limit": c.MaxConns, "half-open limit": c.MaxHalfOpen} {
		if n < 0 {
			errs = append(errs, fmt.Errorf("%s is %d; write a positive number", name, n))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) fill() {
	if c.ReadHeaderTimeout == 0 {
		c.ReadHeaderTimeout = defaultReadHeader
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = defaultIdle
	}
	if c.MaxHeaderBytes == 0 {
		c.MaxHeaderBytes = defaultMaxHeader
	}
	if c.MaxConns == 0 {
		c.MaxConns = min(maxConns, max(64, fileLimit()/2))
	}
	if c.MaxHalfOpen == 0 {
		c.MaxHalfOpen = min(maxHalfOpen, max(16, c.MaxConns/4))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

func (s *Server) prepare(l Listener, records *log.Logger) *running {
	r := &running{Listener: l}
	r.requests, r.cut = context.WithCancel(context.Background())
	var protocols http.Protocols
	protocols.SetHTTP1(!l.HTTP2 || l.TLS != nil)
	protocols.SetHTTP2(l.TLS != nil)
	protocols.SetUnencryptedHTTP2(l.HTTP2 && l.TLS == nil)
	r.server = &http.Server{
		Handler:           asked(r.handlers.count(leaveBodies(l.Handler))),
		ReadHeaderTimeout: s.config.ReadHeaderTimeout,
		IdleTimeout:       s.config.IdleTimeout,
		MaxHeaderBytes:    s.config.MaxHeaderBytes,
		// OPTIONS * is for the handler to answer, or to refuse, like anything else.
		DisableGeneralOptionsHandler: true,

		ErrorLog:    records,
		Protocols:   &protocols,
		BaseContext: func(net.Listener) context.Context { return r.requests },
		ConnState:   spokenState,
		ConnContext: withConn,
		// A finished challenge handshake (RFC 8737) carries no request, and was
		// not asked for a client certificate.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){
			challengeProtocol: func(_ *http.Server, c *tls.Conn, _ http.Handler) { _ = c.Close() },
			"h2":              func(_ *http.Server, c *tls.Conn, _ http.Handler) { r.h2.ServeConn(c) },
			clearProtocol:     func(_ *http.Server, c *tls.Conn, _ http.Handler) { r.serveClear(c) },
		},
	}
	r.h2 = front2.New(front2.Config{
		Handler:       r.handlers.count(l.Handler),
		Refuse:        l.Refuse,
		Base:          r.requests,
		HeaderTimeout: s.config.ReadHeaderTimeout,
		IdleTimeout:   s.config.IdleTimeout,
		MaxHeader:     s.config.MaxHeaderBytes,
		State:         connState,
		Log:           records,
	})
	r.server.RegisterOnShutdown(r.h2.Shutdown)
	if l.TLS != nil {
		r.front = front.New(front.Config{
			TLS:           l.TLS,
			Handler:       r.handlers.count(l.Handler),
			Refuse:        l.Refuse,
			Rest:          func(c net.Conn) { r.feed.Give(r.spokenOver(c)) },
			Base:          r.requests,
			HeaderTimeout: s.config.ReadHeaderTimeout,
			IdleTimeout:   s.config.IdleTimeout,
			MaxHeader:     s.config.MaxHeaderBytes,
			State:         connState,
			Log:           records,
		})
	}
	return r
}

// clearProtocol is how net/http calls HTTP/2 without TLS among the protocols
// that somebody else serves. It has read the client's preface by then.
const clearProtocol = "unencrypted_http2"

// serveClear serves HTTP/2 on the connection that net/http has put into c.
func (r *running) serveClear(c *tls.Conn) {
	inner, ok := c.NetConn().(interface{ UnencryptedNetConn() net.Conn })
	if !ok {
		_ = c.NetConn().Close() // another net/http than this was written for
		return
	}
	r.h2.ServeClear(inner.UnencryptedNetConn())
}

// Start opens every address and accepts on all of them, or on none: an error
// names each address that could not be had and, where it can be found out, what
// holds it. ctx bounds the opening only. A Server starts once.
func (s *Server) Start(ctx context.Context) error {
	if s.started.Swap(true) {
		return errors.New("server was started before")
	}
	var errs []error
	for _, r := range s.running {
		ln, err := listen(ctx, r.Addr)
		if err != nil {
			errs = append(errs, fmt.Errorf("listener %q: %w", r.Name, err))
			continue
		}
		r.gate = newGate(ln, s.config.MaxConns, s.config.MaxHalfOpen)
		if err := boundStalls(ln, s.config.IdleTimeout); err != nil {
			s.config.Logger.Warn("peers that do not read are given up late", "listener", r.Name, "error", err)
		}
	}
	if len(errs) > 0 {
		s.abandon()
		return errors.Join(errs...)
	}
	for _, r := range s.running {
		if r.front == nil {
			var ln net.Listener = r.gate
			if r.Refuse != nil && !r.HTTP2 {
				ln = spokenListener{r.gate, r.Refuse}
			}
			s.accept.Go(func() { s.watch(r, r.server.Serve(ln)) })
			continue
		}
		r.feed = front.NewFeed(r.gate.Addr())
		s.accept.Go(func() { s.watch(r, r.front.Serve(r.gate)) })
		s.accept.Go(func() { s.watch(r, r.server.Serve(r.feed)) })
	}
	return nil
}

func (s *Server) abandon() {
	for _, r := range s.running {
		if r.gate != nil {
			_ = r.gate.Close()
		}
	}
}

// watch reports the end of accepting, if nobody has asked for it.
func (s *Server) watch(r *running, err error) {
	if !errors.Is(err, http.ErrServerClosed) {
		s.failed <- fmt.Errorf("accept on listener %q: %w", r.Name, err)
	}
}

// Addr is the address on which the listener of that name accepts, with its real
// port. Nil: no such listener, or not started.
func (s *Server) Addr(name string) net.Addr {
	for _, r := range s.running {
		if r.Name == name && r.gate != nil {
			return r.gate.Addr()
		}
	}
	return nil
}

// Failed yields the error of a listener that stopped by itself.
func (s *Server) Failed() <-chan error { return s.failed }

// Draining is closed when the shutdown begins, so that endless streams can
// take their leave before they are cut.
func (s *Server) Draining() <-chan struct{} { return s.draining }

// Load counts the connections of a listener.
type Load struct {
	// Open is all of them, HalfOpen those without a first header, Idle those
	// between two requests.
	Open, HalfOpen, Idle int
	// Shed is how many were closed at a bound since Start.
	Shed uint64
}

// Load counts the connections of the listener of that name.
func (s *Server) Load(name string) Load {
	for _, r := range s.running {
		if r.Name == name && r.gate != nil {
			return r.gate.load()
		}
	}
	return Load{}
}
