package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/store"
)

// soon is the contract's bound for a change to reach every watcher, many times
// over for a loaded machine.
const soon = 15 * time.Second

// Copy is what a watcher knows.
type Copy struct {
	mu      sync.Mutex
	records map[string]string
	told    map[string]bool // in a pass that deletes what is not; nil: none is under way
	passes  int
	deleted int
	synced  int
	first   map[string]string // at the first synced
	busy    atomic.Int32
	overlap atomic.Bool
	delay   func()
}

// Watch starts a watcher, which ends with the test.
func Watch(t *testing.T, s store.Store, prefix string) *Copy {
	return watch(t, s, prefix, func() {})
}

func watch(t *testing.T, s store.Store, prefix string, delay func()) *Copy {
	c := &Copy{records: make(map[string]string), delay: delay}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(ctx, prefix, c.change, c.sync) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) && !errors.Is(err, store.ErrClosed) {
			t.Errorf("Watch ended with %v, want %v", err, context.Canceled)
		}
		if c.overlap.Load() {
			t.Error("changed and synced were called at the same time")
		}
	})
	return c
}

func (c *Copy) enter() func() {
	if c.busy.Add(1) != 1 {
		c.overlap.Store(true)
	}
	c.delay()
	c.mu.Lock()
	return func() {
		c.mu.Unlock()
		c.busy.Add(-1)
	}
}

func (c *Copy) change(r store.Record) {
	defer c.enter()()
	switch {
	case r.Pass:
		c.passes++
		c.told = nil
		if r.Deleted {
			c.told = make(map[string]bool)
		}
	case r.Deleted:
		c.forget(r.Key)
	default:
		c.records[r.Key] = string(r.Value)
		if c.told != nil {
			c.told[r.Key] = true
		}
	}
}

func (c *Copy) forget(key string) {
	if _, ok := c.records[key]; ok {
		c.deleted++
		delete(c.records, key)
	}
}

func (c *Copy) sync() {
	defer c.enter()()
	if c.told != nil {
		for key := range c.records {
			if !c.told[key] {
				c.forget(key)
			}
		}
		c.told = nil
	}
	if c.synced == 0 {
		c.first = maps.Clone(c.records)
	}
	c.synced++
}

// Records returns a copy of the copy.
func (c *Copy) Records() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.records)
}

// Synced returns how often the watcher was told that nothing is missing.
func (c *Copy) Synced() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.synced
}

// Passes returns how often everything was told.
func (c *Copy) Passes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.passes
}

// Deleted returns how many deletions were reported.
func (c *Copy) Deleted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deleted
}

// Reaches waits until the copy is want.
func (c *Copy) Reaches(t *testing.T, limit time.Duration, want map[string]string) {
	t.Helper()
	end := time.Now().Add(limit)
	Eventually(t, limit+time.Second, func() bool {
		diff := cmp.Diff(want, c.Records())
		if diff != "" && time.Now().After(end) {
			t.Fatalf("watched records after %v (-want +got):\n%s", limit, diff)
		}
		return diff == ""
	})
}

