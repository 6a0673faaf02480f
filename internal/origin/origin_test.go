package origin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wiretight/wiretight/internal/origin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t testing.TB, addr string, change func(*origin.Config)) *origin.Client {
	t.Helper()
	cfg := origin.Config{
		Dial: func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		},
		HeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxIdle: 8, MaxHeader: 64 << 10,
	}
	if change != nil {
		change(&cfg)
	}
	c := origin.New(cfg)
	t.Cleanup(c.CloseIdle)
	return c
}

func request(method, target string) *http.Request {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	return &http.Request{Method: method, URL: u, Host: "api.test", Header: http.Header{}}
}

func get(t testing.TB, c *origin.Client, r *http.Request) (int, string) {
	t.Helper()
	res, err := c.Do(context.Background(), r, nil, nil)
	if err != nil {
		t.Fatalf("Do: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read body: %v", err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatalf("close body: %v", err)
	}
	return res.StatusCode, string(body)
}

// raw is a server that answers each connection by script.
func raw(t testing.TB, serve func(n int64, conn net.Conn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var n atomic.Int64
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				serve(n.Add(1), conn, bufio.NewReader(conn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

func readRequest(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String(), err
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Method, r.RequestURI)
	}))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c := client(t, s.Listener.Addr().String(), nil)
	for range 20 {
		if status, body := get(t, c, request("GET", "/a%20b?c=d;e")); status != 200 || body != "GET /a%20b?c=d;e" {
			t.Fatalf("got %d %q", status, body)
		}
	}
	if status, _ := get(t, c, request("HEAD", "/x")); status != 200 {
		t.Fatalf("HEAD: got %d", status)
	}
	if got := conns.Load(); got != 1 {
		t.Errorf("got %d connections, want 1", got)
	}
}

func TestChunkedAnswersAndTrailers(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		for i := range 3 {
			fmt.Fprintf(w, "part %d;", i)
			w.(http.Flusher).Flush()
		}
		w.Header().Set("X-Sum", "3")
	}))
	defer s.Close()
	c := client(t, s.Listener.Addr().String(), nil)
	for range 2 {
		res, err := c.Do(context.Background(), request("GET", "/"), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || string(body) != "part 0;part 1;part 2;" || res.Trailer.Get("X-Sum") != "3" {
			t.Errorf("got %q, trailer %v, %v", body, res.Trailer, err)
		}
		res.Body.Close()
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, answer string
		status       int
		body, err    string
	}{
		{"plain", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", ""},
		{"after 103", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", ""},
		{"until close", "HTTP/1.1 200 OK\r\n\r\nok", 200, "ok", ""},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nok", 200, "ok", ""},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", ""},
		{"short body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", 200, "", "unexpected EOF"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", 0, "", "read answer"},
		{"broken chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok", 200, "", "broken header"},
		{"unasked switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", 0, "", "switched protocols"},
		{"1xx without end", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20), 0, "", "1xx answers"},
		{"status 099", "HTTP/1.1 099 Low\r\n\r\n", 0, "", "status line"},
		{"status of no number", "HTTP/1.1 abc OK\r\n\r\n", 0, "", "read answer"},
		{"status of two digits", "HTTP/1.1 20 OK\r\n\r\n", 0, "", "read answer"},
		{"garbage", "SSH-2.0-OpenSSH_9.2\r\n\r\n", 0, "", "read answer"},
		{"nothing", "", 0, "", "read answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			addr := raw(t, func(_ int64, conn net.Conn, r *bufio.Reader) {
				if _, err := readRequest(r); err == nil {
					_, _ = io.WriteString(conn, test.answer)
				}
			})
			res, err := client(t, addr, nil).Do(context.Background(), request("POST", "/"), nil, nil)
			if err == nil {
				defer res.Body.Close()
				var body []byte
				body, err = io.ReadAll(res.Body)
				if res.StatusCode != test.status || test.err == "" && string(body) != test.body {
					t.Errorf("got %d %q, want %d %q", res.StatusCode, body, test.status, test.body)
				}
			}
			if got := fmt.Sprint(err); test.err == "" && err != nil || !strings.Contains(got, test.err) {
				t.Errorf("got error %v, want %q", err, test.err)
			}
		})
	}
}

func TestEndlessHeaderEnds(t *testing.T) {
	t.Parallel()
	addr := raw(t, func(_ int64, conn net.Conn, r *bufio.Reader) {
		_, _ = readRequest(r)
		_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for i := 0; err == nil && i < 1<<20; i++ {
			_, err = fmt.Fprintf(conn, "X-%d: %s\r\n", i, strings.Repeat("a", 1000))
		}
	})
	_, err := client(t, addr, nil).Do(context.Background(), request("GET", "/"), nil, nil)
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v, want a header that is too large", err)
	}
}

func TestSlowHeaderTimesOut(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	addr := raw(t, func(_ int64, _ net.Conn, r *bufio.Reader) {
		_, _ = readRequest(r)
		<-release
	})
	defer close(release)
	c := client(t, addr, func(c *origin.Config) { c.HeaderTimeout = 50 * time.Millisecond })
	_, err := c.Do(context.Background(), request("GET", "/"), nil, nil)
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("got %v, want a timeout", err)
	}
}

