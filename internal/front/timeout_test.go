package front_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/front"
)

// hurry is the patience of the front in these tests.
const hurry = 300 * time.Millisecond

func impatient(c *front.Config) { c.HeaderTimeout, c.IdleTimeout = hurry, hurry }

// TestSlowPeers has connections say nothing, or hardly anything.
func TestSlowPeers(t *testing.T) {
	t.Parallel()
	s := serve(t, text("hello"), impatient)
	raw := func(t *testing.T) net.Conn {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	// drip sends text byte by byte, much faster than the front is impatient.
	drip := func(c net.Conn, text string) {
		go func() {
			tick := time.NewTicker(hurry / 10)
			defer tick.Stop()
			for i := 0; ; i = (i + 1) % len(text) {
				<-tick.C
				if _, err := io.WriteString(c, text[i:i+1]); err != nil {
					return
				}
			}
		}()
	}
	for _, c := range []struct {
		name string
		open func(*testing.T) net.Conn
	}{
		{"silent", raw},
		{"half a hello", func(t *testing.T) net.Conn {
			c := raw(t)
			_, _ = c.Write([]byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01})
			return c
		}},
		{"silent behind the handshake", func(t *testing.T) net.Conn { return s.dial(t, "") }},
		{"half a header", func(t *testing.T) net.Conn {
			c := s.dial(t, "")
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.te")
			return c
		}},
		{"dripping a header", func(t *testing.T) net.Conn {
			c := s.dial(t, "")
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nX: ")
			drip(c, "x")
			return c
		}},
		{"dripping a second header", func(t *testing.T) net.Conn {
			c := s.dial(t, "")
			_, _ = io.WriteString(c, ask+"GET / HTTP/1.1\r\nX: ")
			drip(c, "x")
			return c
		}},
		{"dripping empty lines", func(t *testing.T) net.Conn {
			c := s.dial(t, "")
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			drip(c, "\r\n")
			return c
		}},
		{"idle", func(t *testing.T) net.Conn {
			c := s.dial(t, "")
			_, _ = io.WriteString(c, ask)
			return c
		}},
		{"half a body that nobody reads", func(t *testing.T) net.Conn {
			c := s.dial(t, "")
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhel")
			return c
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := c.open(t)
			begin := time.Now()
			_ = conn.SetReadDeadline(begin.Add(patience))
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("still open after %v", time.Since(begin))
			}
		})
	}
}

// TestPatience has answers and bodies take longer than any wait for a request
// may, on connections that go on afterwards.
func TestPatience(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if r.URL.Path == "/slow" {
			wait := time.NewTimer(3 * hurry)
			<-wait.C
		}
		fmt.Fprintf(w, "%s %v %v", b, err, r.Context().Err())
	}), impatient)
	c := s.dial(t, "")
	in := bufio.NewReader(c)
	want := func(body string) {
		t.Helper()
		if got, err := readReply(in, "GET"); err != nil || got.Body != body {
			t.Fatalf("got %+v, %v; want %q", got, err, body)
		}
	}
	_, _ = io.WriteString(c, strings.ReplaceAll(ask, "/a", "/slow"))
	want(" <nil> <nil>")
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\n")
	for _, b := range []string{"a", "b", "c"} {
		wait := time.NewTimer(2 * hurry)
		<-wait.C
		_, _ = io.WriteString(c, b)
	}
	want("abc <nil> <nil>")
	_, _ = io.WriteString(c, ask)
	want(" <nil> <nil>")
}

// TestLateWriter writes an answer that is complete, which must do no harm.
func TestLateWriter(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/answered", "/aborted"} {
		kept := make(chan http.ResponseWriter, 1)
		s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			kept <- w
			if r.URL.Path == "/aborted" {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, "hello")
		}), nil)
		all := s.talk(t, "", "GET "+path+" HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", "GET", "GET")
		w := <-kept
		if err := s.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.WriteHeader(103)
		w.WriteHeader(404)
		if _, err := w.Write([]byte("more")); err == nil {
			t.Errorf("%s: a write behind the end got no error", path)
		}
		if err := http.NewResponseController(w).Flush(); err == nil {
			t.Errorf("%s: a flush behind the end got no error", path)
		}
		if path == "/answered" && (len(all) != 1 || all[0].Body != "hello") {
			t.Errorf("got %+v", all)
		}
	}
}

// TestShutdown stops a front with connections in every state.
func TestShutdown(t *testing.T) {
	t.Parallel()
	running, goOn := make(chan struct{}), make(chan struct{})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			running <- struct{}{}
			<-goOn
		}
		_, _ = io.WriteString(w, r.URL.Path)
	}), nil)
	idle, busy, fresh := s.dial(t, ""), s.dial(t, ""), s.dial(t, "")
	idleIn := bufio.NewReader(idle)
	_, _ = io.WriteString(idle, ask)
	if _, err := readReply(idleIn, "GET"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(busy, strings.ReplaceAll(ask, "/a", "/slow"))
	<-running
	done := make(chan error, 1)
	go func() { done <- s.front.Shutdown(t.Context()) }()
	if _, err := idleIn.ReadByte(); err == nil {
		t.Error("the idle connection goes on")
	}
	// What has connected in time is served, once.
	_, _ = io.WriteString(fresh, ask+ask)
	freshIn := bufio.NewReader(fresh)
	if got, err := readReply(freshIn, "GET"); err != nil || got.Body != "/a" || !got.Close {
		t.Errorf("fresh: got %+v, %v; want an answer and the end", got, err)
	}
	if got, err := readReply(freshIn, "GET"); err == nil {
		t.Errorf("fresh: got %+v too", got)
	}
	goOn <- struct{}{}
	if got, err := readReply(bufio.NewReader(busy), "GET"); err != nil || got.Body != "/slow" || !got.Close {
		t.Errorf("busy: got %+v, %v; want an answer and the end", got, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", s.addr); err == nil {
		_ = c.Close()
		t.Error("it still accepts")
	}
}
