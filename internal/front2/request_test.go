package front2_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"

	"github.com/wiretight/wiretight/internal/front2"
)

// describe tells the client how its request was understood.
func describe(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %d %q %q %q %v %d %x\n", r.Method, r.RequestURI, r.Host, r.ContentLength, r.URL.Path, r.URL.RawQuery, r.Proto, err, len(body), body[:min(20, len(body))])
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(w, "%s: %q\n", name, r.Header[name])
	}
	fmt.Fprintf(w, "TLS %v, at %v\n", r.TLS != nil, r.Context().Value(http.LocalAddrContextKey) != nil)
}

// TestRequestsAreUnderstoodAlike sends requests with net/http's client to our
// server and to net/http's.
func TestRequestsAreUnderstoodAlike(t *testing.T) {
	t.Parallel()
	ours, theirs := servers(t, reusing(describe))
	for _, c := range []struct {
		method, target string
		body           io.Reader
		header         http.Header
	}{
		{"GET", "/", nil, nil},
		{"GET", "/a/b.c?d=e&f;g", nil, nil},
		{"GET", "/a%20b/%2f?x=%zz", nil, nil},
		{"HEAD", "/x", nil, nil},
		{"OPTIONS", "/x", nil, http.Header{"Origin": {"https://a.test"}}},
		{"DELETE", "/x", nil, http.Header{"Cookie": {"a=1", "b=2"}, "X-A": {"1", "2"}, "X-Odd-Name_1": {""}}},
		{"POST", "/x", strings.NewReader("hello"), nil},
		{"POST", "/x", strings.NewReader(""), nil},
		{"POST", "/chunked", io.MultiReader(strings.NewReader("hel"), strings.NewReader("lo")), nil},
		{"PUT", "/large", bytes.NewReader(make([]byte, 3<<20)), nil},
		{"PUT", "/large", io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), strings.NewReader("end")), nil},
		{"PATCH", "/x", strings.NewReader("x"), http.Header{"Te": {"trailers"}, "Authorization": {"Bearer " + strings.Repeat("x", 5000)}}},
		{"GET", "/many", nil, http.Header{"X-Long": {strings.Repeat("y", 30<<10)}}},
	} {
		got := [2]string{}
		var body []byte
		if c.body != nil {
			body, _ = io.ReadAll(c.body)
		}
		for i, s := range []string{ours.URL, theirs.URL} {
			r, err := http.NewRequestWithContext(t.Context(), c.method, s+c.target, nil)
			if err != nil {
				r, _ = http.NewRequestWithContext(t.Context(), c.method, s, nil)
				r.URL.Opaque = c.target
			}
			r.Host = "api.test"
			if c.body != nil {
				r.Body = io.NopCloser(bytes.NewReader(body))
				if _, plain := c.body.(interface{ Len() int }); plain {
					r.ContentLength = int64(len(body))
				} else {
					r.ContentLength = -1
				}
			}
			maps.Copy(r.Header, c.header)
			res, err := []*http.Client{ours.Client(), theirs.Client()}[i].Do(r)
			if err != nil {
				t.Fatalf("%s %s: %v", c.method, c.target, err)
			}
			all, err := io.ReadAll(res.Body)
			res.Body.Close()
			res.Header.Del("Date")
			got[i] = fmt.Sprint(res.StatusCode, res.Header, string(all), err)
		}
		if diff := cmp.Diff(got[1], got[0]); diff != "" {
			t.Errorf("%s %s (-net/http +ours):\n%s", c.method, c.target, diff)
		}
	}
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	p, _ := frames(t, reusing(describe), nil)
	id := uint32(1)
	for _, c := range []struct {
		name   string
		end    bool
		fields []string
	}{
		{"upper-case name", true, usual("GET", "/", "X-A", "b")},
		{"space in a name", true, usual("GET", "/", "x a", "b")},
		{"empty name", true, usual("GET", "/", "", "b")},
		{"colon in a name", true, usual("GET", "/", "x:a", "b")},
		{"name of Latin 1", true, usual("GET", "/", "x\xe9", "b")},
		{"CR LF in a value", true, usual("GET", "/", "x-a", "b\r\nx-b: c")},
		{"LF in a value", true, usual("GET", "/", "x-a", "b\nc")},
		{"NUL in a value", true, usual("GET", "/", "x-a", "b\x00c")},
		{"connection", true, usual("GET", "/", "connection", "close")},
		{"transfer-encoding", true, usual("GET", "/", "transfer-encoding", "chunked")},
		{"keep-alive", true, usual("GET", "/", "keep-alive", "1")},
		{"proxy-connection", true, usual("GET", "/", "proxy-connection", "close")},
		{"upgrade", true, usual("GET", "/", "upgrade", "websocket")},
		{"te of more", true, usual("GET", "/", "te", "trailers, gzip")},
		{"pseudo after regular", true, append(usual("GET", "/", "x-a", "b"), ":authority", "x")},
		{"unknown pseudo", true, usual("GET", "/", ":x", "y")},
		{"status", true, usual("GET", "/", ":status", "200")},
		{"protocol", true, usual("CONNECT", "/", ":protocol", "websocket")},
		{"two methods", true, usual("GET", "/", ":method", "POST")},
		{"two authorities", true, usual("GET", "/", ":authority", "evil.test")},
		{"no method", true, []string{":scheme", "https", ":path", "/", ":authority", "a"}},
		{"no path", true, []string{":method", "GET", ":scheme", "https", ":authority", "a"}},
		{"empty path", true, []string{":method", "GET", ":scheme", "https", ":path", "", ":authority", "a"}},
		{"no scheme", true, []string{":method", "GET", ":path", "/", ":authority", "a"}},
		{"odd scheme", true, []string{":method", "GET", ":scheme", "ftp", ":path", "/", ":authority", "a"}},
		{"method with a space", true, usual("GET /x", "/")},
		{"path with LF", true, usual("GET", "/a\nb")},
		{"path without a slash", true, usual("GET", "a")},
		{"path with a space", true, usual("GET", "/a\x7fb")},
		{"user in the authority", true, []string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a@b"}},
		{"CONNECT with a path", true, usual("CONNECT", "/")},
		{"two lengths", false, usual("POST", "/", "content-length", "1", "content-length", "1")},
		{"length with a sign", false, usual("POST", "/", "content-length", "+1")},
		{"length of a list", false, usual("POST", "/", "content-length", "1, 1")},
		{"length without a body", true, usual("POST", "/", "content-length", "1")},
	} {
		p.ask(id, c.end, c.fields...)
		if got := p.until(id); got.what != "reset" || got.reset != http2.ErrCodeProtocol {
			t.Errorf("%s: got %+v, want PROTOCOL_ERROR", c.name, got)
		}
		id += 2
	}
	p.ask(id, true, usual("GET", "/", "cookie", "a=1", "cookie", "b=2", "x-a", " 1", "x-a", "2\t")...)
	if got := p.until(id); !strings.Contains(got.body, `Cookie: ["a=1; b=2"]`) || !strings.Contains(got.body, `X-A: ["1" "2"]`) {
		t.Errorf("afterwards: got %+v, want the connection to go on", got)
	}
}

