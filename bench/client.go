package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"
)

const (
	callLimit = 10 * time.Second // one request, or one handshake
	pathAsked = "/api/items"
	maxBody   = 64 << 10
)

// client sends one request after another over a connection that it makes, and
// makes again after an error or a close, by itself.
type client interface {
	// do asks with token and returns the status. An answer of 200 with another
	// body than the upstream's is an error.
	do(ctx context.Context, token string) (int, error)
	// dials is how many connections it has made.
	dials() int
	close()
}

// What clients ask, and what a proxy asks the authorizer about it.
const (
	questionFields = "User-Agent: bench\r\nAccept: application/json\r\nAuthorization: Bearer "
	question       = "GET " + pathAsked + " HTTP/1.1\r\nHost: localhost\r\n" + questionFields
	questionSent   = "POST " + pathAsked + " HTTP/1.1\r\nHost: localhost\r\n" + questionFields
	asksToDecide   = "GET /authorize HTTP/1.1\r\nHost: authorizer\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\n" +
		"X-Forwarded-Host: localhost\r\nX-Forwarded-Uri: " + pathAsked + "\r\nX-Forwarded-For: 203.0.113.7\r\n" + questionFields
)

// dialer makes TLS 1.3 connections without resumption.
type dialer struct {
	addr string
	from net.Addr    // of the client; nil: the system chooses
	conf *tls.Config // nil: plain TCP
}

// newDialer offers one protocol and one key exchange, X25519, to all proxies:
// the post-quantum hybrid that Go's server prefers is unknown to OpenSSL 3.0.
func newDialer(addr string, cert certificate, alpn string) *dialer {
	return &dialer{addr: addr, conf: &tls.Config{
		RootCAs: cert.pool, ServerName: "localhost", NextProtos: []string{alpn},
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519},
		SessionTicketsDisabled: true,
	}}
}

func (d *dialer) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if d.conf == nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", d.addr)
	}
	conn, err := (&tls.Dialer{NetDialer: &net.Dialer{LocalAddr: d.from}, Config: d.conf}).DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// sent is the body of requests that have one.
var sent = strings.Repeat("wiretight sends\n", 64)

// tails end the requests that send it.
var tails = map[transport]string{
	overLength: fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(sent), sent),
	overChunks: fmt.Sprintf("\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(sent), sent),
}

// newH1 asks as a client does.
func newH1(d *dialer) *h1 { return &h1{dialer: d, ask: question, tail: "\r\n\r\n"} }

// h1 speaks HTTP/1.1 by hand, to leave most of the processor to the proxy.
type h1 struct {
	dialer *dialer
	fresh  bool   // a new connection for each request
	ask    string // the request up to the token
	tail   string // and from there on
	empty  bool   // good answers have no body
	conn   net.Conn
	in     *bufio.Reader
	out    []byte
	body   bytes.Buffer
	made   int
}

func (c *h1) dials() int { return c.made }

func (c *h1) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (c *h1) do(ctx context.Context, token string) (int, error) {
	if c.conn == nil {
		conn, err := c.dialer.dial(ctx)
		if err != nil {
			return 0, err
		}
		c.made++
		c.conn = conn
		if c.in == nil {
			c.in = bufio.NewReaderSize(nil, 8<<10)
		}
		c.in.Reset(conn)
	}
	status, stay, err := c.exchange(token)
	if err != nil || !stay || c.fresh {
		c.close()
	}
	return status, err
}

func (c *h1) exchange(token string) (status int, stay bool, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(callLimit)); err != nil {
		return 0, false, err
	}
	c.out = append(append(append(c.out[:0], c.ask...), token...), c.tail...)
	if _, err := c.conn.Write(c.out); err != nil {
		return 0, false, err
	}
	status, length, stay, err := c.header()
	if err != nil {
		return status, false, err
	}
	return status, stay, c.readBody(status, length)
}

// header reads the status line and the fields; length -1 means chunked.
func (c *h1) header() (status, length int, stay bool, err error) {
	line, err := c.line()
	if err != nil {
		return 0, 0, false, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, 0, false, fmt.Errorf("answer begins with %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, false, fmt.Errorf("answer begins with %q", line)
	}
	stay = true
	for {
		if line, err = c.line(); err != nil {
			return status, 0, false, err
		}
		if len(line) == 0 {
			return status, length, stay, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length > maxBody || length < 0 {
				return status, 0, false, fmt.Errorf("answer has length %q", value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = -1
		case bytes.EqualFold(name, []byte("Connection")):
			stay = !bytes.EqualFold(value, []byte("close"))
		}
	}
}

func (c *h1) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

func (c *h1) readBody(status, length int) error {
	c.body.Reset()
	from := io.LimitReader(c.in, int64(length))
	if length < 0 {
		from = io.LimitReader(httputil.NewChunkedReader(c.in), maxBody)
	}
	if _, err := c.body.ReadFrom(from); err != nil {
		return err
	}
	if length < 0 {
		if line, err := c.line(); err != nil || len(line) > 0 {
			return errors.New("answer has trailers")
		}
	} else if c.body.Len() < length {
		return io.ErrUnexpectedEOF
	}
	if c.empty {
		return nil
	}
	return checkBody(status, c.body.Bytes())
}

func checkBody(status int, body []byte) error {
	if status == 200 && string(body) != answer {
		return fmt.Errorf("answer of %d bytes is not the upstream's", len(body))
	}
	return nil
}
