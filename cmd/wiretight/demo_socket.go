package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/coder/websocket"
)

// shake is how an attempt to open a WebSocket was answered.
type shake struct {
	status int
	id     string // the guard's request id
}

// dial opens a WebSocket. Header is name, value, name, value. An answer that is
// no WebSocket comes with an error; without an answer status is zero.
func (s *demoSide) dial(ctx context.Context, base string, header ...string) (*websocket.Conn, shake, error) {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	client := *s.client
	client.Timeout = 0 // it would end the connection
	conn, res, err := websocket.Dial(ctx, base+"/ws", &websocket.DialOptions{HTTPClient: &client, HTTPHeader: h})
	if res == nil {
		return nil, shake{}, errors.Join(errors.New("no answer to a WebSocket handshake"), err)
	}
	if err != nil {
		_ = res.Body.Close() // Dial has read what it wants
	}
	return conn, shake{res.StatusCode, res.Header.Get("X-Request-Id")}, err
}

// handshake is how the attempt to open a WebSocket is answered.
func (s *demoSide) handshake(ctx context.Context, base string, header ...string) (shake, error) {
	conn, answer, err := s.dial(ctx, base, header...)
	if err == nil {
		_ = conn.CloseNow() // it was only about the handshake
	}
	if answer.status == 0 {
		return answer, err
	}
	return answer, nil
}