// TestLengthsOfBodies holds DATA to the announced length (RFC 9113 §8.1.1).
func TestLengthsOfBodies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		length  string
		data    []string
		trailer bool
		want    string
	}{
		{"as announced", "5", []string{"he", "llo"}, false, "answer"},
		{"as announced, then nothing", "5", []string{"hello", ""}, false, "answer"},
		{"as announced, and a trailer", "5", []string{"hello"}, true, "answer"},
		{"too short", "5", []string{"hell"}, false, "reset"},
		{"too short, and a trailer", "5", []string{"hell"}, true, "reset"},
		{"too long", "5", []string{"hello!"}, false, "reset"},
		{"too long in two", "5", []string{"hello", "!"}, false, "reset"},
		{"nothing announced", "0", []string{"!"}, false, "reset"},
	} {
		p, _ := frames(t, reusing(describe), nil)
		p.ask(1, false, usual("POST", "/", "content-length", c.length)...)
		for i, d := range c.data {
			p.must(p.WriteDataPadded(1, !c.trailer && i == len(c.data)-1, []byte(d), make([]byte, 3*i)))
		}
		if c.trailer {
			p.ask(1, true, "x-sum", "1")
		}
		if got := p.until(1); got.what != c.want || got.what == "reset" && got.reset != http2.ErrCodeProtocol {
			t.Errorf("%s: got %+v, want %s", c.name, got, c.want)
		}
		p.alive()
	}
}

func TestTrailersOfRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		end    bool
		fields []string
		want   string
	}{
		{"good", true, []string{"x-a", "b"}, "answer"},
		{"not the end", false, []string{"x-a", "b"}, "reset"},
		{"pseudo", true, []string{":path", "/"}, "reset"},
		{"upper case", true, []string{"X-A", "b"}, "reset"},
	} {
		p, _ := frames(t, reusing(describe), nil)
		p.ask(1, false, usual("POST", "/", "trailer", "x-a")...)
		p.must(p.WriteData(1, false, []byte("hello")))
		p.ask(1, c.end, c.fields...)
		got := p.until(1)
		if got.what != c.want || strings.Contains(got.body, "X-A") || strings.Contains(got.body, "Trailer") {
			t.Errorf("%s: got %+v, want %s and no trace of the trailer", c.name, got, c.want)
		}
	}
}

func TestLargeHeaders(t *testing.T) {
	t.Parallel()
	p, _ := frames(t, reusing(describe), func(c *front2.Config) { c.MaxHeader = 4 << 10 })
	for i, c := range []struct {
		size   int
		status string
	}{{3 << 10, "200"}, {4 << 10, "431"}, {7 << 10, "431"}, {100, "200"}} {
		id := uint32(2*i + 1)
		p.ask(id, true, usual("GET", "/", "x-a", strings.Repeat("a", c.size))...)
		if got := p.until(id); got.fields[":status"] != c.status {
			t.Errorf("%d bytes: got %+v, want %s", c.size, got, c.status)
		}
	}
	p.alive()
}

// TestReuseMixesNothing sends many requests at once on connections whose
// handlers leave request and writer to each other.
func TestReuseMixesNothing(t *testing.T) {
	t.Parallel()
	ours, _ := servers(t, reusing(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Back", r.Header.Get("X-There"))
		fmt.Fprintf(w, "%s %s %s", r.URL.RawQuery, r.Header.Get("X-There"), body)
	}))
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 40 {
				own := fmt.Sprintf("%d-%d", i, j)
				r, _ := http.NewRequestWithContext(t.Context(), "POST", ours.URL+"/?"+own, strings.NewReader(strings.Repeat(own, j)))
				r.Header.Set("X-There", own)
				res, err := ours.Client().Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(res.Body)
				res.Body.Close()
				if want := own + " " + own + " " + strings.Repeat(own, j); err != nil || string(got) != want || res.Header.Get("X-Back") != own {
					t.Errorf("got %.60q %v, %v; want %.60q", got, res.Header, err, want)
				}
			}
		})
	}
	all.Wait()
}

// TestLateReaders reads a body when its handler has returned, as a transport
// does that got an early answer. It must end, and see nothing of another request.
func TestLateReaders(t *testing.T) {
	t.Parallel()
	late := make(chan error, 100)
	p, _ := frames(t, reusing(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/late" {
			_, _ = io.Copy(w, r.Body)
			return
		}
		reads := make(chan struct{})
		body := r.Body
		go func() {
			close(reads)
			_, err := body.Read(make([]byte, 10))
			_, again := body.Read(make([]byte, 10))
			_ = body.Close()
			late <- errors.Join(err, again)
		}()
		<-reads
	}), nil)
	for i := range 50 {
		id := uint32(4*i + 1)
		p.ask(id, false, usual("POST", "/late")...)
		p.ask(id+2, false, usual("POST", "/echo")...)
		p.must(p.WriteData(id+2, true, []byte("secret")))
		if got := p.until(id + 2); got.body != "secret" {
			t.Fatalf("got %+v, want the own body", got)
		}
		if err := <-late; !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Fatalf("got %v, want the end of reading", err)
		}
	}
	p.alive()
}
