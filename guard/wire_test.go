package guard_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/wiretight/wiretight/guard"
)

// wire is an upstream that keeps the very bytes which it was sent. It answers
// each request after having read all of it.
type wire struct {
	ln    net.Listener
	tasks sync.WaitGroup
	mu    sync.Mutex
	conns []*wireConn
}

type wireConn struct {
	net.Conn
	mu  sync.Mutex
	got bytes.Buffer
}

func (c *wireConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	c.got.Write(p[:n])
	c.mu.Unlock()
	return n, err
}

func newWire(t testing.TB) *wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{ln: ln}
	w.tasks.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

func (w *wire) accept() {
	for {
		c, err := w.ln.Accept()
		if err != nil {
			return
		}
		wc := &wireConn{Conn: c}
		w.mu.Lock()
		w.conns = append(w.conns, wc)
		w.mu.Unlock()
		w.tasks.Go(func() { serveWire(wc) })
	}
}

func serveWire(c *wireConn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"); err != nil {
			return
		}
	}
}

func (w *wire) close() {
	_ = w.ln.Close()
	w.mu.Lock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.tasks.Wait()
}

// bytes is what came over all connections, one text each.
func (w *wire) bytes() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.mu.Lock()
		all = append(all, c.got.String())
		c.mu.Unlock()
	}
	return all
}

// wireRequest is one request as a strict reader takes it off the wire.
type wireRequest struct {
	method, target string
	header         []string // lines
	body           string
	whole          bool // false: the connection ended within the body
}

func (r wireRequest) values(name string) (all []string) {
	for _, line := range r.header {
		if n, v, _ := strings.Cut(line, ":"); strings.EqualFold(n, name) {
			all = append(all, strings.TrimSpace(v))
		}
	}
	return all
}

// requests takes the wire's bytes apart, strictly: what two servers could read
// in two ways is an error.
func (w *wire) requests() (all []wireRequest, err error) {
	for _, text := range w.bytes() {
		for text != "" {
			var r wireRequest
			if r, text, err = strictRequest(text); err != nil {
				return all, fmt.Errorf("%w in %q", err, w.bytes())
			}
			all = append(all, r)
		}
	}
	return all, nil
}

func strictRequest(text string) (r wireRequest, rest string, err error) {
	head, rest, ok := strings.Cut(text, "\r\n\r\n")
	if !ok {
		return r, "", fmt.Errorf("a header without end")
	}
	lines := strings.Split(head, "\r\n")
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") {
			return r, "", fmt.Errorf("line %q with a bare CR, LF or NUL", line)
		}
	}
	parts := strings.Split(lines[0], " ")
	if len(parts) != 3 || parts[2] != "HTTP/1.1" || !strings.HasPrefix(parts[1], "/") || strings.ToUpper(parts[0]) != parts[0] {
		return r, "", fmt.Errorf("request line %q", lines[0])
	}
	r = wireRequest{method: parts[0], target: parts[1], header: lines[1:], whole: true}
	for _, line := range r.header {
		name, _, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t\"(),/;<=>?@[\\]{}") {
			return r, "", fmt.Errorf("header line %q", line)
		}
	}
	if n := len(r.values("Host")); n != 1 {
		return r, "", fmt.Errorf("%d Host lines", n)
	}
	return framed(r, rest)
}

// framed cuts the body off.
func framed(r wireRequest, rest string) (wireRequest, string, error) {
	length, coding := r.values("Content-Length"), r.values("Transfer-Encoding")
	switch {
	case len(length)+len(coding) == 0:
		return r, rest, nil
	case len(length)+len(coding) > 1:
		return r, "", fmt.Errorf("lengths %q beside codings %q", length, coding)
	case len(coding) == 1:
		if coding[0] != "chunked" {
			return r, "", fmt.Errorf("coding %q", coding[0])
		}
		return dechunked(r, rest)
	}
	n, err := strconv.ParseUint(length[0], 10, 31)
	if err != nil || strings.HasPrefix(length[0], "+") {
		return r, "", fmt.Errorf("length %q", length[0])
	}
	if int(n) > len(rest) {
		r.body, r.whole = rest, false
		return r, "", nil
	}
	r.body = rest[:n]
	return r, rest[n:], nil
}

func dechunked(r wireRequest, rest string) (wireRequest, string, error) {
	for {
		line, after, ok := strings.Cut(rest, "\r\n")
		if !ok {
			r.whole = false
			return r, "", nil
		}
		n, err := strconv.ParseUint(line, 16, 31)
		if err != nil {
			return r, "", fmt.Errorf("chunk size %q", line)
		}
		if int(n)+2 > len(after) {
			r.whole = false
			return r, "", nil
		}
		if after[n:n+2] != "\r\n" {
			return r, "", fmt.Errorf("chunk of %d bytes, or trailers, in %q", n, after)
		}
		r.body += after[:n]
		rest = after[n+2:]
		if n == 0 {
			return r, rest, nil
		}
	}
}

// newWireFixture is a guard before a wire.
func newWireFixture(t testing.TB, change func(*guard.Config)) (*fixture, *wire) {
	t.Helper()
	w := newWire(t)
	f := newFixture(t, func(c *guard.Config) {
		c.Upstreams[0].URL = "http://" + w.ln.Addr().String()
		if change != nil {
			change(c)
		}
	})
	return f, w
}
