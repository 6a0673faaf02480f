package store_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/store/storetest"
)

const (
	// back is how soon service returns after the store: the five seconds that
	// are promised, and five times that for a loaded machine.
	back = 25 * time.Second
	// patience is how long a call may take when the server is gone: the one
	// second that is promised, and five times that for a loaded machine.
	patience = 5 * time.Second
)

func openURL(t testing.TB, url string) store.Store {
	s, err := store.Open(context.Background(), url, nil)
	return opened(t, s, err)
}

// openPatient is openURL without the limit of a second, for all tests but
// those of that limit.
func openPatient(t testing.TB, url string) store.Store {
	s, err := store.OpenPatient(url)
	return opened(t, s, err)
}

func consumeOnce(s store.Store, key string) error {
	return s.Replace(context.Background(), key, nil, []byte{}, time.Now().Add(time.Hour))
}

// refusesQuickly wants each call to fail, and in time. A call may be late because
// the machine is busy, but then not ten times.
func refusesQuickly(t *testing.T, s store.Store, limit time.Duration) {
	t.Helper()
	for name, call := range map[string]func() error{
		"Replace": func() error { return consumeOnce(s, "refused") },
		"Get":     func() error { _, err := s.Get(t.Context(), "k"); return err },
		"List":    func() error { return s.List(t.Context(), "", func(store.Record) bool { return true }) },
		"Ping":    func() error { return s.Ping(t.Context()) },
	} {
		quickest := time.Hour
		for try := 0; try < 10 && quickest > limit; try++ {
			began := time.Now()
			err := call()
			quickest = min(quickest, time.Since(began))
			if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
				t.Errorf("%s without a server: got %v, want an error that says so", name, err)
			}
		}
		if quickest > limit {
			t.Errorf("%s without a server took %v or more, want at most %v", name, quickest, limit)
		}
	}
}

func returns(t *testing.T, s store.Store) {
	t.Helper()
	storetest.Eventually(t, back, func() bool { return s.Ping(t.Context()) == nil })
}

func TestValkeyAbsentAtStart(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	began := time.Now()
	s := openPatient(t, fmt.Sprintf("redis://127.0.0.1:%d", port))
	if took := time.Since(began); took > patience {
		t.Errorf("Open without a server took %v, want it not to wait", took)
	}
	refusesQuickly(t, s, patience)
	c := storetest.Watch(t, s, "")
	server := &server{t: t, port: port}
	server.start()
	returns(t, s)
	if err := consumeOnce(s, "jti"); err != nil {
		t.Errorf("Replace after the server came: got %v, want nil", err)
	}
	c.Reaches(t, back, map[string]string{"jti": ""})
}

func TestValkeyRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := startServer(t, "--appendonly", "yes", "--appendfsync", "always", "--appenddirname", "aof", "--dir", dir)
	s, other := openPatient(t, server.URL()), openPatient(t, fmt.Sprintf("redis://%s/1", server.Address()))
	c := storetest.Watch(t, other, "r:")
	for _, key := range []string{"r:a", "r:b"} {
		if err := consumeOnce(s, key); err != nil {
			t.Fatal(err)
		}
	}
	c.Reaches(t, back, map[string]string{"r:a": "", "r:b": ""})
	server.kill()
	refusesQuickly(t, s, patience)
	server.start()
	returns(t, s)
	returns(t, other)
	if err := consumeOnce(s, "r:a"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("replay over a restart: got %v, want %v", err, store.ErrConflict)
	}
	if err := s.Replace(t.Context(), "r:b", []byte{}, nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := consumeOnce(s, "r:c"); err != nil {
		t.Fatal(err)
	}
	c.Reaches(t, back, map[string]string{"r:a": "", "r:c": ""})
}

// TestValkeyFailover has a server come back that never heard of the last
// change, though its log still has the place at which the watcher was.
func TestValkeyFailover(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--appendonly", "yes", "--appendfsync", "always", "--dir", t.TempDir())
	s := openPatient(t, fmt.Sprintf("redis://%s", server.Address()))
	for _, key := range []string{"r:stays", "r:goes"} {
		if err := consumeOnce(s, key); err != nil {
			t.Fatal(err)
		}
	}
	c := storetest.Watch(t, s, "r:")
	c.Reaches(t, back, map[string]string{"r:stays": "", "r:goes": ""})
	server.kill()
	port := server.port
	server.port = freePort(t)
	server.start()
	server.must("DEL wiretight:{wiretight}:r:r:goes")
	server.kill()
	server.port = port
	server.start()
	c.Reaches(t, back, map[string]string{"r:stays": ""})
}

