package guard_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// wrapping is a guard around a handler in this process, on a real server.
func wrapping(t testing.TB, h http.HandlerFunc) *fixture {
	t.Helper()
	f := newFixture(t, func(c *guard.Config) { c.Limits.IdleStream = time.Hour })
	f.stop()
	f.serve(f.guard.Wrap(h))
	f.h1, f.h2 = f.client(false, nil), f.client(true, nil)
	return f
}

// TestWrapGuardsAnswers has the rules of answers hold for a Go handler too,
// however it writes its answer.
func TestWrapGuardsAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		serve  http.HandlerFunc
		status int
		body   string
	}{
		{"writes", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }, 200, "hello"},
		{"says nothing", func(http.ResponseWriter, *http.Request) {}, 200, ""},
		{"only a status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, 204, ""},
		{"two statuses", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.WriteHeader(500) }, 201, ""},
		{"flushes", func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "hello")
		}, 200, "hello"},
		{"flushes through the controller", func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			_, _ = io.WriteString(w, "hello")
		}, 200, "hello"},
		{"an error with a token", func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "bad "+r.Header.Get("Authorization"), http.StatusBadRequest)
		}, 400, "bad Bearer [redacted]\n"},
		{"a downgrade", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://evil.example/", http.StatusFound)
		}, 502, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := wrapping(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Set-Cookie", "sid=1")
				w.Header().Set("Server", "go")
				c.serve(w, r)
			})
			for _, client := range []*http.Client{f.h1, f.h2} {
				got := f.send(client, "GET", "/x", "", "Authorization", f.bearer())
				if got.status != c.status || c.body != "" && got.body != c.body {
					t.Fatalf("got %v, want %d %q", got, c.status, c.body)
				}
				want := map[string]string{
					"Strict-Transport-Security": "max-age=31536000", "X-Content-Type-Options": "nosniff",
					"Cache-Control": "no-store", "Server": "", "Set-Cookie": "sid=1; Secure; HttpOnly; SameSite=Lax",
				}
				if c.status == 502 {
					want["Set-Cookie"] = ""
				}
				for k, v := range want {
					if got.header.Get(k) != v {
						t.Errorf("%s: got %q, want %q", k, got.header.Get(k), v)
					}
				}
			}
		})
	}
}

// TestWrapKeepsContentType is the type that net/http finds out for a handler
// that names none.
func TestWrapKeepsContentType(t *testing.T) {
	t.Parallel()
	f := wrapping(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>hello") })
	if got := f.get("/x", "Authorization", f.bearer()); got.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("got %q, want text/html", got.header.Get("Content-Type"))
	}
}

func TestWrapPanics(t *testing.T) {
	t.Parallel()
	f := wrapping(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			_, _ = io.WriteString(w, "half of")
			_ = http.NewResponseController(w).Flush()
		}
		panic("with a secret " + r.Header.Get("Authorization"))
	})
	for _, client := range []*http.Client{f.h1, f.h2} {
		for _, path := range []string{"/early", "/late"} {
			res, err := client.Do(f.request("https", "GET", path, "", "Authorization", f.bearer()))
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			if err == nil {
				t.Errorf("%s: got a whole answer from a handler that panicked", path)
			}
		}
	}
	eventually(t, "four records", func() bool { return strings.Count(f.log.String(), "panic: ") == 4 })
	if text := f.log.String(); strings.Contains(text, "eyJ") || !strings.Contains(text, "with a secret") {
		t.Errorf("got the log %s", text)
	}
}

// TestWrapHijacks speaks another protocol on the connection.
func TestWrapHijacks(t *testing.T) {
	t.Parallel()
	f := wrapping(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusUpgradeRequired)
			return
		}
		go func() { // as chat servers do: the handler returns, the connection stays
			defer conn.Close()
			_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_ = rw.Flush()
			for {
				line, err := rw.ReadString('\n')
				if err != nil {
					return
				}
				_, _ = rw.WriteString("you said " + line)
				_ = rw.Flush()
			}
		}()
	})
	c, in := f.dialRaw("GET /x HTTP/1.1\r\nHost: " + testHost + "\r\nAuthorization: " + f.bearer() +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbefore the answer\n")
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	for i, want := range []string{"before the answer\n", "after it\n"} {
		if i > 0 {
			_, _ = io.WriteString(c, want)
		}
		if line, err := in.ReadString('\n'); line != "you said "+want {
			t.Fatalf("got %q, %v; want %q", line, err, want)
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); time.Since(begin) < 700*time.Millisecond; <-tick.C { // three sweeps
		_, _ = io.WriteString(c, "still there\n")
		if line, err := in.ReadString('\n'); line != "you said still there\n" {
			t.Fatalf("got %q, %v after the handler had returned", line, err)
		}
	}
	f.clock.advance(10 * time.Minute) // the token ends, and so does the connection
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if _, err := in.ReadByte(); err == nil || errors.Is(err, errTimeout(err)) {
		t.Errorf("got %v, want the connection to be cut", err)
	}
	if got := f.send(f.h2, "GET", "/x", "", "Authorization", f.bearer()); got.status != http.StatusUpgradeRequired {
		t.Errorf("over HTTP/2: got %v", got)
	}
}

// errTimeout is err if it is a time-out, else something that err is not.
func errTimeout(err error) error {
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return err
	}
	return errors.ErrUnsupported
}

// dialRaw opens a TLS connection of HTTP/1.1 and sends text.
func (f *fixture) dialRaw(text string) (*tls.Conn, *bufio.Reader) {
	f.t.Helper()
	c, err := tls.Dial("tcp", f.addr,
		&tls.Config{InsecureSkipVerify: true, ServerName: testHost, NextProtos: []string{"http/1.1"}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		f.t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// TestWrapStreamsEnd is a handler that streams without an end and does not look
// at its context.
func TestWrapStreamsEnd(t *testing.T) {
	t.Parallel()
	var handlers sync.WaitGroup
	f := wrapping(t, func(w http.ResponseWriter, _ *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := io.WriteString(w, "tick\n"); err != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
		}
	})
	for _, client := range []*http.Client{f.h1, f.h2} {
		res, err := client.Do(f.request("https", "GET", "/x", "", "Authorization", f.bearer()))
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(res.Body)
		if line, err := in.ReadString('\n'); line != "tick\n" {
			t.Fatalf("got %q, %v", line, err)
		}
		f.clock.advance(10 * time.Minute)
		begin := time.Now()
		if _, err := io.Copy(io.Discard, in); err == nil {
			t.Error("the stream ended cleanly, want it cut")
		}
		if took := time.Since(begin); took > patience/2 {
			t.Errorf("got %v until the cut, want 1 s at most", took)
		}
		res.Body.Close()
		handlers.Wait()
	}
}
