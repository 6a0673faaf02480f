package front_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/front"
)

const ask = "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n"

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) }
}

// TestPipelined sends many requests in one piece, and in single bytes.
func TestPipelined(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.URL.Path, b, r.Header.Get("X-N"))
	}), nil)
	var all strings.Builder
	const n = 100
	for i := range n {
		fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a.test\r\nX-N: %d\r\nContent-Length: 3\r\n\r\n%03d", i, i, i)
		if i%10 == 0 {
			all.WriteString("\r\n") // old clients
		}
	}
	for _, piece := range []int{all.Len(), 1, 7, 5000} {
		c := s.dial(t, "")
		go func() {
			for text := all.String(); text != ""; {
				k := min(piece, len(text))
				if _, err := io.WriteString(c, text[:k]); err != nil {
					return
				}
				text = text[k:]
			}
		}()
		in := bufio.NewReader(c)
		for i := range n {
			got, err := readReply(in, "GET")
			if want := fmt.Sprintf("/%d %03d %d", i, i, i); err != nil || got.Body != want {
				t.Fatalf("pieces of %d: got %+v, %v; want %q", piece, got, err, want)
			}
		}
	}
}

// TestRefusals looks how what is malformed is answered, and that it is the end.
func TestRefusals(t *testing.T) {
	t.Parallel()
	var reasons sync.Map
	s := serve(t, text("hello"), func(c *front.Config) {
		c.Refuse = func(w http.ResponseWriter, r *http.Request, status int, reason string) {
			reasons.Store(reason, r.RemoteAddr != "" && r.TLS != nil && r.URL != nil && r.Header != nil && r.Body != nil)
			w.Header().Set("X-Refused", "yes")
			w.WriteHeader(status)
		}
		c.MaxHeader = 8 << 10
	})
	for _, c := range heads {
		if c.status < 400 {
			continue
		}
		all := s.talk(t, "", ask+c.text+ask, "GET", "GET", "GET")
		if len(all) != 2 || all[0].Body != "hello" || all[1].Status != c.status || !all[1].Close || all[1].Header.Get("X-Refused") != "yes" {
			t.Errorf("%s: got %+v, want 200, %d and the end", c.name, all, c.status)
		}
	}
	large := "GET / HTTP/1.1\r\nHost: a.test\r\nX-A: " + strings.Repeat("a", 8<<10)
	for _, text := range []string{large + "\r\n\r\n", large, "GET /" + strings.Repeat("a", 1<<20)} {
		if all := s.talk(t, "", text, "GET", "GET"); len(all) != 1 || all[0].Status != 431 {
			t.Errorf("too large: got %+v, want 431", all)
		}
	}
	// Nobody has to finish a header to hear that it is none.
	for _, text := range []string{"GET /items\r\n", "hello\r\n", "GET / HTTP/1.1\r\nHost: a\n"} {
		if all := s.talk(t, "", text, "GET", "GET"); len(all) != 1 || all[0].Status != 400 {
			t.Errorf("%q: got %+v, want 400", text, all)
		}
	}
	if n := s.log.String(); n != "" {
		t.Errorf("got log %q", n)
	}
	reasons.Range(func(reason, whole any) bool {
		if reason == "" || whole != true {
			t.Errorf("got reason %q, whole request %v", reason, whole)
		}
		return true
	})
}

// TestLeftToStandard hands requests over in the middle of a connection.
func TestLeftToStandard(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, ours := w.(interface{ Reuse() })
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%v %s %q %v %v %v", ours, r.RequestURI, b, err, r.TLS != nil && r.TLS.HandshakeComplete, r.RemoteAddr != "")
	}), nil)
	for name, c := range map[string]struct{ text, want string }{
		"chunked":     {"POST /c HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", `false /c "hello" <nil> true true`},
		"expectation": {"POST /c HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", `false /c "hello" <nil> true true`},
		"absolute":    {"GET https://a.test/c HTTP/1.1\r\nHost: a.test\r\n\r\n", `false https://a.test/c "" <nil> true true`},
		"upgrade":     {"GET /c HTTP/1.1\r\nHost: a.test\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", `false /c "" <nil> true true`},
	} {
		methods := []string{"GET", "GET", "GET", "GET"}
		all := s.talk(t, "", ask+c.text+strings.Replace(ask, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1), methods...)
		var bodies []string
		for _, r := range all {
			if r.Status != 100 {
				bodies = append(bodies, r.Body)
			}
		}
		want := []string{`true /a "" <nil> true true`, c.want, `false /a "" <nil> true true`}
		if fmt.Sprint(bodies) != fmt.Sprint(want) {
			t.Errorf("%s: got %q, want %q", name, bodies, want)
		}
	}
}

