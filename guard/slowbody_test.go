package guard_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// TestBodiesHaveAPace drips bodies, each byte in time for the bound on silence.
func TestBodiesHaveAPace(t *testing.T) {
	t.Parallel()
	public := "POST /public HTTP/1.1\r\nHost: " + testHost + "\r\n"
	for _, c := range []struct {
		name, head, body string
		upload           bool // goes on while it comes
		want             int
	}{
		{"short, public", public + "Content-Length: 1000\r\n\r\n", "part", false, 408},
		{"long, public", public + "Content-Length: 100000\r\n\r\n", "part", true, 408},
		{"chunks, public", public + "Transfer-Encoding: chunked\r\n\r\n", "4\r\npart\r\n", true, 408},
		{"short, with a token", "POST /x HTTP/1.1\r\nHost: " + testHost + "\r\nAuthorization: TOKEN\r\nContent-Length: 1000\r\n\r\n", "part", false, 408},
		{"long, with a token", "POST /x HTTP/1.1\r\nHost: " + testHost + "\r\nAuthorization: TOKEN\r\nContent-Length: 100000\r\n\r\n", "part", true, 408},
		{"slow but steady", public + "Content-Length: 100000\r\n\r\n", strings.Repeat("p", 50_000), true, 200},
		{"a stream with a token", "POST /x HTTP/1.1\r\nHost: " + testHost + "\r\nAuthorization: TOKEN\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\npart\r\n", true, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *guard.Config) {
				c.Routes = []guard.Route{{Path: "/public", Public: true}}
				c.Limits.IdleStream = time.Hour
			})
			arrived := make(chan struct{}, 1)
			f.upstream.streams(func(w http.ResponseWriter, r *http.Request) {
				part := make([]byte, 4)
				if c.want == 200 && r.ContentLength > 0 { // as much as earns the time
					part = make([]byte, len(c.body))
				}
				_, _ = io.ReadFull(r.Body, part)
				arrived <- struct{}{}
				_, err := io.Copy(io.Discard, r.Body)
				fmt.Fprint(w, err)
			})
			conn, in := f.dialRaw(strings.ReplaceAll(c.head, "TOKEN", f.longBearer()) + c.body)
			if c.upload {
				waitFor(t, "the upload", arrived)
			}
			if c.want == 200 {
				f.clock.advance(2 * time.Minute)
				time.AfterFunc(time.Second, func() { // five looks later
					rest := strings.Repeat("p", 50_000)
					if strings.Contains(c.head, "chunked") {
						rest = "0\r\n\r\n"
					}
					_, _ = io.WriteString(conn, rest)
				})
			} else {
				defer f.passing(90 * time.Second)()
			}
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.StatusCode != c.want || c.want == 408 && !res.Close {
				t.Fatalf("got %v, %v; want %d", res, err, c.want)
			}
			defer res.Body.Close()
			if c.want == 408 {
				eventually(t, "the record", func() bool { return strings.Contains(f.log.String(), "request body comes too slowly") })
			} else if body, err := io.ReadAll(res.Body); string(body) != "<nil>" || err != nil {
				t.Errorf("the upstream's read: %q, %v", body, err)
			}
		})
	}
}

// longBearer is the value of Authorization with a token that outlives passing.
func (f *fixture) longBearer() string {
	return "Bearer " + f.mint(map[string]any{"exp": f.clock.now().Add(50 * time.Minute).Unix()})
}

// passing lets time go by in steps, one each second, until the function that it
// returns is called. When the guard begins to wait is not known to a test.
func (f *fixture) passing(step time.Duration) (stop func()) {
	stopped, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for range patience / time.Second {
			f.clock.advance(step)
			select {
			case <-stopped:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(stopped); <-over }
}

// TestBodiesHaveAPaceOverHTTP2 leaves a stream open in the middle of a body.
func TestBodiesHaveAPaceOverHTTP2(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Routes = []guard.Route{{Path: "/public", Public: true}}
		c.Limits.IdleStream = time.Hour
	})
	f.upstream.streams(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	for _, length := range []int64{-1, 1000, 100_000} {
		body, w := io.Pipe()
		r := f.request("https", "POST", "/public", "")
		r.Body, r.ContentLength = body, length
		written := make(chan struct{})
		go func() { defer close(written); _, _ = io.WriteString(w, "part") }()
		stop := f.passing(90 * time.Second)
		res, err := f.h2.Do(r)
		stop()
		_ = w.Close()
		<-written
		if err != nil {
			t.Errorf("length %d: %v", length, err)
			continue
		}
		if got := readReply(t, res); got.status != 408 || got.problem().Status != 408 {
			t.Errorf("length %d: got %v, want 408", length, got)
		}
	}
}
