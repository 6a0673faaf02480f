package guard_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/serve"
)

// zeroes is a body of n zero bytes.
func zeroes(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestLargeBodiesStream sends a body of a GiB up and one down. Client, guard
// and upstream share this process's heap.
func TestLargeBodiesStream(t *testing.T) {
	const most = 64 << 20
	for _, c := range []struct {
		proto string
		size  int64
		known bool // the length is announced
	}{{"HTTP/1.1", 1 << 30, true}, {"HTTP/1.1", 64 << 20, false}, {"HTTP/2", 128 << 20, true}, {"HTTP/2", 64 << 20, false}} {
		t.Run(fmt.Sprint(c.proto, " of ", c.size>>20, " MiB, announced: ", c.known), func(t *testing.T) {
			f := newFixture(t, nil)
			f.upstream.streams(func(w http.ResponseWriter, r *http.Request) {
				n, err := io.Copy(io.Discard, r.Body)
				if r.Method == "PUT" {
					fmt.Fprintf(w, "%d %v", n, err)
					return
				}
				if c.known {
					w.Header().Set("Content-Length", fmt.Sprint(c.size))
				}
				_, _ = io.Copy(w, zeroes(c.size))
			})
			client := map[string]*http.Client{"HTTP/1.1": f.h1, "HTTP/2": f.h2}[c.proto]
			for _, method := range []string{"PUT", "GET"} {
				r := f.request("https", method, "/x", "", "Authorization", f.bearer())
				if method == "PUT" {
					r.Body, r.ContentLength = io.NopCloser(zeroes(c.size)), map[bool]int64{true: c.size, false: -1}[c.known]
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				client.Timeout = 0
				peak := watchHeap(t)
				begin := time.Now()
				res, err := client.Do(r.WithContext(ctx))
				if err != nil {
					t.Fatal(err)
				}
				text := ""
				var n int64
				if method == "PUT" {
					var body []byte
					body, err = io.ReadAll(res.Body)
					text = string(body)
					_, _ = fmt.Sscan(text, &n)
				} else {
					n, err = io.Copy(io.Discard, res.Body)
				}
				res.Body.Close()
				grown := peak()
				t.Logf("%s: %v, heap at most %d MiB more", method, time.Since(begin).Round(time.Millisecond), grown>>20)
				if err != nil || n != c.size || grown > most {
					t.Errorf("%s: got %d bytes %q, %v, %d MiB more heap; want %d bytes and at most 64 MiB", method, n, text, err, grown>>20, c.size)
				}
			}
		})
	}
}

func TestRequestBodies(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) { c.Limits.MaxBody = 1000 })
	f.upstream.streams(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %v", n, err)
	})
	head := "POST /x HTTP/1.1\r\nHost: " + testHost + "\r\nAuthorization: " + f.bearer() + "\r\n"
	chunked := head + "Transfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		name, text string
		status     int
		detail     string
	}{
		{"at the limit", head + "Content-Length: 1000\r\n\r\n" + strings.Repeat("x", 1000), 200, "1000 <nil>"},
		{"at the limit, chunked", chunked + "3e8\r\n" + strings.Repeat("x", 1000) + "\r\n0\r\n\r\n", 200, "1000 <nil>"},
		{"over the limit", head + "Content-Length: 1001\r\n\r\n" + strings.Repeat("x", 1001), 413, "Content too large"},
		{"over the limit, not even sent", head + "Content-Length: 100000000000\r\n\r\n", 413, "Content too large"},
		{"over the limit, chunked", chunked + "3e9\r\n" + strings.Repeat("x", 1001) + "\r\n0\r\n\r\n", 413, "Content too large"},
		{"broken chunk", chunked + "2\r\nok\r\nzz\r\n", 400, "Invalid request"},
		{"broken chunk end", chunked + "2\r\nok!!2\r\nok\r\n0\r\n\r\n", 400, "Invalid request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := f.raw(testHost, c.text)
			if len(all) != 1 || all[0].status != c.status || c.status == 200 && all[0].body != c.detail || c.status != 200 && all[0].problem().Detail != c.detail {
				t.Errorf("got %v, want %d %s", all, c.status, c.detail)
			}
		})
	}
}

// TestUpstreamThatDoesNotRead answers at once and leaves the upload where it
// is.
func TestUpstreamThatDoesNotRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.upstream.streams(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
	})
	for name, client := range map[string]*http.Client{"HTTP/1.1": f.h1, "HTTP/2": f.h2} {
		r := f.request("https", "POST", "/x", "", "Authorization", f.bearer())
		r.Body, r.ContentLength = io.NopCloser(zeroes(50<<20)), 50<<20
		res, err := client.Do(r)
		if err != nil {
			// The client may find the connection closed while it still sends.
			if !strings.Contains(err.Error(), "broken pipe") && !strings.Contains(err.Error(), "reset") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if got := readReply(t, res); got.status != 413 || got.body != "too much\n" {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if got := f.get("/y", "Authorization", f.bearer()); got.status != 413 {
		t.Errorf("the next request: got %v", got)
	}
}

// onServe puts the guard of f on a real listener of internal/serve.
func onServe(t testing.TB, f *fixture, change func(*serve.Config)) (*serve.Server, string) {
	t.Helper()
	cfg := serve.Config{Listeners: []serve.Listener{{
		Name: "tls", Addr: "127.0.0.1:0", Handler: f.guard.Handler(),
		TLS: &tls.Config{Certificates: []tls.Certificate{serverCertificate(t)}, NextProtos: []string{"h2", "http/1.1"}},
	}}}
	if change != nil {
		change(&cfg)
	}
	s, err := serve.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(0) })
	return s, s.Addr("tls").String()
}

