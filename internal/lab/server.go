package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Server is a running Lab.
type Server struct {
	*Lab
	// URL is where it listens, without a slash at the end.
	URL string

	server *http.Server
	done   chan error
}

// Start serves the weak lab over plain HTTP on addr, which must be loopback, as
// "127.0.0.1:0". It ends with ctx or Close.
func Start(ctx context.Context, addr string) (*Server, error) {
	return StartWith(ctx, addr, Options{Flaws: Weak()}, nil)
}

// StartWith is Start with options, and over TLS where config is not nil.
func StartWith(ctx context.Context, addr string, o Options, config *tls.Config) (*Server, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("start the lab: %w", err)
	}
	if a, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !a.Unmap().IsLoopback()) {
		return nil, fmt.Errorf("start the lab: %s is not loopback; nobody else may reach it", addr)
	}
	l, err := newLab(o)
	if err != nil {
		return nil, fmt.Errorf("start the lab: %w", err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start the lab: %w", err)
	}
	if !onLoopback(ln.Addr().String()) { // localhost may be anything
		_ = ln.Close()
		return nil, fmt.Errorf("start the lab: %s is not loopback; nobody else may reach it", ln.Addr())
	}
	s := &Server{Lab: l, URL: "http://" + ln.Addr().String(), done: make(chan error, 1)}
	s.server = &http.Server{
		Handler: l, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 256 << 10,
		ErrorLog: log.New(io.Discard, "", 0), TLSConfig: config,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	if config != nil {
		s.URL = "https://" + ln.Addr().String()
		ln = tls.NewListener(ln, config)
	}
	go func() { s.done <- s.server.Serve(ln) }()
	context.AfterFunc(ctx, func() { _ = s.server.Close() })
	return s, nil
}

// Close ends the server and its connections at once.
func (s *Server) Close() error {
	err := s.server.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.done <- http.ErrServerClosed // for another Close
	s.fetch.CloseIdleConnections()
	return err
}
