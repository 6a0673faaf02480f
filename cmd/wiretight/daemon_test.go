package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/testproc"
)

func TestGuardByFlagsAlone(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	g := b.start("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--host", testHost,
		"--cert", "cert.pem", "--key", "key.pem", "--upstream", b.upstream.URL,
		"--jwks", "jwks.json", "--issuer", testIssuer, "--audience", testAudience, "--algorithm", "ES256",
		"--public", "/open", "--store", "memory:", "--log-format", "json")
	g.want(401, "/", "")
	g.want(401, "/", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.")
	g.want(200, "/open", "")
	g.want(200, "/", b.mint(nil))
	g.want(401, "/", b.mint(map[string]any{"exp": time.Now().Add(-time.Hour).Unix(), "iat": time.Now().Add(-2 * time.Hour).Unix()}))
	g.stop()
	if got := strings.Count(g.log.String(), "wiretight: ready"); got != 1 {
		t.Errorf("got %d ready lines, want 1", got)
	}
}

// TestReadyInTime takes the best of several starts: the machine may be busy.
func TestReadyInTime(t *testing.T) {
	t.Parallel()
	const limit = 150 * time.Millisecond
	b := newBed(t)
	b.config("")
	best := time.Hour
	for range 20 {
		g := b.start("-c", "wiretight.yaml")
		best = min(best, g.took)
		g.stop()
		if best < limit/2 {
			break
		}
	}
	t.Logf("from start to ready: %v", best)
	if best > limit {
		t.Errorf("got %v from start to ready, want at most %v", best, limit)
	}
}

func TestTermLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", h2), func(t *testing.T) {
			t.Parallel()
			termLetsRequestsEnd(t, h2)
		})
	}
}

func termLetsRequestsEnd(t *testing.T, h2 bool) {
	b := newBed(t)
	entered, release := make(chan struct{}), make(chan struct{})
	b.handle = func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = w.Write([]byte("late"))
	}
	b.config("")
	g := b.start("-c", "wiretight.yaml")
	g.client.Transport.(*http.Transport).ForceAttemptHTTP2 = h2
	type reply struct {
		status int
		body   string
		err    error
	}
	replies := make(chan reply, 1)
	raw := b.mint(nil)
	go func() {
		status, body, err := g.ask(g.client, "/", raw)
		replies <- reply{status, body, err}
	}()
	<-entered
	g.signal(syscall.SIGTERM)
	eventually(t, "new connections are refused", func() bool {
		c, err := net.Dial("tcp", g.addr)
		if err == nil {
			_ = c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	if status, body := g.ops("/-/readyz"); status != 503 || !strings.Contains(body, "shutting down") {
		t.Errorf("got readiness %d %s while draining, want 503 and the reason", status, body)
	}
	if status, _ := g.ops("/-/healthz"); status != 200 {
		t.Errorf("got health %d while draining, want 200", status)
	}
	g.signal(syscall.SIGTERM) // impatience changes nothing
	close(release)
	if r := <-replies; r.err != nil || r.status != 200 || r.body != "late" {
		t.Errorf("got %+v for the request that ran, want its answer", r)
	}
	g.end(0)
	if _, err := os.Stat(b.path("wiretight-data/admin.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v for the control socket, want it gone", err)
	}
}

// load asks without pause over a fixed number of kept connections.
type load struct {
	stop   chan struct{}
	done   sync.WaitGroup
	asked  atomic.Int64
	dialed atomic.Int64
	failed atomic.Pointer[string]
}

func (g *instance) load(clients int, raw string) *load {
	l := &load{stop: make(chan struct{})}
	for i := range clients {
		c := g.newClient()
		tr := c.Transport.(*http.Transport)
		tr.ForceAttemptHTTP2 = i%2 == 1
		dial := tr.DialContext
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			l.dialed.Add(1)
			return dial(ctx, network, addr)
		}
		l.done.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				status, body, err := g.ask(c, "/", raw)
				if err != nil || status != 200 {
					what := fmt.Sprintf("%d %s %v", status, body, err)
					l.failed.CompareAndSwap(nil, &what)
				}
				l.asked.Add(1)
			}
		})
	}
	return l
}

// more waits until some more requests have been answered.
func (l *load) more(t *testing.T) {
	t.Helper()
	from := l.asked.Load()
	eventually(t, "load goes on", func() bool { return l.asked.Load() > from+20 })
}