func testWatch(t *testing.T, e Engine) {
	handles := e.handles(3)
	put(t, handles[0], "r:old", "1")
	put(t, handles[0], "other", "1")
	a, b, all := Watch(t, handles[1], "r:"), Watch(t, handles[2], "r:"), Watch(t, handles[2], "")
	for _, c := range []*Copy{a, b} {
		Eventually(t, soon, func() bool { return c.Synced() > 0 })
		if diff := cmp.Diff(map[string]string{"r:old": "1"}, c.first); diff != "" {
			t.Errorf("records at the first synced (-want +got):\n%s", diff)
		}
	}
	put(t, handles[0], "r:new", "1")
	put(t, handles[1], "r:mine", "1")
	put(t, handles[0], "other:2", "1")
	want := map[string]string{"r:old": "1", "r:new": "1", "r:mine": "1"}
	a.Reaches(t, soon, want)
	b.Reaches(t, soon, want)
	if err := handles[2].Replace(t.Context(), "r:old", []byte("1"), nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := handles[0].Replace(t.Context(), "r:new", []byte("1"), []byte("2"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	want = map[string]string{"r:new": "2", "r:mine": "1"}
	a.Reaches(t, soon, want)
	b.Reaches(t, soon, want)
	all.Reaches(t, soon, map[string]string{"r:new": "2", "r:mine": "1", "other": "1", "other:2": "1"})
	if a.Deleted() != 1 || b.Deleted() != 1 {
		t.Errorf("deletions reported: got %d and %d, want 1 each", a.Deleted(), b.Deleted())
	}
	// An idle store goes on saying that nothing is missing.
	n, since := a.Synced(), time.Now()
	Eventually(t, 5*soon, func() bool { return a.Synced() >= n+3 })
	if took := time.Since(since); took > soon {
		t.Errorf("three synced took %v, want at most %v", took, soon)
	}
}

// testWatchSlow has a watcher that is still busy with the first record when
// many others change, and must not go backwards or lose the last state.
func testWatchSlow(t *testing.T, e Engine) {
	handles := e.handles(2)
	put(t, handles[0], "k:0", "start")
	stuck, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c := watch(t, handles[1], "k:", func() { once.Do(func() { close(stuck); <-release }) })
	<-stuck
	want := make(map[string]string)
	old := []byte("start")
	for i := range 300 {
		next := fmt.Appendf(nil, "%d", i)
		if err := handles[0].Replace(t.Context(), "k:0", old, next, time.Time{}); err != nil {
			t.Fatal(err)
		}
		old, want["k:0"] = next, string(next)
		if i%3 == 0 {
			key := fmt.Sprintf("k:%d", i+1)
			put(t, handles[0], key, "v")
			want[key] = "v"
			if i%6 == 0 {
				if err := handles[0].Replace(t.Context(), key, []byte("v"), nil, time.Time{}); err != nil {
					t.Fatal(err)
				}
				delete(want, key)
			}
		}
	}
	close(release)
	c.Reaches(t, soon, want)
}

func testWatchExpiry(t *testing.T, e Engine) {
	s := e.Open()
	const life = 5 * time.Second // for the watcher to hear of it
	if err := s.Replace(t.Context(), "short", nil, []byte("v"), e.Now().Add(life)); err != nil {
		t.Fatal(err)
	}
	c := Watch(t, s, "")
	c.Reaches(t, soon, map[string]string{"short": "v"})
	e.wait(t, life+time.Millisecond, func() bool {
		_, err := s.Get(t.Context(), "short")
		return errors.Is(err, store.ErrNotFound)
	})
	put(t, s, "later", "v")
	n := c.Synced()
	Eventually(t, soon, func() bool { return c.Synced() > n+2 })
	c.Reaches(t, soon, map[string]string{"short": "v", "later": "v"})
	if c.Deleted() != 0 {
		t.Errorf("deletions reported: got %d, want 0", c.Deleted())
	}
}

func testWatchEnds(t *testing.T, e Engine) {
	s := e.Open()
	ctx, cancel := context.WithCancel(t.Context())
	began, ended := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	begin := func() { once.Do(func() { close(began) }) }
	nothing := func(store.Record) {}
	go func() { ended <- s.Watch(ctx, "", nothing, begin) }()
	<-began
	cancel()
	wantErr(t, "Watch whose context ended", within(t, ended), context.Canceled)
	wantErr(t, "Watch with an ended context", s.Watch(ctx, "", nothing, func() {}), context.Canceled)

	began, once = make(chan struct{}), sync.Once{}
	go func() { ended <- s.Watch(t.Context(), "", nothing, begin) }()
	<-began
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "Watch on a closed store", within(t, ended), store.ErrClosed)
}

func within(t *testing.T, errs <-chan error) error {
	t.Helper()
	select {
	case err := <-errs:
		return err
	case <-time.After(soon):
		t.Fatalf("no return within %v", soon)
		return nil
	}
}