// TestHalfOpenConnections opens 10,000 connections that never send a request:
// silent ones, ones that stop within the handshake, behind it, and within the
// first header. Good requests go on, and memory stays bounded.
func TestHalfOpenConnections(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	n := int(min(10_000, files.Cur*6/10))
	f := newFixture(t, nil)
	s, addr := onServe(t, f, nil)
	conf := &tls.Config{InsecureSkipVerify: true, ServerName: testHost, NextProtos: []string{"http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	before := heap()
	crowd := make([]net.Conn, n)
	t.Cleanup(func() {
		for _, c := range crowd {
			if c != nil {
				_ = c.Close()
			}
		}
	})
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := w; i < n; i += 8 {
				c, err := net.DialTimeout("tcp", addr, patience)
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
				crowd[i] = c
				switch {
				case i%2 == 1: // silent
				case i%10 == 0:
					tc := tls.Client(c, conf)
					_ = c.SetDeadline(time.Now().Add(patience))
					if err := tc.Handshake(); err == nil && i%20 == 0 {
						_, _ = io.WriteString(tc, "GET /x HTTP/1.1\r\nHost: "+testHost+"\r\nAuthorization: Bearer ")
					}
				default:
					_, _ = c.Write([]byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00})
				}
			}
		})
	}
	all.Wait()
	slowest := time.Duration(0)
	for i := range 20 {
		begin := time.Now()
		tr := &http.Transport{TLSClientConfig: conf.Clone(), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		}}
		res, err := (&http.Client{Transport: tr, Timeout: patience}).Do(f.request("https", "GET", "/items", "", "Authorization", f.bearer()))
		if err != nil {
			t.Fatalf("good request %d: %v", i, err)
		}
		if got := readReply(t, res); got.status != 200 || got.body != "hello" {
			t.Errorf("good request %d: got %v", i, got)
		}
		tr.CloseIdleConnections()
		slowest = max(slowest, time.Since(begin))
	}
	load, grown := s.Load("tls"), heap()-before
	t.Logf("%d connections: %d half-open, %d shed, %d MiB more memory, slowest good request %v", n, load.HalfOpen, load.Shed, grown>>20, slowest)
	if load.HalfOpen > 4096 {
		t.Errorf("got %d half-open connections, want 4,096 at most", load.HalfOpen)
	}
	if grown > 256<<20 || slowest > 5*time.Second {
		t.Errorf("got %d MiB more memory and %v for a good request, want at most 256 MiB (both ends) and 5 s", grown>>20, slowest)
	}
}

// TestGarbageOnThePort sends what is no TLS at all, and TLS that speaks no HTTP.
func TestGarbageOnThePort(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	_, addr := onServe(t, f, nil)
	for name, text := range map[string]string{
		"plain HTTP": "GET / HTTP/1.1\r\nHost: " + testHost + "\r\nAuthorization: Bearer eyJ.eyJ.x\r\n\r\n", "SSH": "SSH-2.0-x\r\n", "zeroes": strings.Repeat("\x00", 1000),
		"old TLS": "\x80\x2e\x01\x03\x00\x00\x15\x00\x00\x00\x10", "a record too large": "\x16\x03\x01\xff\xff" + strings.Repeat("x", 1000),
	} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, text)
		answer, err := io.ReadAll(c)
		if strings.Contains(string(answer), "hello") || strings.Contains(fmt.Sprint(err), "timeout") {
			t.Errorf("%s: got %q, %v; want the connection closed", name, answer, err)
		}
		_ = c.Close()
	}
	conf := &tls.Config{InsecureSkipVerify: true, ServerName: testHost, NextProtos: []string{"http/1.1"}}
	for name, text := range map[string]string{
		"no HTTP": "hello\r\n\r\n", "binary": "\x00\x01\x02\r\n\r\n", "HTTP/2 unasked": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"a long line": "GET /" + strings.Repeat("a", 100<<10) + " HTTP/1.1\r\n\r\n", "a long header": "GET / HTTP/1.1\r\nHost: " + testHost + "\r\nX: " + strings.Repeat("a", 100<<10) + "\r\n\r\n",
	} {
		c, err := tls.Dial("tcp", addr, conf)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, text)
		answer, err := io.ReadAll(c)
		if strings.HasPrefix(string(answer), "HTTP/1.1 2") || strings.Contains(fmt.Sprint(err), "timeout") {
			t.Errorf("%s: got %q, %v; want a refusal", name, answer, err)
		}
		_ = c.Close()
	}
	if f.upstream.count() != 0 {
		t.Errorf("the upstream got %v", f.upstream.all())
	}
}

// TestShutWindows is an HTTP/2 client that asks and never takes an answer, not
// even a refusal.
func TestShutWindows(t *testing.T) {
	t.Parallel()
	for name, authorization := range map[string]string{"refused": "Bearer x", "passed": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *guard.Config) { c.Limits.IdleStream = 300 * time.Millisecond })
			if authorization == "" {
				authorization = f.bearer()
			}
			c := f.frames()
			if err := c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			c.send([]string{":method", "GET", ":scheme", "https", ":authority", testHost, ":path", "/x", "authorization", authorization}, "", nil)
			if took := time.Since(begin); took > patience/2 {
				t.Errorf("the stream was open for %v, want it reset", took)
			}
		})
	}
}
