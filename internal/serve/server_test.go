package serve_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/wiretight/wiretight/internal/port"
	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/internal/serve"
)

// oneCert is a server certificate for a.test and a client's config for it.
func oneCert(t testing.TB) (*serve.Certificates, *tls.Config) {
	t.Helper()
	ca := newCA(t, "ca")
	c := certificates(t, serve.TLS{Certificates: []serve.CertFile{ca.files(t, spec{names: []string{"a.test"}})}})
	return c, &tls.Config{RootCAs: ca.pool(), ServerName: "a.test"}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	h := text("")
	for _, tc := range []struct {
		name string
		conf serve.Config
		want []string
	}{
		{"nothing", serve.Config{}, []string{"no listener"}},
		{"nameless", serve.Config{Listeners: []serve.Listener{{Addr: ":0", Handler: h}}}, []string{"name and address"}},
		{"no handler", serve.Config{Listeners: []serve.Listener{{Name: "a", Addr: ":0"}}}, []string{`"a" has no handler`}},
		{"twice and negative", serve.Config{
			Listeners:         []serve.Listener{{Name: "a", Addr: ":0", Handler: h}, {Name: "a", Addr: ":0", Handler: h}},
			ReadHeaderTimeout: -1, IdleTimeout: -1, MaxConns: -1, MaxHalfOpen: -1, MaxHeaderBytes: -1,
		}, []string{"named twice", "read header timeout", "idle timeout", "connection limit", "half-open limit", "header limit"}},
	} {
		_, err := serve.New(tc.conf)
		if err == nil {
			t.Errorf("%s: got no error", tc.name)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %q, want %q in it", tc.name, err, want)
			}
		}
	}
}

