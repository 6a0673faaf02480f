package front_test

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// usual is what an application asks again and again, but for the path.
var usual = " HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: bench\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\n" +
	"Authorization: Bearer " + strings.Repeat("x", 880) + "\r\nX-Trace: a\r\n\r\n"

// quick answers 200 bytes, and keeps nothing.
func quick(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Content-Type"], h["Content-Length"] = jsonType, twoHundred
	_, _ = w.Write(payload)
	if reuse, ok := w.(interface{ Reuse() }); ok {
		reuse.Reuse()
	}
}

var (
	jsonType   = []string{"application/json"}
	twoHundred = []string{"200"}
	payload    = bytes.Repeat([]byte("x"), 200)
)

// asker asks on one connection without making garbage.
type asker struct {
	conn *tls.Conn
	out  []byte
	in   []byte
}

// ask sends a request and reads an answer of quick.
func (a *asker) ask(t testing.TB, path string) {
	a.out = append(append(append(a.out[:0], "GET "...), path...), usual...)
	if _, err := a.conn.Write(a.out); err != nil {
		t.Fatal(err)
	}
	for got := 0; ; {
		n, err := a.conn.Read(a.in[got:])
		if err != nil {
			t.Fatal(err)
		}
		got += n
		if end := bytes.Index(a.in[:got], []byte("\r\n\r\n")); end >= 0 && got-end-4 == len(payload) {
			return
		}
	}
}

// TestAllocations counts those of both ends. crypto/tls makes one for each
// record that it reads, and that is all, but for what a client says anew.
func TestAllocations(t *testing.T) {
	s := serve(t, http.HandlerFunc(quick), nil)
	a := &asker{conn: s.dial(t, ""), in: make([]byte, 8<<10)}
	for i := range 10 {
		a.ask(t, "/"+strconv.Itoa(i))
	}
	if got := testing.AllocsPerRun(200, func() { a.ask(t, "/same") }); got > 2+forgotten {
		t.Errorf("the same request again: got %v allocations, want 2 at most", got)
	}
	paths := make([]string, 300)
	for i := range paths {
		paths[i] = "/items/" + strconv.Itoa(i)
	}
	i := 0
	if got := testing.AllocsPerRun(200, func() { a.ask(t, paths[i]); i++ }); got > 3+forgotten {
		t.Errorf("another path each time: got %v allocations, want 3 at most", got)
	}
}

func BenchmarkRequest(b *testing.B) {
	for name, addr := range map[string]func(*served) string{
		"front":    func(s *served) string { return s.addr },
		"net-http": func(s *served) string { return s.standard.Listener.Addr().String() },
	} {
		b.Run(name, func(b *testing.B) {
			s := serve(b, http.HandlerFunc(quick), nil)
			a := &asker{conn: s.dial(b, addr(s)), in: make([]byte, 8<<10)}
			b.ReportAllocs()
			for b.Loop() {
				a.ask(b, "/same")
			}
		})
	}
}

// BenchmarkConnection makes connections that ask once.
func BenchmarkConnection(b *testing.B) {
	for name, addr := range map[string]func(*served) string{
		"front":    func(s *served) string { return s.addr },
		"net-http": func(s *served) string { return s.standard.Listener.Addr().String() },
	} {
		b.Run(name, func(b *testing.B) {
			s := serve(b, http.HandlerFunc(quick), nil)
			conf := s.clientTLS()
			for b.Loop() {
				c, err := tls.Dial("tcp", addr(s), conf)
				if err != nil {
					b.Fatal(err)
				}
				a := &asker{conn: c, in: make([]byte, 8<<10)}
				a.ask(b, "/same")
				_ = c.Close()
			}
		})
	}
}
