package guard_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/port"
)

// script is an upstream that reads one request a connection, says bytes, and
// then waits, resets or closes.
type script struct {
	say   string
	reset bool
	hold  bool // keeps the connection open until the guard hangs up
	flood string
}

func (s script) start(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); all.Wait() })
	return "http://" + ln.Addr().String()
}

func (s script) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(conn)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_, err = io.WriteString(conn, s.say)
	for s.flood != "" && err == nil {
		_, err = io.WriteString(conn, s.flood)
	}
	if s.hold {
		_, _ = in.ReadByte()
	}
	if s.reset {
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
}

// TestBadUpstreams is every way in which an upstream can fail. status of 0: the
// client must see that the answer was cut.
func TestBadUpstreams(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	nobody := "http://" + port.Keep(t)
	for _, c := range []struct {
		name   string
		up     script
		status int
		body   string
	}{
		{"says nothing", script{}, 502, ""},
		{"resets", script{reset: true}, 502, ""},
		{"is slow", script{hold: true}, 504, ""},
		{"is slow within the header", script{say: ok + "X-A: b\r\n", hold: true}, 504, ""},
		{"closes within the header", script{say: ok + "X-A: b\r\n"}, 502, ""},
		{"garbage", script{say: "SSH-2.0-OpenSSH_9.2\r\n"}, 502, ""},
		{"HTTP/0.9", script{say: "<html>hello"}, 502, ""},
		{"binary", script{say: "\x00\x01\x02\xff\r\n\r\n"}, 502, ""},
		{"HTTP/2 frames", script{say: "\x00\x00\x00\x04\x00\x00\x00\x00\x00"}, 502, ""},
		{"status of four digits", script{say: "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"}, 502, ""},
		{"status of two digits", script{say: "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"}, 502, ""},
		{"status 099", script{say: "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n"}, 502, ""},
		{"status 000", script{say: "HTTP/1.1 000 Zero\r\nContent-Length: 0\r\n\r\n"}, 502, ""},
		{"negative status", script{say: "HTTP/1.1 -12 Low\r\nContent-Length: 0\r\n\r\n"}, 502, ""},
		{"status 999", script{say: "HTTP/1.1 999 Denied\r\nContent-Length: 2\r\n\r\nok"}, 999, "ok"},
		{"two lengths", script{say: ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!"}, 502, ""},
		{"negative length", script{say: ok + "Content-Length: -1\r\n\r\nok"}, 502, ""},
		{"length that is no number", script{say: ok + "Content-Length: two\r\n\r\nok"}, 502, ""},
		{"length beside chunks", script{say: ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"}, 502, ""},
		{"unknown coding", script{say: ok + "Transfer-Encoding: rot13\r\n\r\nok"}, 502, ""},
		{"header line without a colon", script{say: ok + "nonsense\r\n\r\n"}, 502, ""},
		{"name with a space", script{say: ok + "Set-Cookie : a=b\r\nContent-Length: 2\r\n\r\nok"}, 502, ""},
		{"endless header", script{say: ok, flood: "X-A: " + strings.Repeat("a", 1000) + "\r\n"}, 502, ""},
		{"endless header line", script{say: ok + "X-A: ", flood: strings.Repeat("a", 1000)}, 502, ""},
		{"endless status line", script{say: "HTTP/1.1 200 ", flood: strings.Repeat("a", 1000)}, 502, ""},
		{"1xx without end", script{flood: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"}, 502, ""},
		{"100 without end", script{flood: "HTTP/1.1 100 Continue\r\n\r\n"}, 502, ""},
		{"1xx, then nothing", script{say: "HTTP/1.1 102 Processing\r\n\r\n", hold: true}, 504, ""},
		{"unasked switch", script{say: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", hold: true}, 502, ""},

		{"body cut short", script{say: ok + "Content-Length: 100\r\n\r\npart"}, 0, ""},
		{"body cut short by a reset", script{say: ok + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 50000), reset: true}, 0, ""},
		{"chunks cut short", script{say: ok + "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"}, 0, ""},
		{"chunks cut short within one", script{say: ok + "Transfer-Encoding: chunked\r\n\r\n40\r\npart"}, 0, ""},
		{"broken chunk", script{say: ok + "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz\r\n"}, 0, ""},
		{"endless chunk extension", script{say: ok + "Transfer-Encoding: chunked\r\n\r\n4;", flood: strings.Repeat("a", 1000)}, 0, ""},
		{"error cut short", script{say: "HTTP/1.1 500 Oh\r\nContent-Length: 100\r\n\r\npart"}, 0, ""},
		{"more than its length", script{say: ok + "Content-Length: 2\r\n\r\nok and more"}, 200, "ok"},
		{"a body behind 204", script{say: "HTTP/1.1 204 No\r\n\r\nevil"}, 204, ""},
		{"until close", script{say: ok + "\r\nok"}, 200, "ok"},
		{"HTTP/1.0", script{say: "HTTP/1.0 200 OK\r\n\r\nok"}, 200, "ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(cfg *guard.Config) {
				cfg.Upstreams[0].URL = c.up.start(t)
				if c.status == 504 {
					cfg.Upstreams[0].Timeout = 300 * time.Millisecond
				}
			})
			for _, client := range []*http.Client{f.h1, f.h2} {
				for _, body := range []string{"", "data"} {
					res, err := client.Do(f.request("https", map[bool]string{true: "GET", false: "POST"}[body == ""], "/x", body, "Authorization", f.bearer()))
					var got []byte
					if err == nil {
						got, err = io.ReadAll(res.Body)
						res.Body.Close()
					}
					switch {
					case c.status == 0 && err == nil:
						t.Errorf("%q: got a whole answer %d %q, want one that was cut", body, res.StatusCode, got)
					case c.status == 0:
					case err != nil || res.StatusCode != c.status || c.status < 500 && string(got) != c.body:
						t.Errorf("%q: got %v %q, %v; want %d %q", body, res, got, err, c.status, c.body)
					case c.status >= 500 && c.status < 600 && !strings.Contains(string(got), `"request_id"`):
						t.Errorf("%q: got %q, want a problem", body, got)
					case strings.Contains(fmt.Sprint(res.Header), "a=b"):
						t.Errorf("%q: got the header %v, of which nobody has looked at the cookie", body, res.Header)
					}
				}
			}
		})
	}
	t.Run("is not there", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, func(cfg *guard.Config) { cfg.Upstreams[0].URL = nobody })
		got := f.get("/x", "Authorization", f.bearer())
		if got.status != 502 || got.problem().Detail != "Bad gateway" || strings.Contains(got.body, "refused") {
			t.Errorf("got %v, want 502 without detail", got)
		}
	})
}
