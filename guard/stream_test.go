package guard_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// endTokens makes every token of the fixture useless, and says when.
func (f *fixture) endTokens(how string) time.Time {
	f.t.Helper()
	switch how {
	case "expired":
		f.clock.advance(6 * time.Minute)
	case "revoked":
		if err := f.guard.Revoke(f.t.Context(), guard.Revocation{Subject: "alice"}); err != nil {
			f.t.Fatal(err)
		}
	default:
		f.t.Fatalf("tokens do not end by being %s", how)
	}
	return time.Now()
}

func serverPool(t testing.TB) *x509.CertPool {
	t.Helper()
	leaf, err := x509.ParseCertificate(serverCertificate(t).Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return pool
}

// patientStreams keeps streams from being cut because nothing moves: the
// fixture's clock jumps.
func patientStreams(c *guard.Config) { c.Limits.IdleStream = time.Hour }

func waitFor(t testing.TB, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
	}
}

// events is a service of server-sent events that sends what it is told to.
func events(next <-chan string, gone chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case e := <-next:
				_, _ = fmt.Fprintf(w, "data: %s\n\n", e)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}
}

// TestEventsArriveOneByOne waits for each event before the next is made, also
// for the header before the first one. An error that streams is no different.
func TestEventsArriveOneByOne(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "POST"} {
		for proto, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
			t.Run(method+" "+proto, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, nil)
				next, gone := make(chan string), make(chan struct{})
				f.upstream.streams(events(next, gone))
				client := map[bool]*http.Client{false: f.h1, true: f.h2}[h2]
				body := map[string]string{"POST": "x"}[method]
				res, err := client.Do(f.request("https", method, "/events", body, "Authorization", f.bearer()))
				if err != nil {
					t.Fatal(err)
				}
				in := bufio.NewReader(res.Body)
				for i := range 5 {
					next <- fmt.Sprint(i)
					if line, err := in.ReadString('\n'); line != fmt.Sprintf("data: %d\n", i) {
						t.Fatalf("got %q, %v", line, err)
					}
					_, _ = in.ReadString('\n')
				}
				res.Body.Close()
				waitFor(t, "the upstream to hear that the client went away", gone)
			})
		}
	}
}

func TestEventsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"expired", "revoked"} {
		for _, method := range []string{"GET", "POST"} {
			for proto, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
				t.Run(end+" "+method+" "+proto, func(t *testing.T) {
					t.Parallel()
					f := newFixture(t, patientStreams)
					next, gone := make(chan string), make(chan struct{})
					f.upstream.streams(events(next, gone))
					client := map[bool]*http.Client{false: f.h1, true: f.h2}[h2]
					res, err := client.Do(f.request("https", method, "/events", map[string]string{"POST": "x"}[method], "Authorization", f.bearer()))
					if err != nil {
						t.Fatal(err)
					}
					defer res.Body.Close()
					next <- "one"
					if line, err := bufio.NewReader(res.Body).ReadString('\n'); line != "data: one\n" {
						t.Fatalf("got %q, %v", line, err)
					}
					begin := f.endTokens(end)
					_, err = io.Copy(io.Discard, res.Body)
					if took := time.Since(begin); err == nil || took > patience/2 {
						t.Errorf("got %v after %v, want a cut within 1 s, not a clean end", err, took)
					}
					waitFor(t, "the upstream's end", gone)
					eventually(t, "the record", func() bool { return strings.Contains(f.log.String(), `"decision":"cut"`) })
				})
			}
		}
	}
}

// TestStalledReadersAreCutToo is a client that does not read, so that the guard
// waits for it and not for the upstream when the token ends.
func TestStalledReadersAreCutToo(t *testing.T) {
	t.Parallel()
	for proto, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, patientStreams)
			gone := make(chan struct{})
			var sent int
			f.upstream.streams(func(w http.ResponseWriter, _ *http.Request) {
				defer close(gone)
				for {
					n, err := w.Write(make([]byte, 64<<10))
					sent += n
					if err != nil {
						return
					}
				}
			})
			client := map[bool]*http.Client{false: f.h1, true: f.h2}[h2]
			res, err := client.Do(f.request("https", "GET", "/x", "", "Authorization", f.bearer()))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			begin := f.endTokens("expired")
			waitFor(t, "the upstream's end", gone)
			if took := time.Since(begin); took > patience/2 {
				t.Errorf("got %v until the cut, want 1 s at most", took)
			}
			eventually(t, "the record", func() bool { return strings.Contains(f.log.String(), `"decision":"cut"`) })
		})
	}
}

