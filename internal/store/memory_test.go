package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
)

func TestMemoryRefusesWhenFull(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := opened(t, store.NewMemory(c.Now, 3), nil)
	add := func(key string, life time.Duration) error {
		return s.Replace(t.Context(), key, nil, []byte("v"), c.Now().Add(life))
	}
	for i, life := range []time.Duration{3 * time.Minute, time.Minute, 2 * time.Minute} {
		if err := add(fmt.Sprint(i), life); err != nil {
			t.Fatal(err)
		}
	}
	for name, err := range map[string]error{"Replace": add("x", time.Hour), "Ping": s.Ping(t.Context())} {
		if !errors.Is(err, store.ErrFull) {
			t.Errorf("%s of a full store: got %v, want %v", name, err, store.ErrFull)
		}
	}
	if err := add("0", time.Hour); !errors.Is(err, store.ErrConflict) {
		t.Errorf("replay in a full store: got %v, want %v", err, store.ErrConflict)
	}
	if err := s.Replace(t.Context(), "0", []byte("v"), []byte("w"), c.Now().Add(time.Hour)); err != nil {
		t.Errorf("change within a full store: got %v, want nil", err)
	}
	c.Advance(time.Minute + time.Millisecond)
	if err := add("x", time.Hour); err != nil {
		t.Errorf("Replace after one expired: got %v, want nil", err)
	}
	if err := add("y", time.Hour); !errors.Is(err, store.ErrFull) {
		t.Errorf("Replace when full again: got %v, want %v", err, store.ErrFull)
	}
	if err := s.Replace(t.Context(), "2", []byte("v"), nil, time.Time{}); err != nil {
		t.Errorf("delete in a full store: got %v, want nil", err)
	}
	if err := add("y", time.Hour); err != nil {
		t.Errorf("Replace after a deletion: got %v, want nil", err)
	}
}

// TestWatchOverflow changes more records than are remembered for a watcher
// that is stuck. It must still see every deletion.
func TestWatchOverflow(t *testing.T) {
	t.Parallel()
	const n = 70_000
	c := newClock()
	s := opened(t, store.NewMemory(c.Now, 2*n), nil)
	key := func(i int) string { return fmt.Sprintf("k:%d", i) }
	add := func(i int, expires time.Time) {
		if err := s.Replace(t.Context(), key(i), nil, []byte{}, expires); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		add(i, time.Time{})
	}
	known, told := make(map[string]bool), make(map[string]bool)
	stuck, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	synced := 0
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Watch(ctx, "k:", func(r store.Record) {
			switch {
			case r.Pass:
				clear(told)
			case r.Deleted:
				delete(known, r.Key)
			default:
				known[r.Key], told[r.Key] = true, true
			}
		}, func() {
			maps.DeleteFunc(known, func(key string, _ bool) bool { return !told[key] })
			if synced++; synced == 1 {
				close(stuck)
				<-release
			} else if synced == 2 {
				close(done)
			}
		})
	}()
	<-stuck
	for i := range n {
		if err := s.Replace(t.Context(), key(i), []byte{}, nil, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	add(n, c.Now().Add(time.Hour))
	close(release)
	<-done
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch: got %v, want %v", err, context.Canceled)
	}
	if len(known) != 1 || !known[key(n)] {
		t.Errorf("after an overflow: got %d records, want the one that is left", len(known))
	}
}
