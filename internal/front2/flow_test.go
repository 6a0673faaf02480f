package front2_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestWindowsAreKept lets an answer of a million bytes through small windows.
func TestWindowsAreKept(t *testing.T) {
	t.Parallel()
	const size = 300_000
	p, _ := frames(t, reusing(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) }), nil)
	p.must(p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000}))
	p.alive() // it is in force
	stream, conn, got := 1000, 65535, 0
	p.ask(1, true, usual("GET", "/")...)
	for got < size {
		f, err := p.ReadFrame()
		p.must(err)
		d, ok := f.(*http2.DataFrame)
		if !ok {
			if r, ok := f.(*http2.RSTStreamFrame); ok {
				t.Fatalf("got %v", r)
			}
			continue
		}
		got += len(d.Data())
		stream -= len(d.Data())
		conn -= len(d.Data())
		if stream < 0 || conn < 0 {
			t.Fatalf("after %d bytes: windows of %d and %d", got, stream, conn)
		}
		if stream == 0 {
			stream += 7000
			p.must(p.WriteWindowUpdate(1, 7000))
		}
		if conn < 10_000 {
			conn += 50_000
			p.must(p.WriteWindowUpdate(0, 50_000))
		}
	}
	// Less than nothing: a window can shrink below what was sent.
	p.must(p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
	p.alive()
	p.ask(3, true, usual("GET", "/")...)
	p.must(p.WriteRSTStream(3, http2.ErrCodeCancel))
	p.alive()
}

// TestShrunkenWindows makes a window negative before an answer ends.
func TestShrunkenWindows(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]int{"no more": 0, "a trailer": -1, "more": 100} {
		release := make(chan struct{})
		p, _ := frames(t, reusing(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 500))
			w.(http.Flusher).Flush()
			<-release
			if more > 0 {
				_, _ = w.Write(make([]byte, more))
			} else if more < 0 {
				w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
			}
		}), nil)
		p.ask(1, true, usual("GET", "/")...)
		p.must(p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
		p.must(p.WritePing(false, [8]byte{}))
		for got := 0; got < 500; {
			f, err := p.ReadFrame()
			p.must(err)
			switch f := f.(type) {
			case *http2.HeadersFrame:
				_, err = p.in.DecodeFull(f.HeaderBlockFragment())
				p.must(err)
			case *http2.DataFrame:
				got += len(f.Data())
			case *http2.PingFrame:
				if got == 0 { // the settings were there first
					p.must(p.WriteWindowUpdate(1, 500))
				}
			}
		}
		close(release)
		if more > 0 {
			p.must(p.WriteWindowUpdate(1, 10_000))
		}
		if h := p.until(1); h.what != "answer" {
			t.Errorf("%s: got %+v, want the answer's end", name, h)
		}
	}
}

// TestUploadsAreHeldBack sends to a handler that does not read.
func TestUploadsAreHeldBack(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	p, _ := frames(t, reusing(func(w http.ResponseWriter, r *http.Request) {
		<-release
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	}), nil)
	p.ask(1, false, usual("POST", "/")...)
	const window = 256 << 10
	for range window / (16 << 10) {
		p.must(p.WriteData(1, false, make([]byte, 16<<10)))
	}
	p.alive() // no WINDOW_UPDATE for the stream is needed for that
	close(release)
	for {
		f, err := p.ReadFrame()
		p.must(err)
		if w, ok := f.(*http2.WindowUpdateFrame); ok && w.StreamID == 1 {
			break
		}
	}
	p.must(p.WriteData(1, true, make([]byte, 16<<10)))
	if got := p.until(1); got.body != fmt.Sprint(window+16<<10, nil) {
		t.Errorf("got %+v", got)
	}
}

