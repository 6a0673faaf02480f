package store_test

import (
	"errors"
	"fmt"
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