// TestHandshakes tries what is no HTTP/1.1 over TLS.
func TestHandshakes(t *testing.T) {
	t.Parallel()
	rest := make(chan net.Conn, 1)
	s := serve(t, text("hello"), func(c *front.Config) {
		c.TLS.NextProtos = []string{"h2", "http/1.1"}
		c.Rest = func(nc net.Conn) { rest <- nc }
	})
	conf := s.clientTLS()
	conf.NextProtos = []string{"h2"}
	c, err := tls.Dial("tcp", s.addr, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	given := <-rest
	if tc, ok := given.(*tls.Conn); !ok || tc.ConnectionState().NegotiatedProtocol != "h2" {
		t.Errorf("got %T, want the *tls.Conn", given)
	}
	_ = given.Close()
	for name, want := range map[string]string{"GET / HTTP/1.1\r\n\r\n": "HTTP request to an HTTPS server", "SSH-2.0-x\r\n": "", "\x16\x03\x01\xff\xff": ""} {
		raw, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(raw, name)
		got, err := io.ReadAll(raw)
		if !strings.Contains(string(got), want) || err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%q: got %q, %v; want %q and the end", name, got, err, want)
		}
		_ = raw.Close()
	}
	eventually(t, "all are logged", func() bool { return strings.Count(s.log.String(), "http: TLS handshake error from ") == 3 })
}

// TestClientGoes has the client leave while the handler works.
func TestClientGoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		seen       bool // the handler has asked for the end before
		leave      func(*tls.Conn)
	}{
		{"closes", ask, true, func(c *tls.Conn) { _ = c.Close() }},
		{"closes, not awaited", ask, false, func(c *tls.Conn) { _ = c.Close() }},
		{"says no more", ask, true, func(c *tls.Conn) { _ = c.CloseWrite() }},
		{"resets", ask, true, func(c *tls.Conn) {
			_ = c.NetConn().(*net.TCPConn).SetLinger(0)
			_ = c.NetConn().Close()
		}},
		{"with another request sent", ask + ask, true, func(c *tls.Conn) { _ = c.Close() }},
		{"behind a body", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", true, func(c *tls.Conn) { _ = c.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			running, ended := make(chan struct{}, 1), make(chan error, 1)
			var n atomic.Int32
			s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) > 1 {
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				running <- struct{}{}
				if c.seen {
					child, cancel := context.WithTimeout(r.Context(), patience)
					defer cancel()
					<-child.Done()
					ended <- child.Err()
					return
				}
				eventually(t, "the context ends", func() bool { return r.Context().Err() != nil })
				ended <- r.Context().Err()
			}), nil)
			conn := s.dial(t, "")
			_, _ = io.WriteString(conn, c.text)
			<-running
			c.leave(conn)
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
		})
	}
}

// TestSlowAnswers looks that a client which waits, and speaks meanwhile, is
// served as if nothing was.
func TestSlowAnswers(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-goOn
		}
		fmt.Fprintf(w, "%s %v", r.URL.Path, r.Context().Err())
	}), nil)
	c := s.dial(t, "")
	in := bufio.NewReader(c)
	for range 3 {
		_, _ = io.WriteString(c, strings.ReplaceAll(ask, "/a", "/slow"))
		look := time.NewTimer(350 * time.Millisecond) // the front has begun to look after the client
		<-look.C
		_, _ = io.WriteString(c, strings.ReplaceAll(ask, "/a", "/next"))
		goOn <- struct{}{}
		for _, want := range []string{"/slow <nil>", "/next <nil>"} {
			if got, err := readReply(in, "GET"); err != nil || got.Body != want {
				t.Fatalf("got %+v, %v; want %q", got, err, want)
			}
		}
	}
}