// TestDownloadsMayFinish is an answer whose length was announced: it goes on
// after its token has ended.
func TestDownloadsMayFinish(t *testing.T) {
	t.Parallel()
	for proto, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, patientStreams)
			next := make(chan struct{})
			f.upstream.streams(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "200000")
				_, _ = w.Write(make([]byte, 100000))
				_ = http.NewResponseController(w).Flush()
				<-next
				_, _ = w.Write(make([]byte, 100000))
			})
			client := map[bool]*http.Client{false: f.h1, true: f.h2}[h2]
			res, err := client.Do(f.request("https", "GET", "/x", "", "Authorization", f.bearer()))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			f.endTokens("expired")
			expired := f.get("/x", "Authorization", "Bearer "+f.mint(map[string]any{"exp": f.clock.now().Add(-time.Second).Unix()}))
			if expired.status != 401 {
				t.Fatalf("got %v for an expired token", expired)
			}
			time.AfterFunc(time.Second, func() { close(next) }) // five sweeps later
			if n, err := io.Copy(io.Discard, res.Body); n != 200000 || err != nil {
				t.Errorf("got %d bytes, %v; want all 200000", n, err)
			}
		})
	}
}

// TestIdleStreamsAreCut moves the clock past the bound on silence.
func TestIdleStreamsAreCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		serve func(w http.ResponseWriter, r *http.Request)
	}{
		{"events", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/event-stream") }},
		{"download that stalls", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(make([]byte, 50000))
		}},
		{"chunks that stall", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "part") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *guard.Config) { c.Limits.IdleStream = time.Minute })
			gone := make(chan struct{})
			f.upstream.streams(func(w http.ResponseWriter, r *http.Request) {
				defer close(gone)
				c.serve(w, r)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
			res, err := f.h1.Do(f.request("https", "GET", "/x", "", "Authorization", f.longBearer()))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			defer f.passing(2 * time.Minute)() // what was still on its way counts as moved
			if _, err := io.Copy(io.Discard, res.Body); err == nil {
				t.Error("got a clean end, want a cut")
			}
			waitFor(t, "the upstream's end", gone)
			eventually(t, "the record", func() bool { return strings.Contains(f.log.String(), "nothing has moved for 1m0s") })
		})
	}
	t.Run("WebSocket", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, func(c *guard.Config) { c.Limits.IdleStream = time.Minute })
		f.upstream.streams(echo)
		c := f.websocket()
		defer f.passing(2 * time.Minute)()
		if _, _, err := c.Read(t.Context()); err == nil {
			t.Error("got a message, want a cut")
		}
	})
}

// TestStalledUploadIsCut is a client that stops in the middle of its body. The
// upstream waits for it, if it has heard of it, and so does nobody for ever.
func TestStalledUploadIsCut(t *testing.T) {
	t.Parallel()
	for _, length := range []int{1000, 100_000} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *guard.Config) { c.Limits.IdleStream = time.Minute })
			var begun atomic.Bool
			f.upstream.streams(func(_ http.ResponseWriter, r *http.Request) {
				begun.Store(true)
				_, _ = io.Copy(io.Discard, r.Body)
			})
			_, in := f.dialRaw(fmt.Sprintf("POST /x HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\npart", testHost, f.longBearer(), length))
			if length > 16<<10 {
				eventually(t, "the upload", begun.Load)
			}
			defer f.passing(2 * time.Minute)()
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.StatusCode != 504 || !res.Close {
				t.Errorf("got %v, %v; want 504 and the connection's end", res, err)
			}
			if small := length <= 16<<10; small && begun.Load() {
				t.Error("the upstream has heard of half an upload")
			}
		})
	}
}

// TestClientsThatGoAway cancels the upstream's request, whatever it is at.
func TestClientsThatGoAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		serve      func(w http.ResponseWriter)
	}{
		{"before the header, GET", "", func(http.ResponseWriter) {}},
		{"before the header, POST", "x", func(http.ResponseWriter) {}},
		{"within a body, GET", "", func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); w.WriteHeader(200) }},
		{"within a stream, POST", "x", func(w http.ResponseWriter) { w.WriteHeader(200) }},
	} {
		for proto, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
			t.Run(c.name+" "+proto, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, nil)
				arrived, gone := make(chan struct{}), make(chan struct{})
				f.upstream.streams(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					c.serve(w)
					_ = http.NewResponseController(w).Flush()
					close(arrived)
					<-r.Context().Done()
					close(gone)
				})
				ctx, leave := context.WithCancel(t.Context())
				client := map[bool]*http.Client{false: f.h1, true: f.h2}[h2]
				method := map[bool]string{true: "GET", false: "POST"}[c.body == ""]
				r := f.request("https", method, "/x", c.body, "Authorization", f.bearer()).WithContext(ctx)
				var all sync.WaitGroup
				all.Go(func() {
					if res, err := client.Do(r); err == nil {
						_, _ = io.Copy(io.Discard, res.Body)
						res.Body.Close()
					}
				})
				waitFor(t, "the request", arrived)
				leave()
				all.Wait()
				waitFor(t, "the upstream to hear of it", gone)
			})
		}
	}
}

// TestCloseCutsStreams ends the guard under a stream.
func TestCloseCutsStreams(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	next, gone := make(chan string), make(chan struct{})
	f.upstream.streams(events(next, gone))
	res, err := f.h1.Do(f.request("https", "GET", "/events", "", "Authorization", f.bearer()))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := f.guard.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Error("got a clean end")
	}
	waitFor(t, "the upstream's end", gone)
}