// TestClosedConnectionsAreReplaced is the race between a request and a server
// that closes an idle connection.
func TestClosedConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method string
		again  bool
	}{{"GET", true}, {"HEAD", true}, {"DELETE", true}, {"POST", false}, {"PATCH", false}} {
		t.Run(test.method, func(t *testing.T) {
			t.Parallel()
			var served atomic.Int64
			addr := raw(t, func(n int64, conn net.Conn, r *bufio.Reader) {
				for i := 0; ; i++ {
					if _, err := readRequest(r); err != nil {
						return
					}
					if n == 1 && i == 1 {
						return // takes the second request and says nothing
					}
					served.Add(1)
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			})
			c := client(t, addr, nil)
			get(t, c, request("GET", "/"))
			res, err := c.Do(context.Background(), request(test.method, "/"), nil, nil)
			if err == nil {
				res.Body.Close()
			}
			if (err == nil) != test.again {
				t.Errorf("second request: got %v, want it repeated: %v", err, test.again)
			}
			if want := map[bool]int64{true: 2, false: 1}[test.again]; served.Load() != want {
				t.Errorf("got %d answers, want %d", served.Load(), want)
			}
		})
	}
}

func TestLeftoversCloseTheConnection(t *testing.T) {
	t.Parallel()
	var conns atomic.Int64
	addr := raw(t, func(n int64, conn net.Conn, r *bufio.Reader) {
		conns.Store(n)
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			// One answer that was asked for, and one that was not.
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
		}
	})
	c := client(t, addr, nil)
	for range 3 {
		if _, body := get(t, c, request("GET", "/")); body != "ok" {
			t.Errorf("got %q, want the answer that was asked for", body)
		}
	}
	if conns.Load() != 3 {
		t.Errorf("got %d connections, want a new one after each surplus answer", conns.Load())
	}
}

func TestNothingSplitsARequest(t *testing.T) {
	t.Parallel()
	var got atomic.Int64
	addr := raw(t, func(_ int64, conn net.Conn, r *bufio.Reader) {
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			got.Add(1)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c := client(t, addr, nil)
	for name, change := range map[string]func(*http.Request){
		"value":   func(r *http.Request) { r.Header["X-A"] = []string{"a\r\nX-Auth-Subject: root"} },
		"bare LF": func(r *http.Request) { r.Header["X-A"] = []string{"a\nb"} },
		"bare CR": func(r *http.Request) { r.Header["X-A"] = []string{"a\rb"} },
		"NUL":     func(r *http.Request) { r.Header["X-A"] = []string{"a\x00b"} },
		"name":    func(r *http.Request) { r.Header["X-A: b\r\nX-B"] = []string{"c"} },
		"host":    func(r *http.Request) { r.Host = "a\r\nX: y" },
		"query":   func(r *http.Request) { r.URL.RawQuery = "a HTTP/1.1\r\nX: y" },
		"space":   func(r *http.Request) { r.URL.RawQuery = "a b" },
		"method":  func(r *http.Request) { r.Method = "GET /evil" },
	} {
		r := request("GET", "/")
		change(r)
		if res, err := c.Do(context.Background(), r, nil, nil); err == nil {
			res.Body.Close()
			t.Errorf("%s: the request was sent", name)
		}
	}
	if got.Load() != 0 {
		t.Errorf("the server got %d requests, want none", got.Load())
	}
}

func TestCutEndsTheExchange(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	addr := raw(t, func(_ int64, conn net.Conn, r *bufio.Reader) {
		_, _ = readRequest(r)
		close(arrived)
		_, _ = conn.Read(make([]byte, 1)) // until the client hangs up
	})
	var cut func()
	var mu sync.Mutex
	done := make(chan error, 1)
	c := client(t, addr, nil)
	go func() {
		_, err := c.Do(context.Background(), request("GET", "/"), func(f func()) { mu.Lock(); cut = f; mu.Unlock() }, nil)
		done <- err
	}()
	<-arrived
	mu.Lock()
	cut()
	mu.Unlock()
	if err := <-done; err == nil {
		t.Error("got an answer after the cut")
	}
}

func TestUnreadBodyIsNotReused(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat(r.URL.Path, 10000))
	}))
	defer s.Close()
	c := client(t, s.Listener.Addr().String(), nil)
	res, err := c.Do(context.Background(), request("GET", "/a"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close() // half way
	if _, body := get(t, c, request("GET", "/b")); body != strings.Repeat("/b", 10000) {
		t.Error("the second answer holds something of the first")
	}
}

func TestIdleConnectionsExpire(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	addr := raw(t, func(_ int64, conn net.Conn, r *bufio.Reader) {
		if _, err := readRequest(r); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		_, _ = r.ReadByte() // until the client hangs up
		close(closed)
	})
	c := client(t, addr, func(c *origin.Config) { c.IdleTimeout = 20 * time.Millisecond })
	get(t, c, request("GET", "/"))
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Error("the idle connection is still open")
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.RawQuery) }))
	defer s.Close()
	c := client(t, s.Listener.Addr().String(), nil)
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			for j := range 50 {
				want := fmt.Sprintf("%d-%d", i, j)
				res, err := c.Do(context.Background(), request("GET", "/?"+want), nil, nil)
				if err != nil {
					t.Error(err)
					return
				}
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if string(body) != want {
					t.Errorf("got the answer %q to %q", body, want)
				}
			}
		})
	}
	all.Wait()
}
