package origin_test

import (
	"bufio"
	"io"
	"net"
	"testing"
)

// TestBodiesThatMustNotCome is a server that answers HEAD, 204 and 304 with a
// body, of which nothing has come when the next request is sent: with Nagle's
// algorithm it waits in the server's system for an acknowledgement, and that
// request brings it. It must not be taken for the answer.
func TestBodiesThatMustNotCome(t *testing.T) {
	t.Parallel()
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for _, c := range []struct {
		name, method, head string
		status             int
	}{
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n", 200},
		{"HEAD, chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200},
		{"204", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 42\r\n\r\n", 204},
		{"204, chunked", "GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\n\r\n", 304},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			addr := raw(t, func(n int64, conn net.Conn, r *bufio.Reader) {
				for first := n == 1; ; first = false {
					if _, err := readRequest(r); err != nil {
						return
					}
					if !first {
						_, _ = io.WriteString(conn, okAnswer)
						continue
					}
					_, _ = io.WriteString(conn, c.head)
					if _, err := r.Peek(1); err == nil { // the next request is here
						_, _ = io.WriteString(conn, evil)
					}
				}
			})
			cl := client(t, addr, nil)
			if status, body := get(t, cl, request(c.method, "/")); status != c.status || body != "" {
				t.Fatalf("got %d %q", status, body)
			}
			if status, body := get(t, cl, request("GET", "/")); status != 200 || body != "ok" {
				t.Errorf("got %d %q, want the answer to the request", status, body)
			}
		})
	}
}
