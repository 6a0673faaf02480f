package store_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/store/storetest"
)

// TestMain runs the tests, or plays one of the processes that they start.
func TestMain(m *testing.M) {
	if role := os.Getenv("STORE_TEST_ROLE"); role != "" {
		os.Exit(play(role))
	}
	goleak.VerifyTestMain(m)
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 11, 1, 12, 0, 0, 123456789, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// opened closes s when the test ends, and gives it back.
func opened(t testing.TB, s store.Store, err error) store.Store {
	t.Helper()
	if err != nil {
		t.Fatalf("open: got %v, want nil", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: got %v, want nil", err)
		}
	})
	return s
}

func TestMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Engine {
		c := newClock()
		open := func() store.Store { return opened(t, store.NewMemory(c.Now, 0), nil) }
		return storetest.Engine{Open: open, Now: c.Now, Advance: c.Advance}
	})
}

func TestBolt(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Engine {
		c, path := newClock(), filepath.Join(t.TempDir(), "new", "state.db")
		open := func() store.Store {
			s, err := store.OpenBolt(path, c.Now)
			return opened(t, s, err)
		}
		return storetest.Engine{Open: open, Persistent: true, Now: c.Now, Advance: c.Advance}
	})
}

func TestValkey(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	storetest.Run(t, func(t *testing.T) storetest.Engine {
		url := server.URL()
		open := func() store.Store {
			s, err := store.OpenPatient(url)
			return opened(t, s, err)
		}
		return storetest.Engine{Open: open, Shared: true, Persistent: true, Now: time.Now}
	})
}