// TestContexts looks at what contexts say and when they end.
func TestContexts(t *testing.T) {
	t.Parallel()
	type key struct{}
	kept := make(chan context.Context, 1)
	s := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Context().Value(key{}) != "v" || r.Context().Value(http.LocalAddrContextKey) == nil || r.Context().Err() != nil {
			t.Error("the context lacks a value")
		}
		child, cancel := context.WithCancel(r.Context())
		defer cancel()
		if child.Value(key{}) != "v" || child.Value(http.LocalAddrContextKey) == nil {
			t.Error("a child of the context lacks a value")
		}
		kept <- r.Context()
		if r.URL.Path == "/wait" {
			<-child.Done()
		}
	}), func(c *front.Config) { c.Base = context.WithValue(c.Base, key{}, "v") })
	c := s.dial(t, "")
	in := bufio.NewReader(c)
	for range 2 {
		_, _ = io.WriteString(c, ask)
		if _, err := readReply(in, "GET"); err != nil {
			t.Fatal(err)
		}
		ended := <-kept
		<-ended.Done()
		if !errors.Is(ended.Err(), context.Canceled) {
			t.Errorf("got %v after the request, want %v", ended.Err(), context.Canceled)
		}
	}
	_, _ = io.WriteString(c, strings.ReplaceAll(ask, "/a", "/wait"))
	running := <-kept
	s.cut()
	<-running.Done()
}

// TestPanicsAreLogged looks at log and connection.
func TestPanicsAreLogged(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh no") }), func(c *front.Config) {
		c.Refuse = func(http.ResponseWriter, *http.Request, int, string) { panic("nor this") }
	})
	if all := s.talk(t, "", ask, "GET"); len(all) != 0 {
		t.Errorf("got %+v, want no answer", all)
	}
	if all := s.talk(t, "", "no request\r\n", "GET"); len(all) != 0 {
		t.Errorf("got %+v, want no answer", all)
	}
	eventually(t, "the panic is logged", func() bool {
		return strings.Contains(s.log.String(), "http: panic serving 127.0.0.1:") && strings.Contains(s.log.String(), "oh no") && strings.Contains(s.log.String(), "nor this")
	})
}

// TestHandlerEndsItsGoroutine has a handler that never returns, in the middle of
// a long wait.
func TestHandlerEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(interface{ Reuse() }).Reuse()
		if r.URL.Path == "/wait" {
			look := time.NewTimer(350 * time.Millisecond)
			<-look.C
		}
		runtime.Goexit()
	}), nil)
	for _, path := range []string{"/", "/wait"} {
		if all := s.talk(t, "", strings.ReplaceAll(ask, "/a", path), "GET", "GET"); len(all) != 0 {
			t.Errorf("got %+v, want no answer", all)
		}
	}
}

// TestUnreadBodies leaves a body to the front.
func TestUnreadBodies(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/some" {
			_, _ = r.Body.Read(make([]byte, 3))
			_ = r.Body.Close()
			if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
				t.Errorf("a closed body: got %v", err)
			}
		}
		_, _ = io.WriteString(w, r.URL.Path)
	}), nil)
	for _, c := range []struct {
		path   string
		length int
		keeps  bool
	}{{"/none", 10, true}, {"/some", 10, true}, {"/none", 100 << 10, true}, {"/some", 100 << 10, true}, {"/none", 1 << 20, false}} {
		conn := s.dial(t, "")
		go func() {
			_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s%s", c.path, c.length, strings.Repeat("x", c.length), ask)
		}()
		in := bufio.NewReader(conn)
		if got, err := readReply(in, "POST"); err != nil || got.Body != c.path || got.Close == c.keeps {
			t.Errorf("%+v: got %+v, %v", c, got, err)
		}
		got, err := readReply(in, "GET")
		if c.keeps != (err == nil) || c.keeps && got.Body != "/a" {
			t.Errorf("%+v: the next request got %+v, %v", c, got, err)
		}
	}
	// A body that does not come cannot hold back the answer.
	conn := s.dial(t, "")
	_, _ = io.WriteString(conn, "POST /none HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhel")
	if got, err := readReply(bufio.NewReader(conn), "POST"); err != nil || got.Body != "/none" {
		t.Errorf("half a body: got %+v, %v", got, err)
	}
}

