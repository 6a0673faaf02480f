package tlsprobe_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

// peer serves every connection with answer until the test ends.
func peer(t testing.TB, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			go func() {
				defer stop()
				defer conn.Close()
				answer(conn)
			}()
		}
	}()
	t.Cleanup(func() { cancel(); l.Close(); <-done })
	return l.Addr().String()
}

// readHello takes one record or SSL 2 hello off the connection.
func readHello(conn net.Conn) []byte {
	buf := make([]byte, 4096)
	n, _ := conn.Read(buf)
	return buf[:n]
}

// forever writes chunk until the other side is gone.
func forever(conn net.Conn, chunk []byte) {
	for {
		if _, err := conn.Write(chunk); err != nil {
			return
		}
	}
}

func hang(conn net.Conn) { io.Copy(io.Discard, conn) }

func TestHostilePeers(t *testing.T) {
	t.Parallel()
	handshakeRecord := func(p []byte) []byte {
		return append([]byte{22, 3, 3, byte(len(p) >> 8), byte(len(p))}, p...)
	}
	tests := []struct {
		name   string
		answer func(net.Conn)
		want   tlsprobe.Verdict
		reason string
	}{
		{"stalls", hang, tlsprobe.Inconclusive, "no answer in time"},
		{"hangs up", func(c net.Conn) { readHello(c) }, tlsprobe.Inconclusive, "connection closed"},
		{"resets", func(c net.Conn) { readHello(c); c.(*net.TCPConn).SetLinger(0) }, tlsprobe.Inconclusive, "connection closed"},
		// The reset may overtake the dial, which then is what fails.
		{"resets at once", func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }, tlsprobe.Inconclusive, "connect"},
		{"half-closes", func(c net.Conn) { readHello(c); c.(*net.TCPConn).CloseWrite(); hang(c) }, tlsprobe.Inconclusive, "connection closed"},
		{"half a record", func(c net.Conn) { readHello(c); c.Write([]byte{22, 3, 3, 0, 100, 2, 0}); hang(c) }, tlsprobe.Inconclusive, "no answer in time"},
		{"garbage", func(c net.Conn) { readHello(c); forever(c, []byte("\xff\xfe\xfd garbage")) }, tlsprobe.Inconclusive, "not TLS"},
		{"plain HTTP", func(c net.Conn) { readHello(c); c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, tlsprobe.Inconclusive, "plain HTTP"},
		{"endless empty records", func(c net.Conn) { readHello(c); forever(c, bytes.Repeat([]byte{22, 3, 3, 0, 0}, 100)) }, tlsprobe.Inconclusive, "records without an end"},
		{"endless warnings", func(c net.Conn) { readHello(c); forever(c, bytes.Repeat([]byte{21, 3, 3, 0, 2, 1, 90}, 100)) }, tlsprobe.Inconclusive, "records without an end"},
		{"message of 2^24 bytes", func(c net.Conn) {
			readHello(c)
			c.Write(handshakeRecord([]byte{2, 0xFF, 0xFF, 0xFF}))
			forever(c, handshakeRecord(make([]byte, 1<<14)))
		}, tlsprobe.Inconclusive, "handshake message of 16777215 bytes"},
		{"record of 64 KiB", func(c net.Conn) { readHello(c); c.Write([]byte{22, 3, 3, 0xFF, 0xFF}); hang(c) }, tlsprobe.Inconclusive, "record of 65535 bytes"},
		{"application data", func(c net.Conn) { readHello(c); c.Write([]byte{23, 3, 3, 0, 1, 0}); hang(c) }, tlsprobe.Inconclusive, "record of type 23"},
		{"wrong message", func(c net.Conn) { readHello(c); c.Write(handshakeRecord([]byte{20, 0, 0, 0})); hang(c) }, tlsprobe.Inconclusive, "out of order"},
		{"fatal alert", func(c net.Conn) { readHello(c); c.Write([]byte{21, 3, 1, 0, 2, 2, 40}) }, tlsprobe.Refused, "alert handshake_failure"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := probe(peer(t, tt.answer))
			p.Timeout = 2 * time.Second
			if strings.Contains(tt.reason, "in time") {
				p.Timeout = 200 * time.Millisecond
			}
			begin := time.Now()
			s := p.Survey(t.Context())
			if took := time.Since(begin); took > p.Timeout+time.Second {
				t.Errorf("took %v, want at most %v", took, p.Timeout+time.Second)
			}
			got := s.Versions[tlsprobe.TLS12]
			if got.Verdict != tt.want || !strings.Contains(got.Reason, tt.reason) {
				t.Errorf("TLS 1.2: got %v, want %v (%s)", got.Outcome, tt.want, tt.reason)
			}
			if best := s.Versions.Best(); best != 0 {
				t.Errorf("got version %v accepted, want none", best)
			}
			for _, c := range tlsprobe.AllClasses() {
				if v := s.Classes[c].Verdict; v != tlsprobe.Inconclusive {
					t.Errorf("class %v: got %v, want inconclusive", c, v)
				}
			}
			for name, o := range map[string]tlsprobe.Outcome{
				"renegotiation": s.Renegotiation, "fallback": s.Downgrade.Fallback, "early data": s.EarlyData.Outcome,
				"chain": s.Chains.SNI.Outcome, "mark": s.Downgrade.Unmarked,
			} {
				if o.Verdict != tlsprobe.Inconclusive || o.Reason == "" {
					t.Errorf("%s: got %v, want inconclusive with a reason", name, o)
				}
			}
			if s.Connections > len(tlsprobe.AllVersions()) {
				t.Errorf("got %d connections to a peer without TLS, want %d", s.Connections, len(tlsprobe.AllVersions()))
			}
		})
	}
}