func (l *load) end(t *testing.T, clients int) {
	t.Helper()
	close(l.stop)
	l.done.Wait()
	if what := l.failed.Load(); what != nil {
		t.Errorf("a request under load got %s", *what)
	}
	if got := l.dialed.Load(); got != int64(clients) {
		t.Errorf("got %d connections for %d clients, want that none was dropped", got, clients)
	}
	t.Logf("%d requests over %d connections", l.asked.Load(), clients)
}

func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	next := newSigner(t, "key-2")
	b.write("jwks.json", jwks(b.signer, next))
	b.config("")
	g := b.start("-c", "wiretight.yaml")
	const clients = 4
	l := g.load(clients, b.mintWith(next, nil))
	reloads := func() int { return strings.Count(g.log.String(), `"configuration reloaded"`) }

	g.signal(syscall.SIGHUP)
	eventually(t, "SIGHUP reloads", func() bool { return reloads() == 1 })
	l.more(t)

	// The keys: the first one goes.
	g.want(200, "/", b.mint(nil))
	b.write("jwks.json", jwks(next))
	eventually(t, "the key file is reloaded", func() bool { s, _ := g.get("/", b.mint(nil)); return s == 401 })
	l.more(t)

	// The certificate.
	serial := b.ca.write(t, b.path("cert.pem"), b.path("key.pem"))
	eventually(t, "the certificate is reloaded", func() bool { return g.serial().Cmp(serial) == 0 })
	l.more(t)

	// The configuration.
	g.want(401, "/open", "")
	b.config("routes: [{path: /open, public: true}]")
	eventually(t, "the configuration is reloaded", func() bool { s, _ := g.get("/open", ""); return s == 200 })
	l.more(t)
	l.end(t, clients)
	g.stop()
}

// serial is that of the certificate that a new connection sees.
func (g *instance) serial() *big.Int {
	g.bed.t.Helper()
	c := g.newClient().Transport.(*http.Transport).TLSClientConfig.Clone()
	c.ServerName = testHost
	conn, err := tls.Dial("tcp", g.addr, c)
	if err != nil {
		g.bed.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber
}

func TestBadChangeIsRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		spoil func(*bed)
		mend  func(*bed)
		says  string
	}{
		{
			"unknown key", func(b *bed) { b.config("mod: observe") }, func(b *bed) { b.config("routes: [{path: /open, public: true}]") },
			`wiretight.yaml:8:1: unknown key \"mod\"`,
		},
		{
			"found by the guard", func(b *bed) { b.config("routes: [{path: /a, upstream: none}]") }, func(b *bed) { b.config("routes: [{path: /open, public: true}]") },
			`wiretight.yaml:8:`,
		},
		{
			"no YAML", func(b *bed) { b.write("wiretight.yaml", []byte("{{{")) }, func(b *bed) { b.config("routes: [{path: /open, public: true}]") },
			`wiretight.yaml:2:1: is not YAML`,
		},
		{
			"key set without a key", func(b *bed) { b.write("jwks.json", []byte(`{"keys": []}`)) },
			func(b *bed) {
				b.write("jwks.json", jwks(b.signer))
				b.config("routes: [{path: /open, public: true}]")
			}, `wiretight.yaml:6:`,
		},
		{
			"certificate of nobody", func(b *bed) { b.write("cert.pem", []byte("garbage")) },
			func(b *bed) {
				b.ca.write(b.t, b.path("cert.pem"), b.path("key.pem"))
				b.config("routes: [{path: /open, public: true}]")
			}, `wiretight.yaml:4:29: certificate and key cannot be used`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.config("")
			g := b.start("-c", "wiretight.yaml")
			raw := b.mint(nil)
			g.want(200, "/", raw)
			before := g.serial()
			tc.spoil(b)
			g.says(" refused, the old")
			g.says(tc.says)
			g.want(200, "/", raw)
			g.want(401, "/", "")
			if got := g.serial(); got.Cmp(before) != 0 {
				t.Error("got another certificate, want the old one")
			}
			tc.mend(b)
			eventually(t, "the mended files are taken over", func() bool { s, _ := g.get("/open", ""); return s == 200 })
			g.stop()
		})
	}
}

func TestReloadSaysWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("")
	g := b.start("-c", "wiretight.yaml")
	b.config("store: \"memory:\"\nrate_limit: {auth_failures: 7/m}")
	g.says(`"keys":"rate_limit.auth_failures, store"`)
	g.want(200, "/", b.mint(nil))
	g.stop()
}

