package front2

import (
	"crypto/tls"
	"net"
)

// plain is a connection without TLS, for tests that look at frames.
type plain struct{ clearConn }

func (p plain) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{ServerName: "api.test"}
}

// ServePlain is ServeConn without TLS.
func (s *Server) ServePlain(c net.Conn) { s.serve(plain{clearConn{c}}, nil) }
