package front2_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wiretight/wiretight/internal/front2"
)

// scripted is a connection on which all has been said, and nobody listens.
type scripted struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *scripted) Read(p []byte) (int, error)     { return s.in.Read(p) }
func (s *scripted) Write(p []byte) (int, error)    { return s.out.Write(p) }
func (*scripted) Close() error                     { return nil }
func (*scripted) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*scripted) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*scripted) SetDeadline(time.Time) error      { return nil }
func (*scripted) SetReadDeadline(time.Time) error  { return nil }
func (*scripted) SetWriteDeadline(time.Time) error { return nil }

// FuzzFrames sends anything behind the preface: the server must come to an end,
// answer in whole frames, and hand its handler nothing malformed.
func FuzzFrames(f *testing.F) {
	var seed bytes.Buffer
	fr := http2.NewFramer(&seed, nil)
	p := &peer{Framer: fr, t: f, out: nil}
	p.out = hpack.NewEncoder(&p.buf)
	p.AllowIllegalWrites = true
	for _, add := range []func(){
		func() { p.ask(1, true, usual("GET", "/a?b")...) },
		func() {
			p.ask(1, false, usual("POST", "/", "content-length", "5")...)
			_ = p.WriteData(1, true, []byte("hello"))
		},
		func() { _ = p.WriteDataPadded(3, false, []byte("hello"), make([]byte, 9)); _ = p.WriteRSTStream(3, 0) },
		func() {
			_ = p.WritePing(false, [8]byte{})
			_ = p.WriteWindowUpdate(0, 5)
			_ = p.WritePriority(7, http2.PriorityParam{})
		},
		func() {
			_ = p.WriteSettings(http2.Setting{ID: 4, Val: 0}, http2.Setting{ID: 1, Val: 0})
			p.ask(5, true, usual("HEAD", "/")...)
		},
		func() {
			_ = p.WriteGoAway(1, 0, nil)
			p.ask(9, true, usual("GET", "*", "cookie", "a", "cookie", "b")...)
		},
	} {
		seed.Reset()
		add()
		f.Add(bytes.Clone(seed.Bytes()))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		var start bytes.Buffer
		start.WriteString(http2.ClientPreface)
		_ = http2.NewFramer(&start, nil).WriteSettings()
		start.Write(said)
		cfg := config(reusing(func(w http.ResponseWriter, r *http.Request) {
			if r.URL == nil || r.Method == "" || r.Header == nil || r.Body == nil || strings.ContainsAny(r.RequestURI+r.Host+r.Method, "\r\n\x00") {
				t.Errorf("got the request %+v", r)
			}
			for name, values := range r.Header {
				if name == "" || strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") || name == "Connection" || name == "Transfer-Encoding" {
					t.Errorf("got the header %q", r.Header)
				}
			}
			n, err := io.Copy(io.Discard, r.Body)
			if err == nil && r.ContentLength >= 0 && n != r.ContentLength {
				t.Errorf("got %d bytes of %d", n, r.ContentLength)
			}
			fmt.Fprint(w, n)
		}))
		cfg.MaxHeader = 4 << 10
		s := front2.New(cfg)
		conn := &scripted{in: bytes.NewReader(start.Bytes())}
		s.ServePlain(conn)
		s.Close(context.Background())
		for out := http2.NewFramer(nil, &conn.out); ; {
			if _, err := out.ReadFrame(); err != nil {
				if err != io.EOF { //nolint:errorlint // the framer returns it bare, at the end of a frame
					t.Fatalf("the server's frames: %v", err)
				}
				return
			}
		}
	})
}

// seen is what a handler has got of a request.
func seen(serve func(h http.Handler, conn net.Conn), said []byte) string {
	got := make(chan string, 1)
	conn := &scripted{in: bytes.NewReader(said)}
	serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, values := range r.Header {
			for i, v := range values {
				values[i] = textproto.TrimString(v) // net/http leaves that to others
			}
		}
		select {
		case got <- fmt.Sprintf("%s %s %s %q %d %q", r.Method, r.RequestURI, r.Host, r.URL, r.ContentLength, r.Header):
		default:
		}
	}), conn)
	select {
	case s := <-got:
		return s
	default:
		return ""
	}
}

// FuzzRequest holds that a header block which our server takes for a request is
// one to net/http's too, and the same.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][]string{
		usual("GET", "/"), usual("GET", "/a%2fb?c#d", "cookie", "a", "cookie", "b"), usual("POST", "/", "content-length", "5", "te", "trailers"),
		usual("CONNECT", "x"),
		{":method", "CONNECT", ":authority", "a:1"},
		usual("OPTIONS", "*", "host", "b"), usual("GET", "//x/../y", "expect", "100-continue"),
		usual("GET", "http://a/b", "X-A", "b"), usual("GET", "/", "connection", "close"),
		{":method", "GET", ":scheme", "https", ":path", "/", "host", "b"},
		usual("GET", "/", "trailer", "x-a", "x-a", ""), usual("GET", "/%zz"), usual("GET", "/;a\\b", "x_a", "\xff"),
	} {
		f.Add(strings.Join(seed, "\n"), true)
		f.Add(strings.Join(seed, "\n"), false)
	}
	f.Fuzz(func(t *testing.T, text string, end bool) {
		fields := strings.Split(text, "\n")
		if len(fields)%2 == 1 || len(text) > 8<<10 {
			return
		}
		var said bytes.Buffer
		said.WriteString(http2.ClientPreface)
		p := &peer{Framer: http2.NewFramer(&said, nil), t: t}
		p.out = hpack.NewEncoder(&p.buf)
		_ = p.WriteSettings()
		p.ask(1, end, fields...)
		if !end {
			_ = p.WriteData(1, true, []byte("hello"))
		}
		got := seen(func(h http.Handler, conn net.Conn) {
			s := front2.New(config(h))
			s.ServePlain(conn)
			s.Close(context.Background())
		}, said.Bytes())
		if got == "" {
			return
		}
		want := seen(func(h http.Handler, conn net.Conn) { netHTTP(h, conn) }, said.Bytes())
		if got != want && !strings.Contains(got, "Priority") { // which net/http keeps to itself
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// netHTTP serves one connection with net/http's HTTP/2.
func netHTTP(h http.Handler, conn net.Conn) {
	done := make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(done) }) }
	s := &http.Server{
		Handler:                      http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { defer end(); h.ServeHTTP(w, r) }),
		Protocols:                    new(http.Protocols),
		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               64 << 10,
		ErrorLog:                     log.New(io.Discard, "", 0),
	}
	s.Protocols.SetUnencryptedHTTP2(true)
	ln := &single{conn: make(chan net.Conn, 1), over: make(chan struct{})}
	ln.conn <- &waiting{Conn: conn, done: done, closed: ln.over}
	_ = s.Serve(ln)
}

// single is a listener with one connection, and then none.
type single struct {
	conn chan net.Conn
	over chan struct{}
}

func (s *single) Accept() (net.Conn, error) {
	select {
	case c := <-s.conn:
		return c, nil
	case <-s.over:
		return nil, net.ErrClosed
	}
}

func (*single) Close() error   { return nil }
func (*single) Addr() net.Addr { return &net.TCPAddr{} }

// waiting lets net/http's server run its handler before the connection ends,
// and says when it has.
type waiting struct {
	net.Conn
	done, closed chan struct{}
	once         sync.Once
}

func (w *waiting) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err == io.EOF { //nolint:errorlint // a reader in memory returns it bare
		select {
		case <-w.done:
		case <-time.After(time.Second):
		}
	}
	return n, err
}

func (w *waiting) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}
