package front2

import (
	"crypto/tls"
	"net"
)

// ServeClear is ServeConn for a connection without TLS, of which the client's
// preface (RFC 9113 §3.4) has been read already. Its requests have no TLS.
func (s *Server) ServeClear(c net.Conn) {
	s.serve(clearConn{c}, func(c *conn) { c.state, c.greeted = nil, true })
}

// clearConn is a connection without TLS in the place of one with.
type clearConn struct{ net.Conn }

func (clearConn) ConnectionState() tls.ConnectionState { return tls.ConnectionState{} }

func (c clearConn) NetConn() net.Conn { return c.Conn }

// CloseWrite says that nothing more will come, where that can be said apart.
func (c clearConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}
