package serve_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wiretight/wiretight/internal/serve"
	"github.com/wiretight/wiretight/internal/testproc"
)

// patience is how long a test waits for what should come at once. The machine
// may be busy.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	// The test CA must not wait for fun, nor refuse good nonces for practice.
	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	os.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	goleak.VerifyTestMain(m,
		// The test CA has no way to be stopped.
		goleak.IgnoreAnyFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"),
		// certmagic keeps one rate limiter an account for the life of the
		// process, and looks after a lock until 5 s after its release.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

// records is a log that a test can read while it is written.
type records struct{ testproc.Output }

func (r *records) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// certificates loads t and closes it with the test.
func certificates(t testing.TB, conf serve.TLS) *serve.Certificates {
	t.Helper()
	c, err := serve.NewCertificates(context.Background(), conf, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// start runs a server and takes it down with the test.
func start(t testing.TB, c serve.Config) *serve.Server {
	t.Helper()
	s, err := serve.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(0) })
	return s
}

// secure is a config of one TLS listener, named tls.
func secure(c *serve.Certificates, h http.Handler) serve.Config {
	return serve.Config{Listeners: []serve.Listener{{Name: "tls", Addr: "127.0.0.1:0", TLS: c.Config(), Handler: h}}}
}

// plain is a config of one plaintext listener, named plain.
func plain(h http.Handler) serve.Config {
	return serve.Config{Listeners: []serve.Listener{{Name: "plain", Addr: "127.0.0.1:0", Handler: h}}}
}

func text(s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, s) })
}

// ask makes one connection and one HTTP/1.1 request on it, and returns the TLS
// state and the answer's body. With TLS 1.3 only the answer shows whether the
// server has accepted us.
func ask(addr string, config *tls.Config) (tls.ConnectionState, string, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: config}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return tls.ConnectionState{}, "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"); err != nil {
		return tls.ConnectionState{}, "", err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return tls.ConnectionState{}, "", err
	}
	body, err := io.ReadAll(res.Body)
	return c.(*tls.Conn).ConnectionState(), string(body), err
}

// client is an http.Client that trusts the CA, for any host name.
func client(t testing.TB, config *tls.Config, http2 bool) *http.Client {
	t.Helper()
	var p http.Protocols
	p.SetHTTP1(!http2)
	p.SetHTTP2(http2)
	tr := &http.Transport{TLSClientConfig: config.Clone(), Protocols: &p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// eventually waits until ok, or fails.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
		pause()
	}
}

// pause lets a poll not burn the processor.
func pause() {
	timer := time.NewTimer(5 * time.Millisecond)
	<-timer.C
}

// count counts the lines that contain s.
func count(text, s string) int {
	n := 0
	for line := range strings.Lines(text) {
		if strings.Contains(line, s) {
			n++
		}
	}
	return n
}
