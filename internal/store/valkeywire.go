package store

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
)

// dial makes a connection and counts it. The client makes a new one without a
// word when it finds the last one dead; a watcher has to know.
func (n *node) dial(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (net.Conn, error) {
	n.dials.Add(1)
	n.v.dials.Add(1)
	return n.wires.dial(ctx, address, d, c)
}

// wires are the connections to one server. The zero value has none.
type wires struct {
	mu   sync.Mutex
	open map[*wire]struct{}
}

// wire is a TCP connection that forgets, when it is closed, what it has not
// delivered. Callers were told by then that their changes failed; a change
// that arrives when the network is whole again would look like somebody else's.
type wire struct {
	net.Conn
	of *wires
}

// dial bounds the handshake too by the dialer's timeout.
func (w *wires) dial(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it is only worse without
	}
	open := w.add(conn)
	if c == nil {
		return open, nil
	}
	if c.ServerName == "" {
		c = c.Clone()
		if c.ServerName, _, err = net.SplitHostPort(address); err != nil {
			_ = open.Close()
			return nil, err
		}
	}
	secure := tls.Client(open, c)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = open.Close()
		return nil, err
	}
	return secure, nil
}

func (w *wires) add(conn net.Conn) *wire {
	open := &wire{Conn: conn, of: w}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = make(map[*wire]struct{})
	}
	w.open[open] = struct{}{}
	return open
}

func (w *wire) Close() error {
	w.of.mu.Lock()
	delete(w.of.open, w)
	w.of.mu.Unlock()
	return w.Conn.Close()
}

// cut closes all at once. Their clients find out by themselves.
func (w *wires) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for open := range w.open {
		open.Conn.Close()
	}
}
