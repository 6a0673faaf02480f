package origin_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/origin"
)

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestLateBytesAreNoAnswer is a server that says something on an idle
// connection: what it says is not the answer to the next request, which may be
// another user's.
func TestLateBytesAreNoAnswer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, late string }{
		{"a second answer", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"},
		{"a time-out", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\nConnection: close\r\n\r\nevil"},
		{"one byte", "H"},
		{"its end", ""},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(test.name+" "+method, func(t *testing.T) {
				t.Parallel()
				idle, said := make(chan struct{}), make(chan struct{})
				addr := raw(t, func(n int64, conn net.Conn, r *bufio.Reader) {
					for {
						if _, err := readRequest(r); err != nil {
							return
						}
						_, _ = io.WriteString(conn, okAnswer)
						if n > 1 {
							continue
						}
						<-idle
						_, _ = io.WriteString(conn, test.late)
						_ = conn.(*net.TCPConn).CloseWrite()
						close(said)
					}
				})
				c := client(t, addr, nil)
				get(t, c, request("GET", "/"))
				close(idle)
				<-said // on loopback it has arrived by now
				if status, body := get(t, c, request(method, "/")); status != 200 || body != "ok" {
					t.Errorf("got %d %q, want the answer to the request", status, body)
				}
			})
		}
	}
}

// TestIdleForTooLongIsNotUsed does not rely on the timer that closes idle
// connections: it may come late.
func TestIdleForTooLongIsNotUsed(t *testing.T) {
	t.Parallel()
	var conns atomic.Int64
	addr := raw(t, func(n int64, conn net.Conn, r *bufio.Reader) {
		conns.Store(n)
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			_, _ = io.WriteString(conn, okAnswer)
		}
	})
	c := client(t, addr, func(c *origin.Config) { c.IdleTimeout = time.Nanosecond })
	for range 5 {
		get(t, c, request("GET", "/"))
	}
	if got := conns.Load(); got != 5 {
		t.Errorf("got %d connections, want 5", got)
	}
}

// TestCloseDoesNotWait closes an answer whose rest never comes.
func TestCloseDoesNotWait(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{
		"length":      "Content-Length: 100\r\n\r\npart",
		"chunked":     "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
		"until close": "\r\npart",
		"no body yet": "Content-Length: 100\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			addr := raw(t, func(_ int64, conn net.Conn, r *bufio.Reader) {
				_, _ = readRequest(r)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+header)
				_, _ = r.ReadByte() // until the client hangs up
				close(gone)
			})
			res, err := client(t, addr, nil).Do(context.Background(), request("GET", "/"), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			closed := make(chan struct{})
			go func() { res.Body.Close(); close(closed) }()
			for _, c := range []chan struct{}{closed, gone} {
				select {
				case <-c:
				case <-time.After(20 * time.Second):
					t.Fatal("Close waits for a server that says no more")
				}
			}
		})
	}
}

func TestInformationalAnswersAreHandedOn(t *testing.T) {
	t.Parallel()
	addr := raw(t, func(_ int64, conn net.Conn, r *bufio.Reader) {
		_, _ = readRequest(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"+okAnswer)
	})
	var got []string
	res, err := client(t, addr, nil).Do(context.Background(), request("GET", "/"), nil, func(status int, h http.Header) {
		got = append(got, fmt.Sprint(status, h.Get("Link")))
	})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if all := strings.Join(got, " "); all != "103</a.css> 102" || res.StatusCode != 200 {
		t.Errorf("got %q, then %d", all, res.StatusCode)
	}
}
