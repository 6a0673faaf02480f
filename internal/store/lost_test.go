package store_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/store/storetest"
)

// TestValkeyTellsOfLosses takes records away behind the store's back, and wants
// a key that is used a second time to be known as worth nothing by the time
// that Replace returns.
func TestValkeyTellsOfLosses(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]string{
		"emptied":        "redis.call('FLUSHALL')",
		"another count":  "redis.call('DEL', KEYS[1]) redis.call('SET', KEYS[2], 'x-9')",
		"an older copy":  "redis.call('DEL', KEYS[1]) local e, n = string.match(redis.call('GET', KEYS[2]), '(%w+)-(%d+)') redis.call('SET', KEYS[2], e .. '-' .. (n-3))",
		"its last write": "redis.call('DEL', KEYS[1]) local e, n = string.match(redis.call('GET', KEYS[2]), '(%w+)-(%d+)') redis.call('SET', KEYS[2], e .. '-' .. (n-1))",
	} {
		for _, key := range []string{"jti", "once/jti"} {
			t.Run(name+", "+key, func(t *testing.T) {
				t.Parallel()
				server := startServer(t)
				s := openPatient(t, "redis://"+server.Address())
				for i := range 1000 {
					if err := consumeOnce(s, fmt.Sprintf("once/%d", i)); err != nil {
						t.Fatal(err)
					}
				}
				for i := range 3 {
					if err := consumeOnce(s, fmt.Sprint(i)); err != nil {
						t.Fatal(err)
					}
				}
				used := time.Now()
				if err := consumeOnce(s, key); err != nil {
					t.Fatal(err)
				}
				if lost := s.Lost(); !lost.IsZero() {
					t.Errorf("before the loss: got %v, want none", lost)
				}
				server.must(fmt.Sprintf(`EVAL "%s return 1" 2 %s %s`, lose, store.Name(key), store.CountName(key)))
				if err := consumeOnce(s, key); err != nil {
					t.Fatalf("second use: got %v, want nil: else this test tells nothing", err)
				}
				if lost := s.Lost(); !used.Before(lost) {
					t.Errorf("after the second use: got loss %v, want one after %v", lost, used)
				}
			})
		}
	}
}

// TestValkeyTellsOfOthersLosses has one instance use a token that another one
// has used before the server was emptied.
func TestValkeyTellsOfOthersLosses(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s, other := openPatient(t, "redis://"+server.Address()), openPatient(t, "redis://"+server.Address())
	returns(t, s)
	returns(t, other)
	used := time.Now()
	if err := consumeOnce(s, "once/jti"); err != nil {
		t.Fatal(err)
	}
	server.must("FLUSHALL")
	if err := consumeOnce(other, "once/jti"); err != nil {
		t.Fatalf("second use: got %v, want nil: else this test tells nothing", err)
	}
	if lost := other.Lost(); !used.Before(lost) {
		t.Errorf("after the second use: got loss %v, want one after %v", lost, used)
	}
}

// TestValkeyWatcherTellsOfLosses has nobody write.
func TestValkeyWatcherTellsOfLosses(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openPatient(t, "redis://"+server.Address())
	c := storetest.Watch(t, s, "r:")
	if err := consumeOnce(s, "r:a"); err != nil {
		t.Fatal(err)
	}
	c.Reaches(t, back, map[string]string{"r:a": ""})
	server.must("FLUSHALL")
	storetest.Eventually(t, back, func() bool { return !s.Lost().IsZero() })
}

// TestValkeyLosesNothing has the server restart with all its data, and many
// callers at once.
func TestValkeyLosesNothing(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--appendonly", "yes", "--appendfsync", "always", "--dir", t.TempDir())
	s := openPatient(t, "redis://"+server.Address())
	storetest.Watch(t, s, "r:")
	use := func(round int) {
		failed := make(chan error, 16)
		for i := range cap(failed) {
			go func() {
				var err error
				for j := range 40 {
					if err == nil {
						err = consumeOnce(s, fmt.Sprintf("r:%d-%d-%d", round, i, j))
					}
				}
				failed <- err
			}()
		}
		for range cap(failed) {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
	}
	use(0)
	server.kill()
	server.start()
	returns(t, s)
	use(1)
	if lost := s.Lost(); !lost.IsZero() {
		t.Errorf("got loss %v of a server that kept its data, want none", lost)
	}
}

// TestOthersLoseNothing holds for engines that cannot lose what they confirmed
// while they are open.
func TestOthersLoseNothing(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"memory:", "bolt://" + strings.TrimSuffix(t.TempDir(), "/") + "/s.db"} {
		s, err := store.Open(t.Context(), url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if lost := s.Lost(); !lost.IsZero() {
			t.Errorf("got loss %v, want none", lost)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestValkeyLosesStateWithinAPass empties the server in the middle of a pass
// that had begun as one which deletes what it does not show.
func TestValkeyLosesStateWithinAPass(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openPatient(t, "redis://"+server.Address())
	for _, key := range []string{"revoked/a", "revoked/b"} {
		if err := consumeOnce(s, key); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	known, told, passes, rounds := map[string]bool{}, map[string]bool{}, 0, 0
	deleting, flushed := false, false
	changed := func(r store.Record) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.Pass:
			passes++
			deleting = r.Deleted
			clear(told)
			if passes > 1 && r.Deleted && !flushed {
				flushed = true
				server.must("FLUSHALL")
			}
		case r.Deleted:
			delete(known, r.Key)
		default:
			known[r.Key], told[r.Key] = true, true
		}
	}
	synced := func() {
		mu.Lock()
		defer mu.Unlock()
		rounds++
		if deleting {
			maps.DeleteFunc(known, func(key string, _ bool) bool { return !told[key] })
			deleting = false
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(ctx, "revoked/", changed, synced) }()
	t.Cleanup(func() { cancel(); <-ended })
	state := func() (n, pass, round int, done bool) {
		mu.Lock()
		defer mu.Unlock()
		return len(known), passes, rounds, flushed
	}
	storetest.Eventually(t, back, func() bool { n, _, round, _ := state(); return n == 2 && round > 0 })
	for _, kind := range []string{"normal", "pubsub"} { // over a new connection everything is read again
		server.must("CLIENT KILL TYPE " + kind)
	}
	storetest.Eventually(t, 2*back, func() bool { _, _, _, done := state(); return done })
	_, _, from, _ := state()
	storetest.Eventually(t, 2*back, func() bool { _, _, round, _ := state(); return round > from+2 })
	if n, _, _, _ := state(); n != 2 {
		t.Errorf("known after the server was emptied within a pass: got %d, want 2", n)
	}
}