func TestStartIsRefused(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() })
	for _, tc := range []struct {
		name    string
		prepare func(*bed)
		args    []string
		code    int
		says    []string
	}{
		{"no configuration", nil, nil, exitUsage, []string{"upstream"}},
		{"missing file", nil, []string{"-c", "none.yaml"}, exitUsage, []string{"none.yaml: cannot be read"}},
		{"mistakes", func(b *bed) { b.config("mod: x\nmode: lax") }, []string{"-c", "wiretight.yaml"}, exitUsage, []string{"wiretight.yaml:8:1:", "wiretight.yaml:9:"}},
		{"address taken", func(b *bed) { b.config("") }, []string{"-c", "wiretight.yaml", "--listen", busy.Addr().String()}, exitFailed, []string{busy.Addr().String(), "address already in use"}},
		{"store of another program", func(b *bed) {
			b.config("")
			b.write("other.db", []byte(strings.Repeat("no database", 1000)))
		}, []string{"-c", "wiretight.yaml", "--store", "bolt://other.db"}, exitFailed, []string{"other.db"}},
		{"authorizer's address taken", func(b *bed) {
			b.config("authorizer: {grpc: \"" + busy.Addr().String() + "\", trusted_peers: [127.0.0.0/8]}")
		}, []string{"-c", "wiretight.yaml"}, exitFailed, []string{authorizerGRPC, "address already in use"}},
		{"wrong flag", nil, []string{"--nosuch"}, exitUsage, []string{"unknown flag: --nosuch", "wiretight guard --help"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			if tc.prepare != nil {
				tc.prepare(b)
			}
			g := b.launch(nil, tc.args...)
			g.end(tc.code)
			for _, want := range tc.says {
				if !strings.Contains(g.log.String(), want) {
					t.Errorf("got %q, want %q in it", g.log.String(), want)
				}
			}
			if readyLine.MatchString(g.log.String()) {
				t.Errorf("got %q, want no ready line", g.log.String())
			}
		})
	}
}

func TestSecondGuardOnTheSameStore(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("")
	first := b.start("-c", "wiretight.yaml")
	second := b.launch(nil, "-c", "wiretight.yaml")
	second.end(exitFailed)
	if got := second.log.String(); !strings.Contains(got, `state.db": the file is locked; is another wiretight running?`) {
		t.Errorf("got %q, want that the store is another's", got)
	}
	first.want(200, "/", b.mint(nil))
	if code, out := b.verb("revoke", "--jti", "x"); code != 0 {
		t.Errorf("got exit %d, %q: the second guard has taken the first one's socket", code, out)
	}
	first.stop()
}

func TestLogWithoutReader(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("")
	g := b.start("-c", "wiretight.yaml")
	g.stop()
	// The same again, with a log whose reader goes away.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h := &instance{bed: b, ended: make(chan struct{})}
	h.cmd = commandTo(t, b, w, "-c", "wiretight.yaml", "--listen", g.addr)
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	go func() {
		defer close(h.ended)
		_ = h.cmd.Wait() // the code is looked at below
		h.code = h.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() { _ = h.cmd.Process.Kill(); <-h.ended })
	h.addr = g.addr
	h.client = h.newClient()
	raw := b.mint(nil)
	eventually(t, "the guard answers", func() bool { s, _, err := h.ask(h.client, "/", raw); return err == nil && s == 200 })
	_ = r.Close()
	for range 5 {
		h.want(200, "/", raw)
		h.want(401, "/", "")
	}
	h.signal(syscall.SIGHUP)
	h.want(200, "/", raw)
	h.stop()
}

// TestNothingIsLeft runs a guard in this process. It must not run beside others.
func TestNothingIsLeft(t *testing.T) {
	b := newBed(t)
	file := b.config("plaintext: \"127.0.0.1:0\"")
	b.write("wiretight.yaml", []byte(strings.ReplaceAll(read(t, file), "log:", "store: \"memory:\"\nlog:")))
	ignore := goleak.IgnoreCurrent()
	t.Chdir(b.dir)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		var log testproc.Output
		done := make(chan error, 1)
		go func() { done <- runGuard(ctx, file, config.Flags{}, nil, &log) }()
		eventually(t, "the guard is ready", func() bool { return readyLine.MatchString(log.String()) })
		g := &instance{bed: b, addr: readyLine.FindStringSubmatch(log.String())[1]}
		g.client = g.newClient()
		g.want(200, "/", b.mint(nil))
		g.client.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		b.noToken("the log", log.String())
	}
	b.upstream.CloseClientConnections()
	goleak.VerifyNone(t, ignore)
}
