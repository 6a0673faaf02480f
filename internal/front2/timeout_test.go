package front2_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/wiretight/wiretight/internal/front2"
)

// piped starts a server on one end of a pipe, in a bubble whose time is not the
// world's, and says when it has given up the connection.
func piped(t *testing.T, h http.Handler) (near net.Conn, ended chan time.Duration, s *front2.Server) {
	t.Helper()
	near, far := net.Pipe()
	s = front2.New(config(h))
	ended = make(chan time.Duration, 1)
	begin := time.Now()
	go func() {
		s.ServePlain(far)
		s.Close(context.Background())
		ended <- time.Since(begin)
	}()
	return near, ended, s
}

// listen reads all that comes, and tells of GOAWAY and, if asked to, answers PING.
func listen(p *peer, answer bool) chan http2.ErrCode {
	said := make(chan http2.ErrCode, 10)
	go func() {
		for {
			f, err := p.ReadFrame()
			if err != nil {
				close(said)
				return
			}
			switch f := f.(type) {
			case *http2.GoAwayFrame:
				said <- f.ErrCode
			case *http2.PingFrame:
				if answer && !f.IsAck() {
					_ = p.WritePing(true, f.Data)
				}
			}
		}
	}()
	return said
}

func TestSlowClientsAreGivenUp(t *testing.T) {
	t.Parallel()
	headers := func(p *peer, end bool) {
		_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(usual("GET", "/")...), EndStream: true, EndHeaders: end})
	}
	for _, c := range []struct {
		name string
		say  func(near net.Conn) *peer
		want time.Duration // and up to 6 s more
	}{
		{"silence", func(near net.Conn) *peer { go func() { _, _ = io.Copy(io.Discard, near) }(); return nil }, 10 * time.Second},
		{"half a preface", func(near net.Conn) *peer {
			go func() { _, _ = io.Copy(io.Discard, near) }()
			_, _ = io.WriteString(near, "PRI * HTT")
			return nil
		}, 10 * time.Second},
		{"no request", func(near net.Conn) *peer { return greet(t, near) }, time.Minute},
		{"half a frame", func(near net.Conn) *peer { p := greet(t, near); _, _ = near.Write([]byte{0, 0, 8, 6}); return p }, 10 * time.Second},
		{"half a header block", func(near net.Conn) *peer { p := greet(t, near); headers(p, false); return p }, 10 * time.Second},
		{"no request after one", func(near net.Conn) *peer { p := greet(t, near); headers(p, true); return p }, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, ended, _ := piped(t, http.NotFoundHandler())
				if p := c.say(near); p != nil {
					listen(p, true)
				}
				if took := <-ended; took < c.want || took > c.want+6*time.Second {
					t.Errorf("given up after %v, want %v", took, c.want)
				}
				near.Close()
			})
		})
	}
}

// TestStreamsKeepConnections is a long request of a client that is there, and
// of one that is not.
func TestStreamsKeepConnections(t *testing.T) {
	t.Parallel()
	for name, there := range map[string]bool{"there": true, "gone": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					select {
					case <-time.After(time.Hour):
					case <-r.Context().Done():
					}
				})
				near, ended, _ := piped(t, h)
				p := greet(t, near)
				_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(usual("GET", "/")...), EndStream: true, EndHeaders: true})
				listen(p, there)
				took := <-ended
				if there && (took < time.Hour+time.Minute || took > time.Hour+2*time.Minute) {
					t.Errorf("given up after %v, want an hour and the idle time", took)
				}
				if !there && (took < 20*time.Second || took > time.Minute) {
					t.Errorf("given up after %v, want the time of two PINGs", took)
				}
				near.Close()
			})
		})
	}
}

// TestSlowReaders is a client that takes a kilobyte a second, and one that takes
// nothing.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	const size = 200_000
	for name, reads := range map[string]bool{"slow": true, "never": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wrote := make(chan error, 1)
				near, ended, _ := piped(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					_, err := w.Write(make([]byte, size))
					wrote <- err
				}))
				first, done := make([]byte, 1000), make(chan int)
				release := make(chan struct{})
				go func() {
					total := 0
					for {
						n, err := near.Read(first)
						if total += n; err != nil {
							done <- total
							return
						}
						select {
						case <-release: // the request is out
							if !reads {
								done <- total
								return
							}
							time.Sleep(time.Second)
						default:
						}
					}
				}()
				p := greet(t, near)
				_ = p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
				_ = p.WriteWindowUpdate(0, 1<<20)
				_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(usual("GET", "/")...), EndStream: true, EndHeaders: true})
				close(release)
				err := <-wrote
				if reads != (err == nil) {
					t.Errorf("got %v, want all sent: %v", err, reads)
				}
				if !reads {
					if total, took := <-done, <-ended; total > size/2 || took > time.Minute {
						t.Errorf("took %v and %d bytes to give up", took, total)
					}
				}
				near.Close()
				if reads {
					<-ended
					<-done
				}
			})
		})
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		running bool
		want    time.Duration // at least, and 2 s at most beyond
	}{{"idle", false, 0}, {"running", true, 10 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				whole := make(chan bool, 1)
				h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					time.Sleep(10 * time.Second)
					_, err := io.WriteString(w, "whole")
					whole <- err == nil
				})
				near, ended, s := piped(t, h)
				p := greet(t, near)
				if c.running {
					_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(usual("GET", "/")...), EndStream: true, EndHeaders: true})
				}
				said := listen(p, true)
				synctest.Wait()
				s.Shutdown()
				if code := <-said; code != http2.ErrCodeNo {
					t.Errorf("got GOAWAY %v", code)
				}
				if took := <-ended; took < c.want || took > c.want+2*time.Second {
					t.Errorf("ended after %v, want %v", took, c.want)
				}
				if c.running && !<-whole {
					t.Error("the request under way was cut")
				}
				near.Close()
			})
		})
	}
}

// TestNoNewStreamsAfterGoAway is a request that comes after the second GOAWAY.
func TestNoNewStreamsAfterGoAway(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	p, s := frames(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-release
		}
	}), nil)
	p.ask(1, true, usual("GET", "/wait")...)
	p.alive()
	s.Shutdown()
	if got := p.until(99); got.what != "goaway" || got.goAway != http2.ErrCodeNo {
		t.Fatalf("got %+v, want GOAWAY", got)
	}
	p.ask(3, true, usual("GET", "/on-its-way")...)
	if got := p.until(3); got.what != "answer" {
		t.Errorf("on its way: got %+v, want an answer", got)
	}
	if got := p.until(99); got.what != "goaway" {
		t.Fatalf("got %+v, want the second GOAWAY", got)
	}
	p.ask(5, true, usual("GET", "/late")...)
	close(release)
	if got := p.until(1); got.what != "answer" {
		t.Errorf("under way: got %+v, want an answer", got)
	}
	if got := p.until(5); got.what == "answer" {
		t.Errorf("late: got %+v, want no answer", got)
	}
}

// TestStatesAreTold holds that the listener learns which connections are idle.
func TestStatesAreTold(t *testing.T) {
	t.Parallel()
	states := make(chan http.ConnState, 20)
	p, _ := frames(t, http.NotFoundHandler(), func(c *front2.Config) { c.State = func(_ net.Conn, s http.ConnState) { states <- s } })
	p.ask(1, true, usual("GET", "/")...)
	_ = p.until(1)
	for _, want := range []http.ConnState{http.StateActive, http.StateIdle, http.StateActive, http.StateIdle} {
		select {
		case got := <-states:
			if got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("no word of %v", want)
		}
	}
}
