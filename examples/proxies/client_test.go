package proxies_test

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// request is what a client sends, byte for byte.
type request struct {
	Method string   // GET if empty
	Target string   // /items if empty
	Header []string // name, value, name, value
	Body   string
	Plain  bool   // over plain HTTP
	From   string // one of loopback's addresses; a new one if empty
	Host   string // host if empty
}

// reply is the answer that came, and what the application has seen.
type reply struct {
	Status  int
	Header  http.Header
	Body    string
	Reached bool
	Seen    seenRequest
}

// String is short enough for a test's message.
func (r reply) String() string {
	return fmt.Sprintf("%d %v %.300q, reached the application: %v", r.Status, r.Header, r.Body, r.Reached)
}

// stranger is a client's address that has not failed before: failures are
// counted by address.
func stranger() string {
	var r [3]byte
	_, _ = rand.Read(r[:]) // never fails (crypto/rand)
	return fmt.Sprintf("127.%d.%d.%d", 1+r[0]%60, r[1], 1+r[2]%254)
}

// dial connects to the proxy as a client would.
func (p *proxy) dial(r request) (net.Conn, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(r.From)}}
	if r.Plain {
		return d.Dial("tcp", p.plain)
	}
	return tls.DialWithDialer(&d, "tcp", p.tls, &tls.Config{RootCAs: p.bed.roots, ServerName: host})
}

// send sends one request through the proxy, on a connection of its own.
func (p *proxy) send(r request) reply {
	p.t.Helper()
	got, err := p.exchange(r)
	if err != nil {
		p.t.Fatalf("%s %s: %v", r.Method, r.Target, err)
	}
	return got
}

func (p *proxy) exchange(r request) (got reply, err error) {
	if r.From == "" {
		r.From = stranger()
	}
	c, err := p.dial(r)
	if err != nil {
		return got, err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		return got, err
	}
	method, id := orElse(r.Method, http.MethodGet), rand.Text()
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nConnection: close\r\n", method, orElse(r.Target, "/items"), orElse(r.Host, host), probe, id)
	for i := 0; i+1 < len(r.Header); i += 2 {
		text.WriteString(r.Header[i] + ": " + r.Header[i+1] + "\r\n")
	}
	if r.Body != "" {
		fmt.Fprintf(&text, "Content-Length: %d\r\n", len(r.Body))
	}
	if _, err := io.WriteString(c, text.String()+"\r\n"+r.Body); err != nil {
		return got, err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		return got, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return got, err
	}
	_ = res.Body.Close() // the connection is closed anyway
	got = reply{Status: res.StatusCode, Header: res.Header, Body: string(body)}
	got.Seen, got.Reached = p.bed.app.of(id)
	return got, nil
}

func bearer(raw string) []string { return []string{"Authorization", "Bearer " + raw} }

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
