package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"

	"golang.org/x/net/http2"
)

// h2 speaks HTTP/2, one stream at a time.
type h2 struct {
	dialer    *dialer
	transport *http2.Transport
	conn      *http2.ClientConn
	made      int
}

func (c *h2) dials() int { return c.made }

func (c *h2) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (c *h2) do(ctx context.Context, token string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if c.conn == nil || !c.conn.CanTakeNewRequest() {
		if err := c.connect(ctx); err != nil {
			return 0, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://localhost"+pathAsked, nil)
	if err != nil {
		return 0, err
	}
	req.Header["User-Agent"] = []string{"bench"}
	req.Header["Accept"] = []string{"application/json"}
	req.Header["Authorization"] = []string{"Bearer " + token}
	res, err := c.conn.RoundTrip(req)
	if err != nil {
		c.close()
		return 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		c.close()
		return res.StatusCode, err
	}
	return res.StatusCode, checkBody(res.StatusCode, body)
}

func (c *h2) connect(ctx context.Context) error {
	c.close()
	conn, err := c.dialer.dial(ctx)
	if err != nil {
		return err
	}
	if got := conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != "h2" {
		conn.Close()
		return errors.New("proxy does not offer HTTP/2")
	}
	if c.transport == nil {
		c.transport = &http2.Transport{DisableCompression: true}
	}
	if c.conn, err = c.transport.NewClientConn(conn); err != nil {
		conn.Close()
		return err
	}
	c.made++
	return nil
}
