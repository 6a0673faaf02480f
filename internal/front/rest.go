package front

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// rest is a connection on which something unusual has begun, for net/http to
// read from the beginning. It is no *tls.Conn, but has what net/http asks of one.
type rest struct {
	*tls.Conn
	state *tls.ConnectionState
	read  []byte // what comes before all that is still to be read
}

// Read implements net.Conn. One goroutine at a time may read.
func (r *rest) Read(p []byte) (int, error) {
	if len(r.read) > 0 {
		n := copy(p, r.read)
		if r.read = r.read[n:]; len(r.read) == 0 {
			r.read = nil
		}
		return n, nil
	}
	return r.Conn.Read(p)
}

// ConnectionState is what requests on the connection have in their field TLS.
func (r *rest) ConnectionState() tls.ConnectionState { return *r.state }

// Feed is a net.Listener for an http.Server that serves what is given to it.
// Make one with NewFeed.
type Feed struct {
	addr net.Addr
	next chan net.Conn
	done chan struct{}
	once sync.Once
}

// NewFeed makes a Feed that claims to listen on addr.
func NewFeed(addr net.Addr) *Feed {
	return &Feed{addr: addr, next: make(chan net.Conn), done: make(chan struct{})}
}

// Give hands c over, or closes it if nobody listens any more.
func (f *Feed) Give(c net.Conn) {
	select {
	case f.next <- c:
	case <-f.done:
		_ = c.Close() // nobody is left to serve it
	}
}

// Accept implements net.Listener.
func (f *Feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.next:
		return c, nil
	case <-f.done:
		return nil, http.ErrServerClosed
	}
}

// Close implements net.Listener.
func (f *Feed) Close() error {
	f.once.Do(func() { close(f.done) })
	return nil
}

// Addr implements net.Listener.
func (f *Feed) Addr() net.Addr { return f.addr }
