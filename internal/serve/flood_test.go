package serve_test

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/serve"
)

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }

// crowd opens n connections that stay half-open, and closes them with the test.
func crowd(t *testing.T, addr string, n int, first []byte) {
	t.Helper()
	conns := make([]net.Conn, 0, n)
	t.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close()
		}
	})
	for i := range n {
		c, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		_, _ = c.Write(first)
		conns = append(conns, c)
	}
}

// TestHalfOpenFlood opens 10,000 connections that say nothing or half a hello,
// or as many as the limit of open files lets us.
func TestHalfOpenFlood(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	n := int(min(10_000, files.Cur*6/10))
	certs, config := oneCert(t)
	s := start(t, secure(certs, text("hello")))
	addr := s.Addr("tls").String()
	before := memory()

	crowd(t, addr, n/2, nil)
	crowd(t, addr, n-n/2, []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00})

	slowest := time.Duration(0)
	for range 20 {
		begin := time.Now()
		if _, body, err := ask(addr, config); err != nil || body != "hello" {
			t.Fatalf("got %q and error %v in the flood, want hello", body, err)
		}
		slowest = max(slowest, time.Since(begin))
	}
	load, grown := s.Load("tls"), memory()-before
	t.Logf("%d connections: %d half-open, %d shed, %d MiB more memory, slowest good request %v",
		n, load.HalfOpen, load.Shed, grown>>20, slowest)
	if load.HalfOpen > 4096 {
		t.Errorf("got %d half-open connections, want 4,096 at most", load.HalfOpen)
	}
	// The test's own half of each connection is in it too.
	if grown > 256<<20 {
		t.Errorf("got %d MiB of memory, want 256 at most", grown>>20)
	}
	if slowest > 5*time.Second {
		t.Errorf("got %v for a good request, want 5 s at most", slowest)
	}
}

// memory is what the process holds for heap and stacks.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func TestOldestHalfOpenGoesFirst(t *testing.T) {
	t.Parallel()
	conf := plain(text("hello"))
	conf.MaxHalfOpen = 3
	s := start(t, conf)
	addr := s.Addr("plain").String()
	var conns []net.Conn
	for range 4 {
		c, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
		eventually(t, "the connection is counted", func() bool { return s.Load("plain").Open == min(len(conns), 3) })
	}
	closedAfter(t, conns[0])
	for i, c := range conns[1:] {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		if res := answer(t, c); res.StatusCode != 200 {
			t.Errorf("connection %d: got %d, want 200", i+1, res.StatusCode)
		}
	}
	if got := s.Load("plain").Shed; got != 1 {
		t.Errorf("got %d connections shed, want 1", got)
	}
}

func TestConnectionBound(t *testing.T) {
	t.Parallel()
	h := newHeld()
	conf := plain(h)
	conf.MaxConns, conf.MaxHalfOpen = 2, 2
	s := start(t, conf)
	addr := s.Addr("plain").String()
	request := func() net.Conn {
		t.Helper()
		c, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		return c
	}
	busy := []net.Conn{request(), request()}
	<-h.began
	<-h.began
	t.Run("all busy: the new one goes", func(t *testing.T) { closedAfter(t, request()) })
	close(h.release)
	for _, c := range busy {
		if res := answer(t, c); res.StatusCode != 200 {
			t.Errorf("got %d for a running request, want 200", res.StatusCode)
		}
	}
	eventually(t, "both are idle", func() bool { return s.Load("plain").Idle == 2 })
	t.Run("one idle: it makes room", func(t *testing.T) {
		if res := answer(t, request()); res.StatusCode != 200 {
			t.Errorf("got %d, want 200", res.StatusCode)
		}
		if got := s.Load("plain").Shed; got != 2 {
			t.Errorf("got %d connections shed, want 2", got)
		}
	})
}

func TestLoadOfNobody(t *testing.T) {
	t.Parallel()
	if got := start(t, plain(text(""))).Load("nobody"); got != (serve.Load{}) {
		t.Errorf("got %v, want nothing", got)
	}
}

func BenchmarkHandshake(b *testing.B) {
	certs, config := oneCert(b)
	addr := start(b, secure(certs, text(""))).Addr("tls").String()
	for b.Loop() {
		c, err := tls.Dial("tcp", addr, config)
		if err != nil {
			b.Fatal(err)
		}
		_ = c.Close()
	}
}
