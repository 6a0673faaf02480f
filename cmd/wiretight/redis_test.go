package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/port"
)

// redis is a real server on a port of its own, started and killed at will.
type redis struct {
	t    testing.TB
	port string
	cmd  *exec.Cmd
	dir  string
}

func newRedis(t testing.TB) *redis {
	t.Helper()
	_, number, _ := net.SplitHostPort(port.Keep(t))
	return &redis{t: t, port: number, dir: t.TempDir()}
}

func (r *redis) url() string { return "redis://127.0.0.1:" + r.port }

func (r *redis) start() {
	r.t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		r.t.Fatal("redis-server is missing; install it with: apt-get install redis-server")
	}
	r.cmd = exec.Command(path, "--port", r.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir", r.dir)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	cmd := r.cmd
	r.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(r.t, "redis accepts", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+r.port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

func (r *redis) kill() {
	r.t.Helper()
	if err := r.cmd.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	_ = r.cmd.Wait() // it was killed, and says so
}

// recovery is the five seconds in which service returns after the store, five
// times over for a machine that is busy.
const recovery = 25 * time.Second

// redisRoutes have a copy of the revocations that is believed for longer than a
// busy machine may stall between two questions of a test.
const redisRoutes = "routes: [{path: /open, public: true}, {path: /pay, once: true}]\nstore_staleness: 8s\n"

func TestStoreAbsentAtStart(t *testing.T) {
	t.Parallel()
	b, r := newBed(t), newRedis(t)
	b.config(redisRoutes + "store: " + r.url())
	g := b.start("-c", "wiretight.yaml")
	raw := b.mint(nil)
	if status, ready := g.readiness(); status != 503 || len(ready.Reasons) == 0 || !strings.Contains(ready.Reasons[0], "store") {
		t.Errorf("got %d %+v, want 503 and the store as reason", status, ready)
	}
	g.want(503, "/", raw)
	g.want(503, "/pay", b.mint(nil))
	g.want(401, "/", "")
	g.want(200, "/open", "")
	if code, out := b.verb("revoke", "--jti", "x", "-c", "wiretight.yaml"); code != exitFailed || !strings.Contains(out, "revoke:") {
		t.Errorf("got exit %d, %q for a revocation that nobody took, want 3", code, out)
	}
	r.start()
	took := within(t, recovery, "service has come by itself", func() bool { s, _ := g.get("/", raw); return s == 200 })
	t.Logf("service %v after the store", took)
	within(t, recovery, "the guard is ready", func() bool { s, _ := g.readiness(); return s == 200 })
	g.want(200, "/pay", raw)
	g.want(401, "/pay", raw)
	g.stop()
}

func TestStoreLostAndFound(t *testing.T) {
	t.Parallel()
	b, r := newBed(t), newRedis(t)
	r.start()
	b.config(redisRoutes + "store: " + r.url())
	g := b.start("-c", "wiretight.yaml")
	raw, revoked, spent := b.mint(nil), b.mint(map[string]any{"jti": "gone"}), b.mint(nil)
	g.want(200, "/", raw)
	g.want(200, "/pay", spent)
	b.revoke("--jti", "gone", "-c", "wiretight.yaml")
	g.refusedWithin(soon, revoked)

	r.kill()
	begin := time.Now()
	g.want(503, "/pay", b.mint(nil))
	if took := time.Since(begin); took > soon {
		t.Errorf("got the answer of a once route after %v, want it at once", took)
	}
	g.want(200, "/", raw) // the copy is young enough
	g.want(401, "/", revoked)
	within(t, 2*patience, "the copy is too old to be believed", func() bool { s, _ := g.get("/", raw); return s == 503 })
	if took := time.Since(begin); took < time.Second {
		t.Errorf("got tokens refused after %v, want them believed for store_staleness", took)
	}
	if status, _ := g.readiness(); status != 503 {
		t.Errorf("got readiness %d without a store, want 503", status)
	}
	g.want(200, "/open", "")

	r.start()
	took := within(t, recovery, "service has come back by itself", func() bool { s, _ := g.get("/", raw); return s == 200 })
	t.Logf("service %v after the store", took)
	g.want(401, "/", revoked)
	g.want(401, "/pay", spent)
	g.want(200, "/pay", b.mint(nil))
	within(t, recovery, "the guard is ready again", func() bool { s, _ := g.readiness(); return s == 200 })
	g.stop()
}

func TestTwoGuardsShareAStore(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	r.start()
	one, two := newBed(t), newBed(t)
	two.signer = one.signer
	two.write("jwks.json", jwks(one.signer))
	one.config(redisRoutes + "store: " + r.url())
	two.config(redisRoutes + "store: " + r.url())
	g, h := one.start("-c", "wiretight.yaml"), two.start("-c", "wiretight.yaml")

	for i := range 5 {
		raw := one.mint(map[string]any{"jti": fmt.Sprint("j", i)})
		g.want(200, "/", raw)
		h.want(200, "/", raw)
		one.revoke("--jti", fmt.Sprint("j", i), "-c", "wiretight.yaml")
		h.refusedWithin(soon, raw)
		g.refusedWithin(soon, raw)
	}
	// A verb that talks to the store alone.
	raw := one.mint(map[string]any{"sid": "s"})
	h.want(200, "/", raw)
	three := newBed(t)
	three.revoke("--sid", "s", "--store", r.url())
	g.refusedWithin(soon, raw)
	h.refusedWithin(soon, raw)

	for range 5 {
		raw := one.mint(nil)
		var passed, refused atomic.Int64
		var all sync.WaitGroup
		for i := range 32 {
			at := []*instance{g, h}[i%2]
			all.Go(func() {
				switch status, body, err := at.ask(at.client, "/pay", raw); {
				case err == nil && status == 200:
					passed.Add(1)
				case err == nil && status == 401:
					refused.Add(1)
				default:
					t.Errorf("got %d %s %v on a once route", status, body, err)
				}
			})
		}
		all.Wait()
		if passed.Load() != 1 || refused.Load() != 31 {
			t.Errorf("got %d passed and %d refused, want exactly one of 32 to pass", passed.Load(), refused.Load())
		}
	}
	g.stop()
	h.stop()
}

// TestGuardsInOnePlace holds that a shared store needs no socket of one's own.
func TestGuardsInOnePlace(t *testing.T) {
	t.Parallel()
	b, r := newBed(t), newRedis(t)
	r.start()
	b.config(redisRoutes + "store: " + r.url())
	first, second := b.start("-c", "wiretight.yaml"), b.start("-c", "wiretight.yaml")
	second.says("there is no control socket")
	raw := b.mint(map[string]any{"jti": "j"})
	first.want(200, "/", raw)
	second.want(200, "/", raw)
	b.revoke("--jti", "j", "-c", "wiretight.yaml")
	second.refusedWithin(soon, raw)
	first.refusedWithin(soon, raw)
	second.stop()
	b.revoke("--jti", "k", "-c", "wiretight.yaml") // the socket is still the first one's
	first.stop()

	b.write("no-directory", nil)
	if err := os.RemoveAll(b.path("wiretight-data")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(b.path("no-directory"), b.path("wiretight-data")); err != nil {
		t.Fatal(err)
	}
	g := b.start("-c", "wiretight.yaml")
	g.says("there is no control socket")
	raw = b.mint(map[string]any{"jti": "l"})
	g.want(200, "/", raw)
	b.revoke("--jti", "l", "-c", "wiretight.yaml")
	g.refusedWithin(soon, raw)
	g.stop()
}
