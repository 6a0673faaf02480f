package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/store/storetest"
)

// epochOf is that of the server's log, with the number of the last entry.
const epochOf = `local e = redis.call('XREVRANGE','wiretight:log','+','-','COUNT',1)[1][1] local a, n = string.match(e,'(%d+)-(%d+)') `

// TestValkeyTellsOfLosses takes records away behind the store's back, and wants
// a key that is used a second time to be known as worth nothing by the time
// that Replace returns.
func TestValkeyTellsOfLosses(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]string{
		"emptied":        "FLUSHALL",
		"another log":    `EVAL "redis.call('DEL','wiretight:r:jti','wiretight:log') redis.call('XADD','wiretight:log','1-1','k','x') return 1" 0`,
		"an older copy":  `EVAL "` + epochOf + `redis.call('DEL','wiretight:r:jti','wiretight:log') redis.call('XADD','wiretight:log',a..'-'..(n-3),'k','x') return 1" 0`,
		"its last write": `EVAL "` + epochOf + `redis.call('DEL','wiretight:r:jti','wiretight:log') redis.call('XADD','wiretight:log',a..'-'..(n-1),'k','x') return 1" 0`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			s := openPatient(t, "redis://"+server.Address())
			for i := range 5 {
				if err := consumeOnce(s, fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			used := time.Now()
			if err := consumeOnce(s, "jti"); err != nil {
				t.Fatal(err)
			}
			if lost := s.Lost(); !lost.IsZero() {
				t.Errorf("before the loss: got %v, want none", lost)
			}
			server.must(lose)
			if err := consumeOnce(s, "jti"); err != nil {
				t.Fatalf("second use: got %v, want nil: else this test tells nothing", err)
			}
			if lost := s.Lost(); !used.Before(lost) {
				t.Errorf("after the second use: got loss %v, want one after %v", lost, used)
			}
			first := s.Lost()
			if err := consumeOnce(s, "other"); err != nil {
				t.Fatal(err)
			}
			if lost := s.Lost(); !lost.Equal(first) {
				t.Errorf("after a use that followed: got loss %v, want still %v", lost, first)
			}
		})
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
