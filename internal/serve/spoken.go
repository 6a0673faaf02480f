package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
)

// net/http answers what it cannot read as a request by itself, in plain text,
// before any handler is asked. What it writes between two handlers is that, and
// nothing else: Refuse answers in its place.

// spoken is a connection that net/http serves.
type spoken struct {
	net.Conn
	refuse func(w http.ResponseWriter, r *http.Request, status int, reason string)
	tls    *tls.ConnectionState // nil: in clear
	// unasked is set while a request is read, until the handler is called.
	unasked atomic.Bool
	done    atomic.Bool // it has been answered in net/http's stead
}

// NetConn is the connection below, as a *tls.Conn has it.
func (s *spoken) NetConn() net.Conn {
	if t, ok := s.Conn.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return s.Conn
}

// Write implements net.Conn.
func (s *spoken) Write(p []byte) (int, error) {
	switch {
	case s.done.Load():
		return len(p), nil // more of what has been answered
	case !s.unasked.Load():
		return s.Conn.Write(p)
	}
	s.done.Store(true)
	line, _, _ := bytes.Cut(p, []byte("\r\n"))
	status, what := http.StatusBadRequest, ""
	if _, rest, ok := bytes.Cut(line, []byte(" ")); ok && len(rest) >= 3 {
		if n, err := strconv.Atoi(string(rest[:3])); err == nil && n >= 400 {
			status = n
		}
		what = string(rest)
	}
	var a spokenAnswer
	s.refuse(&a, s.request(), status, "no request: "+what)
	return len(p), a.send(s.Conn)
}

// request is what is known of one that is none.
func (s *spoken) request() *http.Request {
	r := &http.Request{
		Method: http.MethodGet, URL: &url.URL{}, Header: make(http.Header), Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: s.RemoteAddr().String(), TLS: s.tls,
	}
	return r.WithContext(context.Background())
}

// spokenTLS is a spoken that tells of its TLS, as net/http wants to know.
type spokenTLS struct{ *spoken }

// ConnectionState is what requests on the connection have in their field TLS.
func (s spokenTLS) ConnectionState() tls.ConnectionState { return *s.tls }

// CloseWrite ends one direction, as a *tls.Conn can.
func (s spokenTLS) CloseWrite() error {
	if w, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return s.Close()
}

// spokenAnswer is the http.ResponseWriter of an answer in net/http's stead.
type spokenAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *spokenAnswer) Header() http.Header {
	if a.header == nil {
		a.header = make(http.Header)
	}
	return a.header
}

func (a *spokenAnswer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *spokenAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }

func (a *spokenAnswer) send(to io.Writer) error {
	res := http.Response{
		StatusCode: max(a.status, http.StatusOK), ProtoMajor: 1, ProtoMinor: 1, Header: a.Header(),
		Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Close: true,
	}
	var whole bytes.Buffer
	if err := res.Write(&whole); err != nil {
		return err
	}
	_, err := to.Write(whole.Bytes())
	return err
}

// spokenListener makes spoken connections of a listener's.
type spokenListener struct {
	net.Listener
	refuse func(w http.ResponseWriter, r *http.Request, status int, reason string)
}

// Accept implements net.Listener.
func (l spokenListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &spoken{Conn: c, refuse: l.refuse}, nil
}

// spokenOver makes one of a connection with TLS that is not the front's any
// more, but for those that have chosen another protocol.
func (l *Listener) spokenOver(c net.Conn) net.Conn {
	t, ok := c.(interface{ ConnectionState() tls.ConnectionState })
	if _, other := c.(*tls.Conn); other || !ok || l.Refuse == nil {
		return c
	}
	state := t.ConnectionState()
	return spokenTLS{&spoken{Conn: c, refuse: l.Refuse, tls: &state}}
}

type spokenKey struct{}

// ofConn finds the spoken one behind what net/http knows.
func ofConn(c net.Conn) *spoken {
	switch c := c.(type) {
	case *spoken:
		return c
	case spokenTLS:
		return c.spoken
	}
	return nil
}

// withConn lets the handler find the connection (http.Server.ConnContext).
func withConn(ctx context.Context, c net.Conn) context.Context {
	if s := ofConn(c); s != nil {
		return context.WithValue(ctx, spokenKey{}, s)
	}
	return ctx
}

// spokenState is connState, which also begins a request. Of one that has come
// together with the one before it, net/http only says that the connection was
// idle.
func spokenState(c net.Conn, state http.ConnState) {
	if s := ofConn(c); s != nil && (state == http.StateActive || state == http.StateIdle) {
		s.unasked.Store(true)
	}
	connState(c, state)
}

// asked says that net/http has found a request.
func asked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, ok := r.Context().Value(spokenKey{}).(*spoken); ok {
			s.unasked.Store(false)
		}
		next.ServeHTTP(w, r)
	})
}
