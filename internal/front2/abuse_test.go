package front2_test

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	"github.com/wiretight/wiretight/internal/front2"
)

// TestAnswersDoNotPileUp asks without end for answers that no window holds
// back, and reads none of them.
func TestAnswersDoNotPileUp(t *testing.T) {
	t.Parallel()
	const size = 1200 // of an answer, as it is compressed
	for name, answer := range map[string]http.HandlerFunc{
		"no body": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Etag", strings.Repeat("e", 2000)) },
		"early hints": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", strings.Repeat("l", 2000))
			w.WriteHeader(http.StatusEarlyHints)
		},
		"trailer": func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.Header().Set(http.TrailerPrefix+"Etag", strings.Repeat("e", 2000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var made atomic.Int64
				near, ended, _ := piped(t, reusing(func(w http.ResponseWriter, r *http.Request) {
					answer(w, r)
					made.Add(size)
				}))
				p := greet(t, near)
				for i := range 4000 {
					if p.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: p.block(usual("HEAD", "/")...), EndStream: true, EndHeaders: true}) != nil {
						break // the server has hung up
					}
					synctest.Wait() // no faster than it answers
				}
				_ = near.Close()
				<-ended
				// 64 KiB may wait, and 250 streams have one each.
				if n := made.Load(); n > 1<<20 {
					t.Errorf("the server has made %d KiB of answers for a client that reads none", n>>10)
				}
			})
		})
	}
}

// TestDribble opens a window by a byte at a time, for which the server would
// have to send a frame each (CVE-2019-9511).
func TestDribble(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]uint32{"connection": 0, "stream": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, ended, _ := piped(t, reusing(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }))
				defer func() { _ = near.Close(); <-ended }()
				p := greet(t, near)
				first, left := uint32(1<<20), 65535 // what comes before the first update
				if stream != 0 {
					first, left = 0, 0
				}
				p.must(p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: first}))
				said := p.says()
				p.ask(1, true, usual("GET", "/")...)
				for left > 0 {
					left -= (<-said).data
				}
				for range 12_000 {
					p.must(p.WriteWindowUpdate(stream, 1))
					if got := <-said; got.data == 0 {
						if got.goAway != http2.ErrCodeEnhanceYourCalm {
							t.Errorf("got %v", got.goAway)
						}
						return
					}
				}
				t.Error("the server goes on")
			})
		})
	}
}

// saying is DATA or a GOAWAY.
type saying struct {
	data   int
	goAway http2.ErrCode
}

// says reads what the server sends, so that it never waits for a client that is
// writing.
func (p *peer) says() <-chan saying {
	all := make(chan saying, 12_000)
	go func() {
		for {
			f, err := p.ReadFrame()
			if err != nil {
				close(all)
				return
			}
			switch f := f.(type) {
			case *http2.DataFrame:
				all <- saying{data: len(f.Data())}
			case *http2.GoAwayFrame:
				all <- saying{goAway: f.ErrCode}
			}
		}
	}()
	return all
}

// TestSettingsAreFew repeats a setting in one frame, each of which would change
// the windows of all streams.
func TestSettingsAreFew(t *testing.T) {
	t.Parallel()
	p, _ := frames(t, reusing(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), nil)
	settings := func(n int) []byte {
		var payload []byte
		for i := range n {
			payload = binary.BigEndian.AppendUint16(payload, uint16(http2.SettingInitialWindowSize))
			payload = binary.BigEndian.AppendUint32(payload, uint32(1000+i%2))
		}
		return payload
	}
	p.must(p.WriteRawFrame(http2.FrameSettings, 0, 0, settings(20)))
	p.alive()
	p.must(p.WriteRawFrame(http2.FrameSettings, 0, 0, settings(2730)))
	if got := p.until(0); got.what != "goaway" || got.goAway != http2.ErrCodeEnhanceYourCalm {
		t.Errorf("got %+v, want ENHANCE_YOUR_CALM", got)
	}
}

// TestCrumbsOfCookies sends a cookie in as many parts as a header can have. It
// runs alone, since it counts what is allocated.
func TestCrumbsOfCookies(t *testing.T) {
	const crumbs, length = 800, 40
	var fields []string
	for i := range crumbs {
		fields = append(fields, "cookie", fmt.Sprintf("%0*d", length-1, i%10)+"=")
	}
	got := make(chan string, 1)
	p, _ := frames(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Cookie") }), nil)
	p.ask(1, true, usual("GET", "/", fields...)...)
	if c := <-got; len(c) != crumbs*(length+2)-2 || strings.Count(c, "; ") != crumbs-1 {
		t.Errorf("got a cookie of %d bytes, want the whole", len(c))
	}
	p.until(1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const requests = 20
	for i := range requests {
		id := uint32(2*i + 3)
		p.ask(id, true, usual("GET", "/", fields...)...)
		<-got
		p.until(id)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / requests; each > 2<<20 { // the client's part is in it
		t.Errorf("got %d KiB allocated for a request, want not much more than its %d", each>>10, crumbs*length>>10)
	}
}

// TestMalformedRequestsAreTold looks for the one who keeps the log.
func TestMalformedRequestsAreTold(t *testing.T) {
	t.Parallel()
	type told struct {
		status         int
		reason, remote string
		proto          int
	}
	all := make(chan told, 10)
	p, _ := frames(t, reusing(describe), func(c *front2.Config) {
		c.Refuse = func(w http.ResponseWriter, r *http.Request, status int, reason string) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(status)
			_, _ = w.Write([]byte("no"))
			all <- told{status, reason, r.RemoteAddr, r.ProtoMajor}
		}
	})
	for i, fields := range [][]string{
		usual("GET", "/", "X-A", "b"),
		usual("GET", "/", "connection", "close"),
		usual("GET", "/", "x-a", "b\r\nx-b: c"),
		{":method", "GET", ":scheme", "https", ":authority", "a"},
		usual("GET", "/", "content-length", "+1"),
	} {
		id := uint32(2*i + 1)
		p.ask(id, true, fields...)
		if got := p.until(id); got.what != "reset" || got.fields != nil {
			t.Errorf("%q: got %+v, want a reset and nothing else", fields, got)
		}
		p.alive() // told before anything else is read
		select {
		case got := <-all:
			if got.status != 400 || got.reason == "" || got.remote != p.conn.LocalAddr().String() || got.proto != 2 {
				t.Errorf("%q: got %+v", fields, got)
			}
		default:
			t.Errorf("%q: nobody was told", fields)
		}
	}
	p.must(p.WriteContinuation(99, true, nil))
	if got := p.until(0); got.what != "goaway" {
		t.Errorf("got %+v, want GOAWAY", got)
	}
	if got := <-all; got.status != 400 || got.reason == "" {
		t.Errorf("got %+v for a connection that breaks the protocol", got)
	}
}
