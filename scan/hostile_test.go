package scan_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/port"
	"github.com/wiretight/wiretight/scan"
)

// raw serves connections by hand.
func raw(t *testing.T, handle func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return l.Addr().String()
}

// asked reads one request's header, so that nothing is reset under the answer.
func asked(c net.Conn) bool {
	var b []byte
	one := make([]byte, 4096)
	for !bytes.Contains(b, []byte("\r\n\r\n")) {
		n, err := c.Read(one)
		if err != nil {
			return false
		}
		b = append(b, one[:n]...)
	}
	return true
}

// bomb is 512 MiB of nothing, in half a MiB: one member of a gzip file, many times.
func bomb() []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(make([]byte, 1<<20))
	w.Close()
	return bytes.Repeat(b.Bytes(), 512)
}

func TestHostileTargets(t *testing.T) {
	endless := func(c net.Conn, chunk string) {
		for {
			if _, err := io.WriteString(c, chunk); err != nil {
				return
			}
		}
	}
	zipped := bomb()
	tests := []struct {
		name   string
		scheme string
		handle func(c net.Conn)
		// reached says that answers come, however bad.
		reached bool
	}{
		{"endless body", "http", func(c net.Conn) {
			asked(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
			endless(c, strings.Repeat("x", 64<<10))
		}, true},
		{"endless JSON", "http", func(c net.Conn) {
			asked(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
			endless(c, strings.Repeat("{},", 20<<10))
		}, true},
		{"deep JSON", "http", func(c net.Conn) {
			asked(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"+strings.Repeat("[", 900<<10))
		}, true},
		{"endless chunk extension", "http", func(c net.Conn) {
			asked(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
			endless(c, strings.Repeat("e", 64<<10))
		}, true},
		{"one byte chunks", "http", func(c net.Conn) {
			asked(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			endless(c, strings.Repeat("1\r\nx\r\n", 4<<10))
		}, true},
		{"inflation bomb", "http", func(c net.Conn) {
			asked(c)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(zipped))
			c.Write(zipped)
		}, true},
		{"redirect loop", "http", func(c net.Conn) {
			for asked(c) {
				io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
			}
		}, true},
		{"endless header", "http", func(c net.Conn) {
			asked(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			endless(c, strings.Repeat("X-More: and more\r\n", 1000))
		}, false},
		{"one endless line", "http", func(c net.Conn) {
			asked(c)
			endless(c, strings.Repeat("H", 64<<10))
		}, false},
		{"endless interim answers", "http", func(c net.Conn) {
			asked(c)
			endless(c, "HTTP/1.1 103 Early Hints\r\n\r\n")
		}, false},
		{"silence", "http", func(c net.Conn) { io.Copy(io.Discard, c) }, false},
		{"stalled handshake", "https", func(c net.Conn) { io.Copy(io.Discard, c) }, false},
		{"noise for a handshake", "https", func(c net.Conn) { endless(c, "noise") }, false},
		{"hangs up", "http", func(net.Conn) {}, false},
		{"not HTTP", "http", func(c net.Conn) { asked(c); io.WriteString(c, "220 mail.example ESMTP\r\n") }, false},
	}
	for _, test := range tests { // not side by side: memory is measured
		t.Run(test.name, func(t *testing.T) {
			addr := raw(t, test.handle)
			c := scan.Config{URL: test.scheme + "://" + addr, Timeout: 300 * time.Millisecond, MaxRequests: 25}
			if test.reached {
				c.Timeout = 10 * time.Second // a busy machine reads a MiB slowly; that is not the answer's fault
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began := time.Now()
			r := look(t, c, func(ctx context.Context, target *scan.Target) {
				for range 10 {
					if _, err := target.Do(ctx, scan.Request{Follow: 5}); err != nil && !errors.Is(err, scan.ErrBudget) {
						t.Errorf("got %v, want an answer", err)
					}
				}
			})
			runtime.ReadMemStats(&after)
			if got := r.Incomplete == "" || strings.Contains(r.Incomplete, "budget"); got != test.reached {
				t.Errorf("got incomplete %q, want reached %v", r.Incomplete, test.reached)
			}
			if !test.reached && (r.Score != nil || r.Grade != nil || len(r.Passed) > 0) {
				t.Errorf("got score %v, grade %v, passed %v of a target that is not there", r.Score, r.Grade, r.Passed)
			}
			if took := time.Since(began); took > 2*time.Minute {
				t.Errorf("took %v", took)
			}
			if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 100<<20 {
				t.Errorf("the heap grew by %d MiB, want under 100", grown>>20)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	closed := port.Keep(t)
	for _, url := range []string{"http://" + closed, "https://" + closed, "http://wt-no-such-name.invalid"} {
		r := look(t, scan.Config{URL: url, Timeout: 2 * time.Second}, func(context.Context, *scan.Target) {
			t.Errorf("%s: a check ran", url)
		})
		if !strings.Contains(r.Incomplete, "cannot be reached") || r.Score != nil || len(r.Inconclusive) != 1 {
			t.Errorf("%s: got incomplete %q, score %v, inconclusive %v", url, r.Incomplete, r.Score, r.Inconclusive)
		}
	}
}

// TestGone has a target that dies in the middle.
func TestGone(t *testing.T) {
	t.Parallel()
	a := &api{}
	c, s := a.start(t)
	r := within(t, c, func(ctx context.Context, target *scan.Target) scan.Verdict {
		s.CloseClientConnections()
		s.Close()
		var err error
		for range 10 {
			_, err = target.Do(ctx, scan.Request{})
		}
		if !errors.Is(err, scan.ErrGone) {
			t.Errorf("got %v, want ErrGone", err)
		}
		return scan.Unsure(err.Error())
	})
	if !strings.Contains(r.Incomplete, "stopped answering") || r.Grade != nil {
		t.Errorf("got incomplete %q, grade %v", r.Incomplete, r.Grade)
	}
}

func TestEventStreamEndsAtOnce(t *testing.T) {
	t.Parallel()
	a := &api{extra: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/events" {
			return false
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}}
	c, _ := a.start(t)
	c.Timeout = 30 * time.Second
	look(t, c, func(ctx context.Context, target *scan.Target) {
		began := time.Now()
		r, err := target.Do(ctx, scan.Request{Path: "/events"})
		if err != nil || r.Status != 200 || r.Class.Media != "text/event-stream" {
			t.Errorf("got %+v, %v", r, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %v, want no waiting for events", took)
		}
	})
}