func TestStartAllOrNothing(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	freeAddr := port.Keep(t)
	s, err := serve.New(serve.Config{Listeners: []serve.Listener{
		{Name: "one", Addr: freeAddr, Handler: text("")},
		{Name: "two", Addr: busy.Addr().String(), Handler: text("")},
		{Name: "three", Addr: "nonsense", Handler: text("")},
		{Name: "four", Addr: "192.0.2.1:0", Handler: text("")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Start(t.Context())
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		`"two"`, busy.Addr().String(), fmt.Sprintf("held by process %d", os.Getpid()),
		`"three"`, "host:port", `"four"`, "no interface",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
	if c, err := net.DialTimeout("tcp", freeAddr, patience); err == nil {
		_ = c.Close()
		t.Error("a listener stayed open after Start had refused")
	}
	if s.Start(t.Context()) == nil {
		t.Error("got no error from a second Start")
	}
	if err := s.Shutdown(time.Second); err != nil {
		t.Errorf("shutdown after a refused start: %v", err)
	}
}

func TestServesBothProtocols(t *testing.T) {
	t.Parallel()
	certs, config := oneCert(t)
	s := start(t, secure(certs, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Proto, r.TLS.ServerName)
	})))
	for _, tc := range []struct {
		h2   bool
		want string
	}{{false, "HTTP/1.1 a.test"}, {true, "HTTP/2.0 a.test"}} {
		res, err := client(t, config, tc.h2).Get("https://" + s.Addr("tls").String())
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(got) != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	if s.Addr("nobody") != nil {
		t.Error("got an address for a listener that is not there")
	}
}

// closedAfter reads until the peer closes, and says how long that took.
func closedAfter(t *testing.T, c net.Conn) time.Duration {
	t.Helper()
	begin := time.Now()
	_ = c.SetReadDeadline(begin.Add(patience))
	if _, err := io.Copy(io.Discard, c); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("connection still open after %v", time.Since(begin))
	}
	return time.Since(begin)
}

func TestSlowPeersAreClosed(t *testing.T) {
	t.Parallel()
	certs, config := oneCert(t)
	// Long enough for a handshake on a busy machine, shorter than the defaults.
	const limit = 3 * time.Second
	conf := secure(certs, text(""))
	conf.Listeners = append(conf.Listeners, serve.Listener{Name: "plain", Addr: "127.0.0.1:0", Handler: text("")})
	conf.ReadHeaderTimeout, conf.IdleTimeout = limit, limit
	s := start(t, conf)

	dial := func(t *testing.T, name string) net.Conn {
		t.Helper()
		c, err := net.DialTimeout("tcp", s.Addr(name).String(), patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	shake := func(t *testing.T, protocol string) net.Conn {
		t.Helper()
		conf := config.Clone()
		conf.NextProtos = []string{protocol}
		c := tls.Client(dial(t, "tls"), conf)
		if err := c.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, tc := range []struct {
		name string
		open func(t *testing.T) net.Conn
	}{
		{"silent on plain", func(t *testing.T) net.Conn { return dial(t, "plain") }},
		{"silent on TLS", func(t *testing.T) net.Conn { return dial(t, "tls") }},
		{"half a hello", func(t *testing.T) net.Conn {
			c := dial(t, "tls")
			_, _ = c.Write([]byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01})
			return c
		}},
		{"half a header", func(t *testing.T) net.Conn {
			c := shake(t, "http/1.1")
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.te")
			return c
		}},
		{"dripping a header", func(t *testing.T) net.Conn {
			c := dial(t, "plain")
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n")
			go func() {
				drip := time.NewTicker(limit / 10)
				defer drip.Stop()
				for range drip.C {
					if _, err := io.WriteString(c, "x"); err != nil {
						return
					}
				}
			}()
			return c
		}},
		{"idle after a request", func(t *testing.T) net.Conn {
			c := shake(t, "http/1.1")
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			return c
		}},
		{"idle in HTTP/2", func(t *testing.T) net.Conn {
			c := shake(t, "h2")
			_, _ = io.WriteString(c, http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
			return c
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if took := closedAfter(t, tc.open(t)); took > 3*limit {
				t.Errorf("closed after %v, want about %v", took, limit)
			}
		})
	}
}

func TestOversizedHeader(t *testing.T) {
	t.Parallel()
	certs, config := oneCert(t)
	conf := secure(certs, text("hello"))
	conf.Listeners = append(conf.Listeners, serve.Listener{Name: "plain", Addr: "127.0.0.1:0", Handler: text("hello")})
	s := start(t, conf)
	for _, tc := range []struct {
		name string
		url  string
		h2   bool
		size int
		want int
	}{
		{"plain, fits", "http://" + s.Addr("plain").String(), false, 60 << 10, 200},
		{"plain, too large", "http://" + s.Addr("plain").String(), false, 72 << 10, 431},
		{"TLS, fits", "https://" + s.Addr("tls").String(), false, 60 << 10, 200},
		{"TLS, too large", "https://" + s.Addr("tls").String(), false, 72 << 10, 431},
		{"HTTP/2, fits", "https://" + s.Addr("tls").String(), true, 60 << 10, 200},
		{"HTTP/2, too large", "https://" + s.Addr("tls").String(), true, 72 << 10, 431},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tc.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range tc.size >> 12 {
				req.Header.Set(fmt.Sprintf("X-Large-%d", i), strings.Repeat("x", 4<<10-60))
			}
			res, err := client(t, config, tc.h2).Do(req)
			if tc.h2 && tc.want == 431 && err != nil && strings.Contains(err.Error(), "header list") {
				return // the client obeys the limit that the server announced
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != tc.want {
				t.Errorf("got %d, want %d", res.StatusCode, tc.want)
			}
		})
	}
}

func TestWrongProtocol(t *testing.T) {
	t.Parallel()
	certs, config := oneCert(t)
	var log records
	conf := secure(certs, text(""))
	conf.Listeners = append(conf.Listeners, serve.Listener{Name: "plain", Addr: "127.0.0.1:0", Handler: text("")})
	// However long this takes: of one kind there is one record in ten seconds.
	conf.Logger, conf.Now = log.logger(), (&clock{now: time.Now()}).Now
	s := start(t, conf)

	t.Run("HTTP on the TLS port", func(t *testing.T) {
		res, err := client(t, nil, false).Get("http://" + s.Addr("tls").String())
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 400 || !strings.Contains(string(body), "HTTP request to an HTTPS server") {
			t.Errorf("got %d %q, want 400 and the reason", res.StatusCode, body)
		}
	})
	t.Run("TLS on the plaintext port", func(t *testing.T) {
		if _, _, err := ask(s.Addr("plain").String(), config); err == nil {
			t.Error("got no error")
		}
	})
	t.Run("garbage", func(t *testing.T) {
		for i := range 100 {
			for _, name := range []string{"tls", "plain"} {
				c, err := net.DialTimeout("tcp", s.Addr(name).String(), patience)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(c, "%c garbage %d eyJhbGciOi\r\n\x00\r\n\r\n", i, i)
				closedAfter(t, c)
				_ = c.Close()
			}
		}
	})
	got := log.String()
	if n := count(got, "kind=handshake"); n != 1 {
		t.Errorf("got %d records of handshakes, want 1:\n%s", n, got)
	}
	if n := count(got, "\n"); n > 2 {
		t.Errorf("got %d records, want 2 at most:\n%s", n, got)
	}
}

func TestLogCountsWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	certs, _ := oneCert(t)
	var log records
	time0 := &clock{now: time.Now()}
	conf := secure(certs, text(""))
	conf.Logger, conf.Now = log.logger(), time0.Now
	s := start(t, conf)
	garbage := func() {
		t.Helper()
		c, err := net.DialTimeout("tcp", s.Addr("tls").String(), patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "garbage, garbage")
		closedAfter(t, c)
	}
	for range 4 {
		garbage()
	}
	time0.pass(11 * time.Second)
	eventually(t, "the sum is logged", func() bool {
		garbage()
		time0.pass(11 * time.Second)
		return count(log.String(), "left_out=3") == 1
	})
}

func TestPanicIsLogged(t *testing.T) {
	t.Parallel()
	var log records
	conf := plain(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("ouch") }))
	conf.Logger = log.logger()
	s := start(t, conf)
	if _, err := client(t, nil, false).Get("http://" + s.Addr("plain").String()); err == nil {
		t.Error("got an answer from a handler that panics")
	}
	eventually(t, "the panic is logged", func() bool {
		return strings.Contains(log.String(), "level=ERROR") && strings.Contains(log.String(), "ouch")
	})
}

