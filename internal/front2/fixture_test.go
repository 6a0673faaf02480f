package front2_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wiretight/wiretight/internal/front2"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait; a machine under load needs a part of it.
const patience = 20 * time.Second

func config(h http.Handler) front2.Config {
	return front2.Config{
		Handler: h, Base: context.Background(), HeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeader: 64 << 10, State: func(net.Conn, http.ConnState) {}, Log: log.New(io.Discard, "", 0),
	}
}

// reusing is a handler that keeps nothing, as the guard's.
func reusing(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, ok := w.(interface{ Reuse() }); ok {
			defer s.Reuse()
		}
		h(w, r)
	})
}

// servers starts one server of ours and one of net/http with the same handler,
// each with a client.
func servers(t testing.TB, h http.Handler) (ours, theirs *httptest.Server) {
	t.Helper()
	make := func() *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.EnableHTTP2 = true
		return s
	}
	ours, theirs = make(), make()
	f := front2.New(config(h))
	ours.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"h2": func(_ *http.Server, c *tls.Conn, _ http.Handler) { f.ServeConn(c) },
	}
	ours.Config.RegisterOnShutdown(f.Shutdown)
	t.Cleanup(func() { f.Close(context.Background()) })
	for _, s := range []*httptest.Server{ours, theirs} {
		s.StartTLS()
		s.Client().Timeout = patience
		t.Cleanup(s.Close)
	}
	return ours, theirs
}

// peer is a client that speaks in frames.
type peer struct {
	*http2.Framer
	t    testing.TB
	conn net.Conn
	in   *hpack.Decoder
	out  *hpack.Encoder
	buf  bytes.Buffer
}

// frames starts a server and a connection to it after the prefaces.
func frames(t testing.TB, h http.Handler, change func(*front2.Config)) (*peer, *front2.Server) {
	t.Helper()
	cfg := config(h)
	if change != nil {
		change(&cfg)
	}
	s := front2.New(cfg)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.ServePlain(c) })
		}
	})
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		_ = ln.Close()
		all.Wait()
		s.Close(context.Background())
	})
	_ = conn.SetDeadline(time.Now().Add(patience))
	return greet(t, conn), s
}

func greet(t testing.TB, conn net.Conn) *peer {
	t.Helper()
	p := &peer{Framer: http2.NewFramer(conn, conn), t: t, conn: conn, in: hpack.NewDecoder(4096, nil)}
	p.out = hpack.NewEncoder(&p.buf)
	p.AllowIllegalWrites = true
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	p.must(p.WriteSettings())
	return p
}

func (p *peer) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// block encodes fields, given as name and value in turn.
func (p *peer) block(fields ...string) []byte {
	p.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = p.out.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(p.buf.Bytes())
}

// usual is what every request has; further fields go behind.
func usual(method, path string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "https", ":authority", "api.test", ":path", path}, more...)
}

// ask sends HEADERS.
func (p *peer) ask(id uint32, end bool, fields ...string) {
	p.t.Helper()
	p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.block(fields...), EndStream: end, EndHeaders: true}))
}

// happening is what the server said about a stream or the connection.
type happening struct {
	fields  map[string]string
	body    string
	trailer map[string]string
	reset   http2.ErrCode
	goAway  http2.ErrCode
	what    string // answer, reset, goaway or closed
}

// until reads frames until the stream has ended, or the connection has.
func (p *peer) until(id uint32) happening {
	p.t.Helper()
	var h happening
	for {
		f, err := p.ReadFrame()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				p.t.Fatal("the server says nothing")
			}
			h.what = "closed"
			return h
		}
		end := false
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			h.what, h.goAway = "goaway", f.ErrCode
			return h
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				h.what, h.reset = "reset", f.ErrCode
				return h
			}
		case *http2.HeadersFrame:
			fields, err := p.in.DecodeFull(f.HeaderBlockFragment())
			p.must(err)
			if f.StreamID != id {
				continue
			}
			got := map[string]string{}
			for _, f := range fields {
				got[f.Name] += f.Value
			}
			if h.fields == nil || strings.HasPrefix(h.fields[":status"], "1") {
				h.fields = got
			} else {
				h.trailer = got
			}
			end = f.StreamEnded()
		case *http2.DataFrame:
			if f.StreamID == id {
				h.body += string(f.Data())
				end = f.StreamEnded()
			}
		}
		if end {
			h.what = "answer"
			return h
		}
	}
}

// alive asks for an answer to PING, which shows that the connection goes on and
// that all before it has been read.
func (p *peer) alive() {
	p.t.Helper()
	p.must(p.WritePing(false, [8]byte{'a', 'l', 'i', 'v', 'e'}))
	for {
		f, err := p.ReadFrame()
		if err != nil {
			p.t.Fatalf("the connection has ended: %v", err)
		}
		if f, ok := f.(*http2.PingFrame); ok && f.IsAck() && f.Data[0] == 'a' {
			return
		}
		if f, ok := f.(*http2.GoAwayFrame); ok {
			p.t.Fatalf("got GOAWAY %v", f.ErrCode)
		}
	}
}