// TestValkeyHangs stops the server without closing its connections.
func TestValkeyHangs(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openURL(t, server.URL())
	c := storetest.Watch(t, s, "")
	consumed := func() bool { return errors.Is(consumeOnce(s, "jti"), store.ErrConflict) }
	storetest.Eventually(t, 4*back, consumed)
	c.Reaches(t, back, map[string]string{"jti": ""})
	server.signal(syscall.SIGSTOP)
	began := time.Now()
	if err := consumeOnce(s, "other"); err == nil {
		t.Error("Replace on a server that hangs: got nil, want an error")
	}
	if took := time.Since(began); took > patience {
		t.Errorf("first Replace on a server that hangs took %v, want at most %v", took, patience)
	}
	refusesQuickly(t, s, 600*time.Millisecond) // at once, that is without waiting for an answer
	n, since := c.Synced(), time.Now()
	storetest.Eventually(t, back, func() bool { return time.Since(since) > time.Second })
	if got := c.Synced(); got != n {
		t.Errorf("synced while the server hangs: got %d more, want none", got-n)
	}
	server.signal(syscall.SIGCONT)
	storetest.Eventually(t, back, consumed)
	storetest.Eventually(t, back, func() bool { return c.Synced() > n })
}

// TestValkeyCallerGivesUp wants a caller's short deadline to be the caller's
// matter, which neither ends other calls nor takes the store out of service.
func TestValkeyCallerGivesUp(t *testing.T) {
	t.Parallel()
	s := openPatient(t, startServer(t).URL())
	returns(t, s)
	stop := make(chan struct{})
	var hasty sync.WaitGroup
	for i := range 4 {
		hasty.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(20+40*i)*time.Microsecond)
				_ = s.Ping(ctx)
				cancel()
			}
		})
	}
	for i := range 300 {
		if err := consumeOnce(s, fmt.Sprint(i)); err != nil {
			t.Errorf("Replace while other callers give up: got %v, want nil", err)
			break
		}
	}
	close(stop)
	hasty.Wait()
}