// TestLogThroughRedaction has a token in the value of a panic, where the log's
// own handler must find it.
func TestLogThroughRedaction(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLW9mLXRoZS1jYW5hcnk"
	var log records
	conf := plain(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { panic(r.Header.Get("Authorization")) }))
	conf.Logger = slog.New(redact.NewHandler(slog.NewTextHandler(&log, nil)))
	s := start(t, conf)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr("plain").String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if _, err := client(t, nil, false).Do(req); err == nil {
		t.Error("got an answer from a handler that panics")
	}
	eventually(t, "the panic is logged", func() bool { return strings.Contains(log.String(), "kind=panic") })
	for _, part := range strings.Split(token, ".")[1:] {
		if strings.Contains(log.String(), part) {
			t.Errorf("got %q of the token in the log", part)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "admin.sock")
	conf := serve.Config{Listeners: []serve.Listener{{Name: "admin", Addr: "unix://" + path, Handler: text("hello")}}}
	s := start(t, conf)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v and error %v, want 0600", info.Mode(), err)
	}
	h := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
	res, err := h.Get("http://admin/")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()

	again, err := serve.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "another process answers there") {
		t.Errorf("got %v, want the socket to be in use", err)
	}
	if err := s.Shutdown(time.Second); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("got %v left behind, want nothing", left)
	}
}

func TestUnixSocketReplacesOnlySockets(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	conf := serve.Config{Listeners: []serve.Listener{{Name: "admin", Addr: "unix://" + path, Handler: text("hello")}}}
	// What a killed process leaves behind.
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = dead.Close()
	s := start(t, conf)
	if err := s.Shutdown(time.Second); err != nil {
		t.Error(err)
	}

	write(t, path, []byte("precious"))
	s, err = serve.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("got %v, want the file to be kept", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "precious" {
		t.Errorf("got %q in the file, want it untouched", got)
	}
}

// answer reads one HTTP answer's head from a raw connection.
func answer(t *testing.T, c net.Conn) *http.Response {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
