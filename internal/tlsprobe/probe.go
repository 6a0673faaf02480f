// Package tlsprobe tells the scanner what a TLS peer accepts: protocol versions
// from SSL 2 to TLS 1.3, classes of cipher suites, fallbacks, early data, and
// the certificates that it shows. It speaks with a codec of its own, since what
// it has to offer is what crypto/tls rightly refuses to know.
//
// Everything but this file computes: only Probe touches a connection, and every
// connection is made by its Dial.
package tlsprobe

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"time"
)

// Probe asks one peer. Its fields are not changed after the first call; its
// methods may be called from many goroutines.
type Probe struct {
	// Dial opens a connection to the peer. It is called once for each hello, so
	// a budget of connections belongs there: an error of Dial makes the answer
	// that needed it Inconclusive. Required.
	Dial func(context.Context) (net.Conn, error)
	// ServerName is the host name or address that is asked for. It goes along
	// as SNI unless it is an address, and certificates are matched against it.
	ServerName string
	// Timeout bounds each connection, from dial to last byte. Zero: 5 s.
	Timeout time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Roots are trusted. Nil: the system's.
	Roots *x509.CertPool
	// EarlyRequest is the HTTP/1.1 request that EarlyData sends. It may be
	// replayed by anybody on the path: it must have no effect. Nil: a GET of /
	// without a credential.
	EarlyRequest []byte
}

// defaultTimeout is what a peer gets for one answer.
const defaultTimeout = 5 * time.Second

func (p *Probe) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

func (p *Probe) timeout() time.Duration {
	if p.Timeout > 0 {
		return p.Timeout
	}
	return defaultTimeout
}

// converse carries t over one connection, until t is done or something ends it.
// Nil means done. However the peer behaves, it returns within the timeout, the
// dial included, and reads no more than the talk's bounds.
func (p *Probe) converse(ctx context.Context, t talk) error {
	if p.Dial == nil {
		return dialError{errors.New("no dial function is given")}
	}
	// The connection's own deadline is real time, whatever the clock says.
	deadline := time.Now().Add(p.timeout())
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, err := p.Dial(ctx)
	if err != nil {
		return dialError{err}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	err = p.talk(conn, t, deadline)
	if err != nil && ctx.Err() != nil && !silent(err) {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && !time.Now().Before(deadline) {
			return errSilent
		}
		return context.Cause(ctx)
	}
	return err
}

// talk carries t, and hurries it once when half of the time has gone in vain.
func (p *Probe) talk(conn net.Conn, t talk, deadline time.Time) error {
	out, err := t.start()
	if err != nil {
		return err
	}
	if q, ok := t.(patient); ok {
		if err := conn.SetDeadline(deadline.Add(-p.timeout() / 2)); err != nil {
			return dialError{err}
		}
		if err := carry(conn, t, out); !silent(err) {
			return err
		}
		out = q.hurry()
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return dialError{err}
	}
	return carry(conn, t, out)
}

// carry sends out and feeds t until it is done or the connection ends.
func carry(conn net.Conn, t talk, out []byte) error {
	buf := make([]byte, 16<<10)
	for {
		if len(out) > 0 {
			// A peer that refuses may hang up before it has read all, and what
			// it said is still there to be read: reading tells how it ended.
			_, _ = conn.Write(out)
		}
		n, err := conn.Read(buf)
		if n > 0 {
			var done bool
			var ferr error
			if out, done, ferr = t.feed(buf[:n]); done || ferr != nil {
				return ferr
			}
		}
		if err != nil {
			return err
		}
	}
}