// TestBrokenRules is what ends a connection, or a stream of it.
func TestBrokenRules(t *testing.T) {
	t.Parallel()
	open := func(p *peer) { p.ask(1, false, usual("POST", "/wait")...) }
	for _, c := range []struct {
		name   string
		do     func(p *peer)
		stream uint32 // 0: the connection ends
		code   http2.ErrCode
	}{
		{"more than a stream's window", func(p *peer) {
			open(p)
			for range 17 {
				_ = p.WriteData(1, false, make([]byte, 16<<10))
			}
		}, 1, http2.ErrCodeFlowControl},
		{"more than the connection's window", func(p *peer) {
			for id := uint32(1); id < 11; id += 2 {
				p.ask(id, false, usual("POST", "/wait")...)
				for range 16 {
					_ = p.WriteData(id, false, make([]byte, 16<<10))
				}
			}
		}, 0, http2.ErrCodeFlowControl},
		{"padding counts", func(p *peer) {
			open(p)
			for range 65 {
				_ = p.WriteDataPadded(1, false, make([]byte, 4000), make([]byte, 255))
			}
		}, 1, http2.ErrCodeFlowControl},
		{"window of a stream beyond all bounds", func(p *peer) { open(p); p.must(p.WriteWindowUpdate(1, 1<<31-1)) }, 1, http2.ErrCodeFlowControl},
		{"window beyond all bounds", func(p *peer) { p.must(p.WriteWindowUpdate(0, 1<<31-1)) }, 0, http2.ErrCodeFlowControl},
		{"settings of a window beyond all bounds", func(p *peer) {
			open(p)
			p.must(p.WriteWindowUpdate(1, 1<<30))
			_ = p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		}, 0, http2.ErrCodeFlowControl},
		{"update of nothing", func(p *peer) { open(p); _ = p.WriteRawFrame(http2.FrameWindowUpdate, 0, 1, make([]byte, 4)) }, 1, http2.ErrCodeProtocol},
		{"DATA on an idle stream", func(p *peer) { _ = p.WriteData(5, true, nil) }, 0, http2.ErrCodeProtocol},
		{"DATA after the end", func(p *peer) { p.ask(1, true, usual("POST", "/wait")...); _ = p.WriteData(1, true, nil) }, 1, http2.ErrCodeStreamClosed},
		{"padding as long as the frame", func(p *peer) {
			open(p)
			_ = p.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 1, []byte{3, 0, 0})
		}, 0, http2.ErrCodeProtocol},
		{"long frame", func(p *peer) { open(p); _ = p.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 1<<14+1)) }, 0, http2.ErrCodeFrameSize},
		{"push", func(p *peer) {
			_ = p.WriteRawFrame(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, 1, make([]byte, 8))
		}, 0, http2.ErrCodeProtocol},
		{"even stream", func(p *peer) { p.ask(2, true, usual("GET", "/")...) }, 0, http2.ErrCodeProtocol},
		{"older stream", func(p *peer) { p.ask(9, true, usual("GET", "/")...); p.ask(7, true, usual("GET", "/")...) }, 0, http2.ErrCodeProtocol},
		{"CONTINUATION of nothing", func(p *peer) { _ = p.WriteContinuation(1, true, nil) }, 0, http2.ErrCodeProtocol},
		{"header block interrupted", func(p *peer) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(usual("GET", "/")...), EndStream: true})
			_ = p.WritePing(false, [8]byte{})
		}, 0, http2.ErrCodeProtocol},
		{"broken compression", func(p *peer) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff}, EndStream: true, EndHeaders: true})
		}, 0, http2.ErrCodeCompression},
		{"PING of seven", func(p *peer) { _ = p.WriteRawFrame(http2.FramePing, 0, 0, make([]byte, 7)) }, 0, http2.ErrCodeFrameSize},
		{"SETTINGS of seven", func(p *peer) { _ = p.WriteRawFrame(http2.FrameSettings, 0, 0, make([]byte, 7)) }, 0, http2.ErrCodeFrameSize},

		{"endless CONTINUATION", func(p *peer) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(usual("GET", "/")...), EndStream: true})
			for range 1000 {
				_ = p.WriteContinuation(1, false, nil)
			}
		}, 0, http2.ErrCodeEnhanceYourCalm},
		{"endless header block", func(p *peer) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(usual("GET", "/")...), EndStream: true})
			one := p.block("x-a", strings.Repeat("~", 10_000))
			for range 30 {
				_ = p.WriteContinuation(1, false, one)
			}
		}, 0, http2.ErrCodeEnhanceYourCalm},
		{"PING without end", func(p *peer) { p.flood(func() error { return p.WritePing(false, [8]byte{}) }) }, 0, http2.ErrCodeEnhanceYourCalm},
		{"SETTINGS without end", func(p *peer) { p.flood(func() error { return p.WriteSettings() }) }, 0, http2.ErrCodeEnhanceYourCalm},
		{"PRIORITY without end", func(p *peer) { p.flood(func() error { return p.WritePriority(3, http2.PriorityParam{}) }) }, 0, http2.ErrCodeEnhanceYourCalm},
		{"unknown frames without end", func(p *peer) { p.flood(func() error { return p.WriteRawFrame(0xbe, 0, 0, nil) }) }, 0, http2.ErrCodeEnhanceYourCalm},
		{"empty DATA without end", func(p *peer) { open(p); p.flood(func() error { return p.WriteData(1, false, nil) }) }, 0, http2.ErrCodeEnhanceYourCalm},
		{"updates without end", func(p *peer) { p.flood(func() error { return p.WriteWindowUpdate(0, 1) }) }, 0, http2.ErrCodeEnhanceYourCalm},
		{"malformed requests without end", func(p *peer) {
			id := uint32(1)
			p.flood(func() error {
				err := p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.block("x", "y"), EndStream: true, EndHeaders: true})
				id += 2
				return err
			})
		}, 0, http2.ErrCodeEnhanceYourCalm},
		// CVE-2023-44487.
		{"requests cancelled without end", func(p *peer) {
			id := uint32(1)
			p.flood(func() error {
				err := p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.block(usual("GET", "/")...), EndStream: true, EndHeaders: true})
				_ = p.WriteRSTStream(id, http2.ErrCodeCancel)
				id += 2
				return err
			})
		}, 0, http2.ErrCodeEnhanceYourCalm},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, _ := frames(t, reusing(func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/wait" {
					<-r.Context().Done()
				}
			}), nil)
			c.do(p)
			got := p.until(c.stream)
			switch {
			case c.stream == 0 && (got.what != "goaway" || got.goAway != c.code):
				t.Errorf("got %+v, want GOAWAY %v", got, c.code)
			case c.stream != 0 && (got.what != "reset" || got.reset != c.code):
				t.Errorf("got %+v, want a reset for %v", got, c.code)
			case c.stream != 0:
				p.alive()
			}
		})
	}
}

