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
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/wiretight/wiretight/internal/origin"
)

func upload(method, body string) *http.Request {
	r := request(method, "/up")
	r.ContentLength, r.Body = int64(len(body)), io.NopCloser(strings.NewReader(body))
	return r
}

func TestBodiesAreSent(t *testing.T) {
	t.Parallel()
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d %v %s %v", r.Method, r.ContentLength, r.TransferEncoding, body, err)
	}))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c := client(t, s.Listener.Addr().String(), nil)
	for _, body := range []string{"", "a", "hello", strings.Repeat("b", 5000), strings.Repeat("c", origin.MaxBody)} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "GET"} {
			for name, change := range map[string]func(io.Reader) io.Reader{
				"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "with its end": iotest.DataErrReader,
			} {
				r := upload(method, body)
				if !origin.Takes(r) {
					t.Fatalf("a body of %d bytes is not taken", len(body))
				}
				r.Body = io.NopCloser(change(r.Body))
				status, got := get(t, c, r)
				if want := fmt.Sprintf("%s %d [] %s <nil>", method, len(body), body); status != 200 || got != want {
					t.Errorf("%s of %d bytes %s: got %d %.40q, want %.40q", method, len(body), name, status, got, want)
				}
			}
		}
	}
	if got := conns.Load(); got != 1 {
		t.Errorf("got %d connections, want 1", got)
	}
}

func TestWhatIsNotTaken(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.Request){
		"unknown length": func(r *http.Request) { r.ContentLength = -1 },
		"chunked":        func(r *http.Request) { r.TransferEncoding = []string{"chunked"} },
		"large":          func(r *http.Request) { r.ContentLength = origin.MaxBody + 1 },
		"no body at all": func(r *http.Request) { r.Body = nil },
		"upgrade":        func(r *http.Request) { r.Header.Set("Upgrade", "websocket") },
		"expect":         func(r *http.Request) { r.Header.Set("Expect", "100-continue") },
	} {
		r := upload("POST", "data")
		change(r)
		if origin.Takes(r) {
			t.Errorf("%s: is taken", name)
		}
	}
}

// TestBrokenBodiesSendNothing is a client that breaks off, or sends another
// length than it said: the server must not see half a request.
func TestBrokenBodiesSendNothing(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int64
	addr := raw(t, func(_ int64, _ net.Conn, r *bufio.Reader) {
		if _, err := r.ReadByte(); err == nil {
			arrived.Add(1)
		}
	})
	c := client(t, addr, nil)
	broken := errors.New("broken off")
	for name, change := range map[string]func(*http.Request){
		"broken": func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("da"), iotest.ErrReader(broken)))
		},
		"short":    func(r *http.Request) { r.ContentLength++ },
		"long":     func(r *http.Request) { r.ContentLength-- },
		"longer":   func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat("a", 1<<20))) },
		"no bytes": func(r *http.Request) { r.Body = http.NoBody },
	} {
		r := upload("POST", "data")
		change(r)
		res, err := c.Do(context.Background(), r, nil, nil)
		if err == nil {
			res.Body.Close()
			t.Errorf("%s: the request was sent", name)
		}
		if name == "broken" && !errors.Is(err, broken) {
			t.Errorf("broken: got %v, want the reader's own error", err)
		}
	}
	if arrived.Load() != 0 {
		t.Errorf("the server got %d requests, want none", arrived.Load())
	}
}

// TestBodiesAreSentOnce is a server that takes a second request and hangs up.
// Whatever the method, a body does not go out again.
func TestBodiesAreSentOnce(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		var seen atomic.Int64
		addr := raw(t, func(n int64, conn net.Conn, r *bufio.Reader) {
			for i := 0; ; i++ {
				if _, err := readRequest(r); err != nil {
					return
				}
				_, _ = r.Discard(4)
				seen.Add(1)
				if n == 1 && i == 1 {
					return
				}
				_, _ = io.WriteString(conn, okAnswer)
			}
		})
		c := client(t, addr, nil)
		get(t, c, upload(method, "data"))
		if res, err := c.Do(context.Background(), upload(method, "data"), nil, nil); err == nil {
			res.Body.Close()
			t.Errorf("%s: got %d, want an error", method, res.StatusCode)
		}
		if seen.Load() != 2 {
			t.Errorf("%s: the server got %d requests, want each once", method, seen.Load())
		}
	}
}

// TestEarlyAnswers come before the body has been read.
func TestEarlyAnswers(t *testing.T) {
	t.Parallel()
	addr := raw(t, func(_ int64, conn net.Conn, r *bufio.Reader) {
		if _, err := readRequest(r); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nless")
		_, _ = r.Discard(origin.MaxBody) // closing sooner would reset the connection
	})
	c := client(t, addr, nil)
	for range 5 {
		if status, body := get(t, c, upload("POST", strings.Repeat("a", origin.MaxBody))); status != 413 || body != "less" {
			t.Errorf("got %d %q, want 413", status, body)
		}
	}
}
