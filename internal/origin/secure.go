package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// handshakeTimeout bounds a TLS handshake.
const handshakeTimeout = 5 * time.Second

// secure makes TLS on the connection.
func (c *conn) secure(ctx context.Context, cfg *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	in := &records{Conn: c.Conn, socket: watch(c.Conn)}
	t := tls.Client(in, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	if t.ConnectionState().NegotiatedProtocol == "h2" {
		return ErrHTTP2
	}
	c.Conn = t
	c.quiet = func() bool { return in.silent(t) }
	return nil
}

// records is the connection below TLS. It knows whether all records that it has
// handed up are whole, and can look for more without waiting.
type records struct {
	net.Conn
	socket  *silence
	looking bool
	header  [5]byte // of the current record
	have    int     // bytes of it
	left    int     // bytes of the record behind the header
	one     [1]byte
}

// Read implements net.Conn for TLS.
func (r *records) Read(p []byte) (n int, err error) {
	if r.looking {
		n, err = r.socket.take(p)
	} else {
		n, err = r.Conn.Read(p)
	}
	r.follow(p[:n])
	return n, said(err)
}

// errCut says that a connection has ended below TLS. Anybody on the path can do
// that; an answer that only the end of the connection ends is not whole then
// (RFC 9112 §9.8). It looks like an error of the network, which it may be.
var errCut error = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection ended, but TLS did not (no close_notify)")}

// said makes the end of a connection below TLS an error. TLS' own end is not
// read from there.
func said(err error) error {
	if err == io.EOF { //nolint:errorlint // connections return it bare
		return errCut
	}
	return err
}

// UntilSaid makes a dial function for connections below TLS out of another.
// They end as an error; TLS' own end is none.
func UntilSaid(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return untilSaid{c}, nil
	}
}

type untilSaid struct{ net.Conn }

// Read implements net.Conn.
func (c untilSaid) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, said(err)
}

// follow keeps count of where records end (RFC 8446 §5.1).
func (r *records) follow(p []byte) {
	for len(p) > 0 {
		if r.have < len(r.header) {
			n := copy(r.header[r.have:], p)
			r.have += n
			p = p[n:]
			if r.have == len(r.header) {
				r.left = int(r.header[3])<<8 | int(r.header[4])
			}
		} else {
			n := min(r.left, len(p))
			r.left -= n
			p = p[n:]
		}
		if r.have == len(r.header) && r.left == 0 {
			r.have = 0
		}
	}
}

// silent reports whether the server has said nothing but what concerns TLS
// alone, like a session ticket, and is in the middle of nothing.
func (r *records) silent(t *tls.Conn) bool {
	r.looking = true
	n, err := t.Read(r.one[:])
	r.looking = false
	return n == 0 && err == errNothing && r.have == 0 //nolint:errorlint // TLS returns it as it is
}

// nothing is what a look at a silent socket gives. TLS goes on after errors
// that call themselves temporary.
type nothing struct{}

// errNothing says that nothing has come.
var errNothing error = nothing{}

// Error implements error.
func (nothing) Error() string { return "nothing has come" }

// Timeout implements net.Error.
func (nothing) Timeout() bool { return true }

// Temporary implements net.Error.
func (nothing) Temporary() bool { return true }