func TestEndlessCertificatesAreBounded(t *testing.T) {
	addr := peer(t, func(c net.Conn) {
		hello := readHello(c)
		if hello[0] != 22 {
			return
		}
		c.Write(record(22, serverHello(tlsprobe.TLS12, 0xC02F)))
		list := bytes.Repeat([]byte{0, 0, 1, 0x30}, 60000)
		body := append([]byte{byte(len(list) >> 16), byte(len(list) >> 8), byte(len(list))}, list...)
		forever(c, record(22, message(11, body)))
	})
	p := probe(addr)
	p.Timeout = 2 * time.Second
	v := p.Versions(t.Context())
	if best := v.Best(); best != tlsprobe.TLS12 {
		t.Fatalf("got best version %v, want TLS 1.2", best)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	chains := p.Chain(t.Context(), v)
	runtime.ReadMemStats(&after)
	if got := chains.SNI; got.Verdict != tlsprobe.Inconclusive || !strings.Contains(got.Reason, "too large") {
		t.Errorf("got %v, want inconclusive: too large", got.Outcome)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
		t.Errorf("allocated %d MiB for a hostile chain, want at most 32", used>>20)
	}
}

func TestDialErrorsAreInconclusive(t *testing.T) {
	t.Parallel()
	spent := errors.New("budget spent")
	p := probe("")
	p.Dial = func(context.Context) (net.Conn, error) { return nil, spent }
	for v, a := range p.Versions(t.Context()) {
		if a.Verdict != tlsprobe.Inconclusive || !strings.Contains(a.Reason, spent.Error()) {
			t.Errorf("%v: got %v, want inconclusive: %v", v, a.Outcome, spent)
		}
	}
	p.Dial = nil
	if a := p.Versions(t.Context())[tlsprobe.TLS12]; a.Verdict != tlsprobe.Inconclusive {
		t.Errorf("without a dial function: got %v, want inconclusive", a.Outcome)
	}
}

// A budget that runs out in the middle must not look like a peer that refuses.
func TestBudgetEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	leaf := newLeaf(t, nil)
	cert, key := leaf.files(t)
	addr := openssl(t, "-www", "-cert", cert, "-key", key)
	p := probe(addr)
	d := &dialler{addr: addr}
	versions := p.Versions(t.Context())
	p.Dial = func(ctx context.Context) (net.Conn, error) {
		if d.n.Load() >= 1 {
			return nil, errors.New("budget spent")
		}
		return d.dial(ctx)
	}
	var inconclusive int
	for _, a := range p.Classes(t.Context(), versions) {
		if a.Verdict == tlsprobe.Inconclusive && strings.Contains(a.Reason, "budget spent") {
			inconclusive++
		}
	}
	if inconclusive < 2 {
		t.Errorf("got %d inconclusive classes with one connection, want at least 2", inconclusive)
	}
}

func TestCancelEndsAStalledSurvey(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 64)
	addr := peer(t, func(c net.Conn) { reached <- struct{}{}; hang(c) })
	p := probe(addr)
	p.Timeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan tlsprobe.Survey)
	go func() { done <- p.Survey(ctx) }()
	<-reached
	cancel()
	select {
	case s := <-done:
		if a := s.Versions[tlsprobe.TLS12]; a.Verdict != tlsprobe.Inconclusive {
			t.Errorf("got %v, want inconclusive", a.Outcome)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the survey goes on after its context ended")
	}
}

// Silence is a refusal only by a peer that answered something else.
func TestSilenceOfALivingPeerRefuses(t *testing.T) {
	t.Parallel()
	addr := peer(t, func(c net.Conn) {
		hello := readHello(c)
		if hello[0] == 22 && bytes.Contains(hello, []byte{0, 43, 0, 3, 2, 3, 4}) || hello[0] != 22 || hello[2] == 0 {
			hang(c) // SSL 2, SSL 3 and TLS 1.3
			return
		}
		c.Write(record(22, serverHello(tlsprobe.TLS12, 0xC02F)))
	})
	p := probe(addr)
	p.Timeout = 300 * time.Millisecond
	v := p.Versions(t.Context())
	if a := v[tlsprobe.TLS12]; a.Verdict != tlsprobe.Accepted {
		t.Fatalf("TLS 1.2: got %v, want accepted", a.Outcome)
	}
	for _, silent := range []tlsprobe.Version{tlsprobe.SSL2, tlsprobe.SSL3, tlsprobe.TLS13} {
		if a := v[silent]; a.Verdict != tlsprobe.Refused || a.Reason != "no answer in time" {
			t.Errorf("%v: got %v, want refused (no answer in time)", silent, a.Outcome)
		}
	}
}

func record(typ byte, p []byte) []byte {
	var out []byte
	for len(p) > 0 {
		n := min(len(p), 1<<14)
		out = append(append(out, typ, 3, 3, byte(n>>8), byte(n)), p[:n]...)
		p = p[n:]
	}
	return out
}

func message(typ byte, body []byte) []byte {
	return append([]byte{typ, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// serverHello is a ServerHello message without extensions.
func serverHello(v tlsprobe.Version, s tlsprobe.Suite) []byte {
	body := append([]byte{byte(v >> 8), byte(v)}, make([]byte, 32)...)
	return message(2, append(body, 0, byte(s>>8), byte(s), 0))
}
