package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/coder/websocket"
)

// dial opens a WebSocket. Header is name, value, name, value.
func (s *demoSide) dial(ctx context.Context, base string, header ...string) (*websocket.Conn, *http.Response, error) {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	client := *s.client
	client.Timeout = 0 // it would end the connection
	return websocket.Dial(ctx, base+"/ws", &websocket.DialOptions{HTTPClient: &client, HTTPHeader: h})
}

// handshake is how the attempt to open a WebSocket is answered.
func (s *demoSide) handshake(ctx context.Context, base string, header ...string) (status int, id string, err error) {
	conn, res, err := s.dial(ctx, base, header...)
	if err == nil {
		_ = conn.CloseNow() // it was only about the handshake
	}
	if res == nil {
		return 0, "", errors.Join(errors.New("no answer to a WebSocket handshake"), err)
	}
	return res.StatusCode, res.Header.Get("X-Request-Id"), nil
}