// TestValkeyLost empties the server: what watchers have heard stays.
func TestValkeyLost(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openPatient(t, server.URL())
	c := storetest.Watch(t, s, "r:")
	for i := range 20 {
		if err := consumeOnce(s, fmt.Sprintf("r:%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	storetest.Eventually(t, back, func() bool { return len(c.Records()) == 20 })
	server.must("FLUSHALL")
	n := c.Synced()
	storetest.Eventually(t, back, func() bool { return c.Synced() > n+2 })
	// Another pass over everything, as a new connection brings it.
	passes := c.Passes()
	for _, kind := range []string{"normal", "pubsub"} {
		server.must("CLIENT KILL TYPE " + kind)
	}
	storetest.Eventually(t, back, func() bool { return c.Passes() > passes })
	n = c.Synced()
	storetest.Eventually(t, back, func() bool { return c.Synced() > n+2 })
	if got := len(c.Records()); got != 20 || c.Deleted() != 0 {
		t.Fatalf("connected anew after a loss: got %d records and %d deletions, want 20 and 0", got, c.Deleted())
	}
	for i := range 40 {
		if err := consumeOnce(s, fmt.Sprintf("r:new:%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	storetest.Eventually(t, back, func() bool { return len(c.Records()) == 60 })
	server.kill()
	server.start() // without its state again
	returns(t, s)
	n = c.Synced()
	storetest.Eventually(t, back, func() bool { return c.Synced() > n+2 })
	if got := len(c.Records()); got != 60 || c.Deleted() != 0 {
		t.Errorf("after the server lost its state: got %d records and %d deletions, want 60 and 0", got, c.Deleted())
	}
	// What is deleted on purpose is still noticed.
	if err := consumeOnce(s, "r:last"); err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, back, func() bool { return len(c.Records()) == 61 })
	if err := s.Replace(t.Context(), "r:last", []byte{}, nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, back, func() bool { return len(c.Records()) == 60 && c.Deleted() == 1 })
}

// TestValkeyNewLog has another log in the place of the one that is followed,
// and a record gone with the old one: that is a loss, not a deletion.
func TestValkeyNewLog(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openPatient(t, fmt.Sprintf("redis://%s", server.Address()))
	for _, key := range []string{"r:stays", "r:goes"} {
		if err := consumeOnce(s, key); err != nil {
			t.Fatal(err)
		}
	}
	c := storetest.Watch(t, s, "r:")
	c.Reaches(t, back, map[string]string{"r:stays": "", "r:goes": ""})
	server.must(`EVAL "redis.call('DEL','wiretight:{wiretight}:r:r:goes','wiretight:{wiretight}:log') redis.call('XADD','wiretight:{wiretight}:log','1-1','k','x') return 1" 0`)
	n := c.Synced()
	storetest.Eventually(t, back, func() bool { return c.Synced() > n+2 })
	c.Reaches(t, back, map[string]string{"r:stays": "", "r:goes": ""})
}

// TestValkeyLogWithinEpoch wants a deletion to be noticed whose entry was cut
// from a log that is otherwise the same.
func TestValkeyLogWithinEpoch(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openPatient(t, fmt.Sprintf("redis://%s", server.Address()))
	for _, key := range []string{"r:stays", "r:goes"} {
		if err := consumeOnce(s, key); err != nil {
			t.Fatal(err)
		}
	}
	c := storetest.Watch(t, s, "r:")
	c.Reaches(t, back, map[string]string{"r:stays": "", "r:goes": ""})
	// All in one step: delete, log something else, cut all that came before.
	server.must(`EVAL "redis.call('DEL','wiretight:{wiretight}:r:r:goes') local e=redis.call('XREVRANGE','wiretight:{wiretight}:log','+','-','COUNT',1)[1][2] redis.call('XADD','wiretight:{wiretight}:log','*','k','x','m','x','e',e[6]) redis.call('XTRIM','wiretight:{wiretight}:log','MAXLEN',1) return 1" 0`)
	c.Reaches(t, back, map[string]string{"r:stays": ""})
}

// TestValkeyPromoted has a replica become the primary, and fall back.
func TestValkeyPromoted(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openPatient(t, server.URL())
	if err := consumeOnce(s, "a"); err != nil {
		t.Fatal(err)
	}
	server.must("REPLICAOF 127.0.0.1 1")
	if err := consumeOnce(s, "b"); err == nil {
		t.Error("Replace on a replica: got nil, want an error")
	}
	server.must("REPLICAOF NO ONE")
	returns(t, s)
	if err := consumeOnce(s, "b"); err != nil {
		t.Errorf("Replace after promotion: got %v, want nil", err)
	}
}

func TestValkeyFull(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openPatient(t, server.URL())
	if err := consumeOnce(s, "a"); err != nil {
		t.Fatal(err)
	}
	server.must("CONFIG SET maxmemory 1mb")
	for name, err := range map[string]error{"Replace": consumeOnce(s, "b"), "Ping": s.Ping(t.Context())} {
		if !errors.Is(err, store.ErrFull) {
			t.Errorf("%s without memory: got %v, want %v", name, err, store.ErrFull)
		}
	}
	if _, err := s.Get(t.Context(), "b"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get of what was refused: got %v, want %v", err, store.ErrNotFound)
	}
	if err := s.Replace(t.Context(), "a", []byte{}, nil, time.Time{}); err != nil {
		t.Errorf("delete without memory: got %v, want nil", err)
	}
	server.must("CONFIG SET maxmemory 0")
	returns(t, s)
	if err := consumeOnce(s, "b"); err != nil {
		t.Errorf("Replace with memory again: got %v, want nil", err)
	}
}

// TestValkeyForeignRecord has another program write under our names.
func TestValkeyForeignRecord(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openPatient(t, fmt.Sprintf("redis://%s", server.Address()))
	server.must("SET wiretight:{wiretight}:r:short x")
	server.must("LPUSH wiretight:{wiretight}:r:list x")
	server.must("SET " + store.Name("once/short") + " x")
	server.must("LPUSH " + store.Name("once/list") + " x")
	for _, key := range []string{"short", "list", "once/short", "once/list"} {
		if r, err := s.Get(t.Context(), key); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get(%q): got %v, %v, want an error that is not %v", key, r, err, store.ErrNotFound)
		}
		if err := consumeOnce(s, key); err == nil {
			t.Errorf("Replace(%q): got nil, want an error", key)
		}
	}
}

// TestValkeySpeaksNonsense has something else listen at the address.
func TestValkeySpeaksNonsense(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"closes": "", "HTTP": "HTTP/1.1 400 Bad Request\r\n\r\n", "binary": "\x15\x03\x01\x00\x02\x02\x16", "silent": "-",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go serveNonsense(l, answer)
			t.Cleanup(func() { l.Close() })
			refusesQuickly(t, openURL(t, "redis://"+l.Addr().String()), patience)
		})
	}
}

// serveNonsense gives each connection the same answer, or, for "-", none.
func serveNonsense(l net.Listener, answer string) {
	var silent []net.Conn
	for {
		c, err := l.Accept()
		if err != nil {
			break
		}
		if answer == "-" {
			silent = append(silent, c)
			continue
		}
		_, _ = c.Write([]byte(answer))
		c.Close()
	}
	for _, c := range silent {
		c.Close()
	}
}
