package front_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wiretight/wiretight/internal/front"
)

// patience is how long a test waits for what should come at once. The machine
// may be busy.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// records is a log that a test can read while it is written.
type records struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// served is a handler behind a front, and the same behind net/http alone.
type served struct {
	front    *front.Server
	addr     string
	standard *httptest.Server
	log      *records
	cut      context.CancelFunc
	stop     func(ctx context.Context) error
}

// serve starts h behind both. change may alter the front's settings.
func serve(t testing.TB, h http.Handler, change func(*front.Config)) *served {
	t.Helper()
	s := &served{standard: httptest.NewUnstartedServer(h), log: &records{}}
	quiet := log.New(s.log, "", 0)
	s.standard.Config.ErrorLog = quiet
	s.standard.StartTLS()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	base, cut := context.WithCancel(context.Background())
	s.cut = cut
	feed := front.NewFeed(ln.Addr())
	rest := &http.Server{Handler: h, ErrorLog: quiet, ReadHeaderTimeout: patience}
	conf := front.Config{
		TLS:     &tls.Config{Certificates: s.standard.TLS.Certificates, NextProtos: []string{"http/1.1"}},
		Handler: h, Rest: feed.Give, Base: base, HeaderTimeout: patience, IdleTimeout: patience, MaxHeader: 64 << 10,
		State: func(net.Conn, http.ConnState) {}, Log: quiet,
	}
	if change != nil {
		change(&conf)
	}
	s.front = front.New(conf)
	var accepting sync.WaitGroup
	accepting.Go(func() { _ = s.front.Serve(ln) })
	accepting.Go(func() { _ = rest.Serve(feed) })
	s.stop = func(ctx context.Context) error {
		err := s.front.Shutdown(ctx)
		cut()
		if e := s.front.Close(context.Background()); e != nil {
			t.Error(e)
		}
		_ = rest.Close()
		accepting.Wait()
		return err
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.stop(ended)
		s.standard.Close()
	})
	return s
}

func (s *served) clientTLS() *tls.Config {
	return s.standard.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
}

// dial opens a connection to addr, or to the front.
func (s *served) dial(t testing.TB, addr string) *tls.Conn {
	t.Helper()
	if addr == "" {
		addr = s.addr
	}
	c, err := tls.Dial("tcp", addr, s.clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// reply is an answer as a client sees it.
type reply struct {
	Status  int
	Header  http.Header
	Trailer http.Header
	Coding  []string
	Length  int64
	Close   bool
	Body    string
	Broken  bool // the body did not end as it should
}

func readReply(in *bufio.Reader, method string) (reply, error) {
	res, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	res.Header.Del("Date")
	return reply{res.StatusCode, res.Header, res.Trailer, res.TransferEncoding, res.ContentLength, res.Close, string(body), err != nil}, nil
}

// talk sends text and reads all answers until the connection ends. methods are
// those of the requests.
func (s *served) talk(t testing.TB, addr, text string, methods ...string) (all []reply) {
	t.Helper()
	c := s.dial(t, addr)
	_, _ = io.WriteString(c, text) // what is refused need not be read to its end
	in := bufio.NewReader(c)
	for i := 0; ; i++ {
		if i == len(methods) { // nothing more is to come
			_ = c.CloseWrite()
			_, _ = in.Peek(1)
			if in.Buffered() > 0 {
				t.Errorf("an answer too many behind %v", all)
			}
			return all
		}
		r, err := readReply(in, methods[i])
		if err != nil {
			return all
		}
		if all = append(all, r); r.Broken {
			return all
		}
	}
}

// eventually waits until ok, or fails.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
		pause := time.NewTimer(5 * time.Millisecond)
		<-pause.C
	}
}