// flood sends until the server has had enough, and reads what it says.
func (p *peer) flood(send func() error) {
	p.t.Helper()
	var out bytes.Buffer
	real := p.Framer
	p.Framer = http2.NewFramer(&out, nil)
	p.AllowIllegalWrites = true
	for range 12_000 {
		if send() != nil {
			break
		}
	}
	p.Framer = real
	go func() { _, _ = p.conn.Write(out.Bytes()) }() // the server may hang up within
}

// TestTooManyStreams opens more than it may. A client that cancels them frees
// their handlers no sooner.
func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	for name, cancel := range map[string]bool{"open": false, "cancelled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var running atomic.Int64
			release := make(chan struct{})
			p, _ := frames(t, reusing(func(http.ResponseWriter, *http.Request) { running.Add(1); <-release }), nil)
			limit := map[bool]int{false: 250, true: 500}[cancel]
			for i := range limit {
				id := uint32(2*i + 1)
				p.ask(id, true, usual("GET", "/")...)
				if cancel {
					p.must(p.WriteRSTStream(id, http2.ErrCodeCancel))
				}
			}
			last := uint32(2*limit + 1)
			p.ask(last, true, usual("GET", "/")...)
			if got := p.until(last); got.what != "reset" || got.reset != http2.ErrCodeRefusedStream {
				t.Errorf("got %+v, want REFUSED_STREAM", got)
			}
			close(release)
			p.alive()
			if n := running.Load(); n > int64(limit) {
				t.Errorf("%d handlers have run, want %d", n, limit)
			}
		})
	}
}

// TestClientsThatDoNotRead sends PINGs and reads no answer.
func TestClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	p, _ := frames(t, http.NotFoundHandler(), nil)
	var ping bytes.Buffer
	_ = http2.NewFramer(&ping, nil).WritePing(false, [8]byte{})
	many := bytes.Repeat(ping.Bytes(), 1000)
	_ = p.conn.SetDeadline(time.Now().Add(patience))
	for i := 0; ; i++ {
		if _, err := p.conn.Write(many); err != nil {
			return // it was hung up
		}
		if i > 100_000 {
			t.Fatal("the server goes on")
		}
	}
}
