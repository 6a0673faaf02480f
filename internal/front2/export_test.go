package front2

import (
	"crypto/tls"
	"net"
)

// plain is a connection without TLS, for tests that look at frames.
type plain struct{ net.Conn }

func (p plain) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{ServerName: "api.test"}
}
func (p plain) NetConn() net.Conn { return p.Conn }

func (p plain) CloseWrite() error {
	if w, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// ServePlain is ServeConn without TLS.
func (s *Server) ServePlain(c net.Conn) { s.serve(plain{c}) }