// TestBodyOutlivesHandler reads a body on another goroutine, as http.Transport
// does, while the handler returns.
func TestBodyOutlivesHandler(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := make(chan struct{})
		go func() {
			_, err := io.ReadFull(r.Body, make([]byte, 3))
			close(begun)
			if err == nil {
				_, err = io.ReadAll(r.Body)
			}
			failed <- err
		}()
		<-begun
		_, _ = io.WriteString(w, "done")
	}), nil)
	conn := s.dial(t, "")
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\nhello")
	in := bufio.NewReader(conn)
	if got, err := readReply(in, "POST"); err != nil || got.Body != "done" {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := <-failed; err == nil {
		t.Error("the reader got a whole body")
	}
	// Whether it was read or not: nothing of it may count as a request.
	_, _ = io.WriteString(conn, ask)
	if got, err := readReply(in, "GET"); err == nil {
		t.Errorf("got %+v behind half a body", got)
	}
}

// TestDeadlines has handlers set them, from another goroutine too.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := errors.Join(rc.EnableFullDuplex(), rc.SetWriteDeadline(time.Now().Add(patience))); err != nil {
			t.Error(err)
		}
		go func() { _ = rc.SetReadDeadline(time.Unix(1, 0)) }()
		_, err := io.ReadAll(r.Body)
		fmt.Fprint(w, err != nil)
	}), nil)
	conn := s.dial(t, "")
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\nhello")
	if got, err := readReply(bufio.NewReader(conn), "POST"); err != nil || got.Body != "true" {
		t.Errorf("got %+v, %v; want the read ended", got, err)
	}
}

// TestFailedWrites looks what a client gets when an answer cannot be written:
// the end, and nothing that cannot be deciphered.
func TestFailedWrites(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0)); err != nil {
			t.Error(err)
		}
		switch r.URL.Path {
		case "/flush":
			if err := http.NewResponseController(w).Flush(); err == nil {
				t.Error("a flush behind the deadline got no error")
			}
		case "/abort":
			_, _ = w.Write(make([]byte, 100<<10))
			panic(http.ErrAbortHandler)
		}
	}), nil)
	for _, path := range []string{"/end", "/flush", "/abort"} {
		for _, body := range []string{"Content-Length: 0\r\n\r\n", "Content-Length: 10\r\n\r\nhel"} {
			c := s.dial(t, "")
			_, _ = io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: a.test\r\n"+body)
			if b, err := io.ReadAll(c); len(b) > 0 || err != nil && strings.Contains(err.Error(), "local error") {
				t.Errorf("%s: got %q, %v; want the end", path, b, err)
			}
		}
	}
}

// TestTwoTenants has requests reuse what others have left, and looks that
// nothing of one is seen in another.
func TestTwoTenants(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := r.Header.Get("X-Tenant")
		for name, values := range r.Header {
			for _, v := range values {
				if !strings.HasSuffix(v, who) && name != "Content-Length" {
					t.Errorf("tenant %s got %s: %s", who, name, v)
				}
			}
		}
		if !strings.HasSuffix(r.URL.Path, who) || !strings.HasSuffix(r.Host, who) {
			t.Errorf("tenant %s got %s at %s", who, r.URL.Path, r.Host)
		}
		delete(r.Header, "X-Tenant")
		r.Header["X-Left"] = []string{who}
		r.URL.Path, r.Host, r.Method = who, who, who
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Tenant", who)
		w.Header()["X-"+who] = []string{who}
		_, _ = w.Write(bytes.ToUpper(b))
		w.(interface{ Reuse() }).Reuse()
	}), nil)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			c := s.dial(t, "")
			in := bufio.NewReader(c)
			for k := range 200 {
				who := fmt.Sprintf("t%d", (i+k)%7)
				body, extra := "", ""
				if k%3 == 0 {
					body = who
					extra = fmt.Sprintf("X-More-%d: %s\r\n", k%5, who)
				}
				_, _ = fmt.Fprintf(c, "POST /%s HTTP/1.1\r\nHost: %s\r\nX-Tenant: %s\r\n%sContent-Type: a/%s\r\n", who, who, who, extra, who)
				if body != "" {
					_, _ = fmt.Fprintf(c, "Content-Length: 00%d\r\nX-Again: %s\r\nX-again: %s\r\n", len(body), who, who)
				}
				_, _ = io.WriteString(c, "\r\n"+body)
				got, err := readReply(in, "POST")
				if err != nil || got.Body != strings.ToUpper(body) || got.Header.Get("X-Tenant") != who || len(got.Header["X-"+strings.ToUpper(who[:1])+who[1:]]) != 1 || len(got.Header) > 4 {
					t.Errorf("tenant %s: got %+v, %v", who, got, err)
					return
				}
			}
		})
	}
	all.Wait()
}
