package front_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wiretight/wiretight/internal/front"
)

// hurry is the patience of the front in these tests, by the time of a bubble.
const hurry = 300 * time.Millisecond

// piped is a front without a network, in a bubble whose time is not the world's:
// how busy the machine is makes no difference.
type piped struct {
	t      *testing.T
	feed   *front.Feed
	client *tls.Config
}

// pipe starts h behind an impatient front.
func pipe(t *testing.T, certificate *httptest.Server, h http.Handler) *piped {
	p := &piped{t: t, feed: front.NewFeed(&net.TCPAddr{}), client: certificate.Client().Transport.(*http.Transport).TLSClientConfig.Clone()}
	p.client.ServerName = "example.com"
	server := front.New(front.Config{
		TLS:     &tls.Config{Certificates: certificate.TLS.Certificates, NextProtos: []string{"http/1.1"}},
		Handler: h, Rest: func(c net.Conn) { _ = c.Close() }, Base: context.Background(), HeaderTimeout: hurry, IdleTimeout: hurry,
		MaxHeader: 64 << 10, State: func(net.Conn, http.ConnState) {}, Log: log.New(io.Discard, "", 0),
	})
	go func() { _ = server.Serve(p.feed) }()
	t.Cleanup(func() {
		_ = p.feed.Close()
		_ = server.Close(context.Background())
	})
	return p
}

// raw opens a connection below TLS.
func (p *piped) raw() net.Conn {
	near, far := net.Pipe()
	p.feed.Give(far)
	p.t.Cleanup(func() { _ = near.Close() })
	return near
}

func (p *piped) dial() net.Conn {
	c := tls.Client(p.raw(), p.client)
	if err := c.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	return c
}

// drip sends text byte by byte, much faster than the front is impatient.
func (p *piped) drip(c net.Conn, text string) {
	stop := make(chan struct{})
	p.t.Cleanup(func() { close(stop) })
	go func() {
		tick := time.NewTicker(hurry / 10)
		defer tick.Stop()
		for i := 0; ; i = (i + 1) % len(text) {
			select {
			case <-tick.C:
			case <-stop:
				return
			}
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				return
			}
		}
	}()
}

// TestSlowPeers has connections say nothing, or hardly anything.
func TestSlowPeers(t *testing.T) {
	t.Parallel()
	certificate := httptest.NewTLSServer(http.NotFoundHandler())
	certificate.Close()
	for _, c := range []struct {
		name string
		text string // behind the handshake
		drip string
		raw  []byte // in the place of it; nil: there is one
		want time.Duration
	}{
		{"silent", "", "", []byte{}, hurry},
		{"half a hello", "", "", []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01}, hurry},
		{"silent behind the handshake", "", "", nil, hurry},
		{"half a header", "GET / HTTP/1.1\r\nHost: a.te", "", nil, hurry},
		{"dripping a header", "GET / HTTP/1.1\r\nX: ", "x", nil, hurry},
		{"dripping a second header", ask + "GET / HTTP/1.1\r\nX: ", "x", nil, hurry},
		{"dripping empty lines", "POST / HTTP/1.1\r\nHost: a.test\r\n\r\n", "\r\n", nil, hurry * 6 / 10}, // the third is too many
		{"idle", ask, "", nil, hurry},
		{"half a body that nobody reads", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhel", "", nil, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := pipe(t, certificate, text("hello"))
				begin := time.Now()
				var conn net.Conn
				if c.raw != nil {
					conn = p.raw()
					_, _ = conn.Write(c.raw)
				} else {
					conn = p.dial()
					_, _ = io.WriteString(conn, c.text)
				}
				if c.drip != "" {
					p.drip(conn, c.drip)
				}
				_, _ = io.Copy(io.Discard, conn)
				// Another half second is for the client to see the end.
				if took := time.Since(begin); took < c.want-hurry/10 || took > c.want+time.Second {
					t.Errorf("open for %v, want %v", took, c.want)
				}
			})
		})
	}
}

// TestPatience has answers and bodies take longer than any wait for a request
// may, on connections that go on afterwards.
func TestPatience(t *testing.T) {
	t.Parallel()
	certificate := httptest.NewTLSServer(http.NotFoundHandler())
	certificate.Close()
	synctest.Test(t, func(t *testing.T) {
		c := pipe(t, certificate, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if r.URL.Path == "/slow" {
				wait := time.NewTimer(3 * hurry)
				<-wait.C
			}
			fmt.Fprintf(w, "%s %v %v", b, err, r.Context().Err())
		})).dial()
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
	})
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
