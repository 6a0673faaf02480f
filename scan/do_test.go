package scan_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/scan"
)

// TestWire compares what goes out byte for byte.
func TestWire(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		r    scan.Request
		want string
	}{
		{"plain", scan.Request{}, "GET /base HTTP/1.1\r\nHost: ADDR\r\nUser-Agent: wiretight-scan\r\nAccept: */*\r\n\r\n"},
		{"path and query", scan.Request{Path: "/a%2Fb?x=%20&y"}, "GET /a%2Fb?x=%20&y HTTP/1.1\r\nHost: ADDR\r\nUser-Agent: wiretight-scan\r\nAccept: */*\r\n\r\n"},
		{"double slash", scan.Request{Path: "//a"}, "GET //a HTTP/1.1\r\nHost: ADDR\r\nUser-Agent: wiretight-scan\r\nAccept: */*\r\n\r\n"},
		{"broken escape", scan.Request{Path: "/%zz"}, "GET /%zz HTTP/1.1\r\nHost: ADDR\r\nUser-Agent: wiretight-scan\r\nAccept: */*\r\n\r\n"},
		{"raw target", scan.Request{RawTarget: "http://evil.test/x"}, "GET http://evil.test/x HTTP/1.1\r\nHost: ADDR\r\nUser-Agent: wiretight-scan\r\nAccept: */*\r\n\r\n"},
		{"odd method, other host", scan.Request{Method: "gEt", Path: "/", Host: "evil.test"}, "gEt / HTTP/1.1\r\nHost: evil.test\r\nUser-Agent: wiretight-scan\r\nAccept: */*\r\n\r\n"},
		{"header spelling, repeats, removal", scan.Request{Path: "/", Header: http.Header{"x-B": {"1", "2"}, "Accept": nil, "uSER-aGENT": {"me"}}}, "GET / HTTP/1.1\r\nHost: ADDR\r\nuSER-aGENT: me\r\nx-B: 1\r\nx-B: 2\r\n\r\n"},
		{"body", scan.Request{Method: "POST", Path: "/", Body: []byte("a=b")}, "POST / HTTP/1.1\r\nHost: ADDR\r\nUser-Agent: wiretight-scan\r\nAccept: */*\r\nContent-Length: 3\r\n\r\na=b"},
		{"HTTP/1.0, closing", scan.Request{Path: "/", HTTP10: true, NoKeepAlive: true}, "GET / HTTP/1.0\r\nHost: ADDR\r\nUser-Agent: wiretight-scan\r\nAccept: */*\r\nConnection: close\r\n\r\n"},
	}
	var mu sync.Mutex
	var last string
	addr := raw(t, func(c net.Conn) {
		for {
			b := make([]byte, 64<<10)
			n, err := c.Read(b)
			if err != nil {
				return
			}
			mu.Lock()
			last = string(b[:n])
			mu.Unlock()
			io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	look(t, scan.Config{URL: "http://" + addr + "/base"}, func(ctx context.Context, target *scan.Target) {
		for _, test := range tests {
			if r, err := target.Do(ctx, test.r); err != nil || r.Status != 204 {
				t.Errorf("%s: got %+v, %v", test.name, r, err)
			}
			mu.Lock()
			got := strings.ReplaceAll(last, addr, "ADDR")
			mu.Unlock()
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.name, diff)
			}
		}
		for name, r := range map[string]scan.Request{
			"line break in a header": {Header: http.Header{"X": {"a\r\nHost: b"}}}, "in a name": {Header: http.Header{"X\n": {"a"}}},
			"in the method": {Method: "GET\r\n"}, "space in the method": {Method: "GET /x"}, "in the target": {RawTarget: "/\r\n"}, "in the host": {Host: "a\r\nb"},
		} {
			if _, err := target.Do(ctx, r); err == nil {
				t.Errorf("%s: was sent", name)
			}
		}
	})
}

// TestConnectionsStayApart sees to it that no connection carries both the genuine
// token and anything else.
func TestConnectionsStayApart(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	kinds := map[string]map[bool]bool{} // by connection: with the genuine token or not
	a := &api{}
	a.extra = func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if kinds[r.RemoteAddr] == nil {
			kinds[r.RemoteAddr] = map[bool]bool{}
		}
		kinds[r.RemoteAddr][signed(bearer(r))] = true
		return false
	}
	c, _ := a.start(t)
	look(t, c, func(ctx context.Context, target *scan.Target) {
		for range 5 {
			target.Accepted(ctx, target.Protected()[0], mint("forged", nil))
		}
	})
	if len(kinds) < 2 {
		t.Errorf("got %d connections", len(kinds))
	}
	for addr, k := range kinds {
		if len(k) > 1 {
			t.Errorf("connection %s carried the genuine token and other requests", addr)
		}
	}
	if n := a.count.Load(); int(n) < 3*len(kinds) {
		t.Errorf("got %d connections for %d requests, want them reused", len(kinds), n)
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	pack := func(encoding string) []byte {
		var b bytes.Buffer
		var w io.WriteCloser
		if encoding == "gzip" {
			w = gzip.NewWriter(&b)
		} else {
			w = zlib.NewWriter(&b)
		}
		io.WriteString(w, `{"hello":"world"}`)
		w.Close()
		return b.Bytes()
	}
	a := &api{extra: func(w http.ResponseWriter, r *http.Request) bool {
		encoding := strings.TrimPrefix(r.URL.Path, "/as/")
		if encoding == r.URL.Path {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", encoding)
		w.Write(pack(encoding))
		return true
	}}
	c, _ := a.start(t)
	look(t, c, func(ctx context.Context, target *scan.Target) {
		for _, encoding := range []string{"gzip", "deflate"} {
			r, err := target.Do(ctx, scan.Request{Path: "/as/" + encoding})
			if err != nil || string(r.Body) != `{"hello":"world"}` || r.Truncated || r.Class.Shape != "json .hello {}" {
				t.Errorf("%s: got %+v, %v", encoding, r, err)
			}
		}
		if r, err := target.Do(ctx, scan.Request{Method: "HEAD", Path: "/as/gzip"}); err != nil || r.Status != 200 || len(r.Body) != 0 {
			t.Errorf("HEAD: got %+v, %v", r, err)
		}
	})
}

func TestFollow(t *testing.T) {
	t.Parallel()
	a := &api{extra: func(w http.ResponseWriter, r *http.Request) bool {
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/hop/%d", &n); err == nil {
			http.Redirect(w, r, fmt.Sprintf("/hop%s", map[bool]string{true: fmt.Sprintf("/%d", n-1), false: "ped"}[n > 1]), http.StatusFound)
			return true
		}
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "http://other.test/", http.StatusFound)
			return true
		}
		return false
	}}
	c, _ := a.start(t)
	look(t, c, func(ctx context.Context, target *scan.Target) {
		for _, test := range []struct {
			path   string
			follow int
			status int
			end    string
		}{{"/hop/3", 0, 302, "/hop/3"}, {"/hop/3", 2, 302, "/hop/1"}, {"/hop/3", 9, 404, "/hopped"}, {"/away", 9, 302, "/away"}} {
			r, err := target.Do(ctx, scan.Request{Path: test.path, Follow: test.follow})
			if err != nil || r.Status != test.status || !strings.HasSuffix(r.URL, test.end) {
				t.Errorf("%s, follow %d: got %+v, %v, want %d at %s", test.path, test.follow, r, err, test.status, test.end)
			}
		}
	})
}
