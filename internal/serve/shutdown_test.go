package serve_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wiretight/wiretight/internal/serve"
)

// held is a handler whose requests end when the test says so.
type held struct {
	began   chan struct{}
	release chan struct{}
	ended   chan error // the request's context error, when cut
}

func newHeld() held {
	return held{make(chan struct{}, 8), make(chan struct{}), make(chan error, 8)}
}

func (h held) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.began <- struct{}{}
	select {
	case <-h.release:
		_, _ = io.WriteString(w, "done")
	case <-r.Context().Done():
		h.ended <- r.Context().Err()
	}
}

// refused says whether nobody accepts at addr any more.
func refused(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		_ = c.Close()
	}
	return err != nil
}

func TestShutdownLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certs, config := oneCert(t)
			h := newHeld()
			s := start(t, secure(certs, h))
			addr := s.Addr("tls").String()
			c := client(t, config, h2)
			got := make(chan string, 1)
			go func() {
				res, err := c.Get("https://" + addr)
				if err != nil {
					got <- err.Error()
					return
				}
				body, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				got <- string(body)
			}()
			<-h.began
			down := make(chan error, 1)
			go func() { down <- s.Shutdown(patience) }()
			<-s.Draining()
			eventually(t, "new connections are refused", func() bool { return refused(addr) })
			select {
			case err := <-down:
				t.Fatalf("shutdown returned (%v) while a request ran", err)
			default:
			}
			close(h.release)
			if body := <-got; body != "done" {
				t.Errorf("got %q of the running request, want done", body)
			}
			if err := <-down; err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if _, err := c.Get("https://" + addr); err == nil {
				t.Error("got an answer on a kept connection after the shutdown")
			}
		})
	}
}

func TestShutdownClosesIdleConnectionsAtOnce(t *testing.T) {
	t.Parallel()
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certs, config := oneCert(t)
			s := start(t, secure(certs, text("hello")))
			res, err := client(t, config, h2).Get("https://" + s.Addr("tls").String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			eventually(t, "the connection is idle", func() bool { return s.Load("tls").Idle == 1 })
			begin := time.Now()
			if err := s.Shutdown(patience); err != nil {
				t.Error(err)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("got %v, want the idle connection closed at once", took)
			}
		})
	}
}

func TestShutdownCutsAfterGrace(t *testing.T) {
	t.Parallel()
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certs, config := oneCert(t)
			h := newHeld()
			s := start(t, secure(certs, h))
			c := client(t, config, h2)
			failed := make(chan error, 1)
			go func() {
				_, err := c.Get("https://" + s.Addr("tls").String())
				failed <- err
			}()
			<-h.began
			begin := time.Now()
			err := s.Shutdown(200 * time.Millisecond)
			if err == nil || !strings.Contains(err.Error(), "cut 1 connections") {
				t.Errorf("got %v, want one connection cut", err)
			}
			if took := time.Since(begin); took < 200*time.Millisecond || took > 5*time.Second {
				t.Errorf("got %v, want a little more than the grace", took)
			}
			if err := <-h.ended; err != context.Canceled {
				t.Errorf("got %v in the request's context, want it cancelled", err)
			}
			if <-failed == nil {
				t.Error("got an answer, want the request cut")
			}
		})
	}
}

func TestShutdownAndHijackedConnections(t *testing.T) {
	t.Parallel()
	began := make(chan struct{}, 2)
	hijack := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		began <- struct{}{}
		_, _ = io.Copy(io.Discard, c)
	})
	connect := func(t *testing.T, s *serve.Server) net.Conn {
		t.Helper()
		c, err := net.DialTimeout("tcp", s.Addr("plain").String(), patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		if res := answer(t, c); res.StatusCode != 101 {
			t.Fatalf("got %d, want 101", res.StatusCode)
		}
		<-began
		return c
	}
	t.Run("cut", func(t *testing.T) {
		s := start(t, plain(hijack))
		c := connect(t, s)
		if err := s.Shutdown(100 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "cut 1 connections") {
			t.Errorf("got %v, want the connection cut", err)
		}
		closedAfter(t, c)
	})
	t.Run("ends in time", func(t *testing.T) {
		s := start(t, plain(hijack))
		c := connect(t, s)
		down := make(chan error, 1)
		go func() { down <- s.Shutdown(patience) }()
		<-s.Draining()
		eventually(t, "new connections are refused", func() bool { return refused(s.Addr("plain").String()) })
		select {
		case err := <-down:
			t.Fatalf("shutdown returned (%v) while a hijacked connection ran", err)
		default:
		}
		_ = c.Close()
		if err := <-down; err != nil {
			t.Error(err)
		}
	})
}

func TestLastListenerAnswersWhileOthersDrain(t *testing.T) {
	t.Parallel()
	h := newHeld()
	conf := plain(h)
	conf.Listeners = append(conf.Listeners, serve.Listener{Name: "admin", Addr: "127.0.0.1:0", Handler: text("draining"), Last: true})
	s := start(t, conf)
	go func() {
		res, err := client(t, nil, false).Get("http://" + s.Addr("plain").String())
		if err == nil {
			_ = res.Body.Close()
		}
	}()
	<-h.began
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(patience) }()
	eventually(t, "the first listener is closed", func() bool { return refused(s.Addr("plain").String()) })
	res, err := client(t, nil, false).Get("http://" + s.Addr("admin").String())
	if err != nil {
		t.Fatalf("ask the last listener during the shutdown: %v", err)
	}
	_ = res.Body.Close()
	close(h.release)
	if err := <-down; err != nil {
		t.Error(err)
	}
	if !refused(s.Addr("admin").String()) {
		t.Error("the last listener still accepts after the shutdown")
	}
}

func TestShutdownReportsDeafHandlers(t *testing.T) {
	t.Parallel()
	began, release := make(chan struct{}), make(chan struct{})
	s := start(t, plain(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(began)
		<-release
	})))
	go func() { _, _ = client(t, nil, false).Get("http://" + s.Addr("plain").String()) }()
	<-began
	if err := s.Shutdown(0); err == nil || !strings.Contains(err.Error(), "1 handlers ignore") {
		t.Errorf("got %v, want the deaf handler named", err)
	}
	close(release)
}

func TestShutdownBeforeStartAndTwice(t *testing.T) {
	t.Parallel()
	s, err := serve.New(plain(text("")))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(time.Second); err != nil {
		t.Error(err)
	}
	if s.Start(t.Context()) == nil {
		t.Error("got no error from Start after Shutdown")
	}
	s = start(t, plain(text("")))
	for range 2 {
		if err := s.Shutdown(time.Second); err != nil {
			t.Error(err)
		}
	}
}

// TestNoGoroutineIsLeft runs alone: it looks at all goroutines of the process.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := goleak.IgnoreCurrent()
	ca := newCA(t, "ca")
	c, err := serve.NewCertificates(t.Context(), serve.TLS{Certificates: []serve.CertFile{ca.files(t, spec{names: []string{"a.test"}})}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(secure(c, text("hello")))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	watched, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		serve.Watch(watched, func() []string { return []string{"/etc/hostname"} }, func() {})
	}()
	for range 3 {
		silent, err := net.Dial("tcp", s.Addr("tls").String())
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	}
	if err := s.Shutdown(50 * time.Millisecond); err != nil && !strings.Contains(err.Error(), "cut") {
		t.Error(err)
	}
	c.Close()
	stop()
	<-ended
	goleak.VerifyNone(t, before)
}
