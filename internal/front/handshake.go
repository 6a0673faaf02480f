package front

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"time"
)

// handshake reports whether the connection speaks HTTP/1.1 and is ours.
func (c *conn) handshake() bool {
	until := time.Now().Add(c.server.HeaderTimeout)
	_ = c.raw.SetDeadline(until) // fails where the connection is broken, as will the handshake
	if err := c.tls.HandshakeContext(context.Background()); err != nil {
		reason := err.Error()
		var record tls.RecordHeaderError
		if errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
			_, _ = io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
			reason = "client sent an HTTP request to an HTTPS server"
		}
		c.server.Log.Printf("http: TLS handshake error from %s: %v", c.raw.RemoteAddr(), reason)
		return false // crypto/tls has sent its alert
	}
	_ = c.raw.SetWriteDeadline(time.Time{})
	state := c.tls.ConnectionState()
	c.state = &state
	if p := state.NegotiatedProtocol; p != "" && p != "http/1.1" {
		c.leave(c.tls)
		return false
	}
	_ = c.raw.SetReadDeadline(time.Now().Add(c.server.HeaderTimeout))
	return true
}

// looksLikeHTTP reports whether a record that is none begins like a request.
func looksLikeHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}
