package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
)

const (
	racers = 64
	rounds = 40
)

// race lets all racers, spread over the handles, try the same at once, and
// returns who succeeded. All others must have got ErrConflict.
func race(t *testing.T, handles []store.Store, try func(s store.Store, racer int) error) (winners []int) {
	t.Helper()
	start := make(chan struct{})
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			<-start
			errs[i] = try(handles[i%len(handles)], i)
		})
	}
	close(start)
	wg.Wait()
	for i, err := range errs {
		switch {
		case err == nil:
			winners = append(winners, i)
		case !errors.Is(err, store.ErrConflict):
			t.Errorf("racer %d: got error %v, want nil or %v", i, err, store.ErrConflict)
		}
	}
	return winners
}

func testConsume(t *testing.T, e Engine) {
	handles := e.handles(4)
	for round := range rounds {
		key := fmt.Sprintf("jti:%d", round)
		winners := race(t, handles, func(s store.Store, _ int) error {
			return s.Replace(t.Context(), key, nil, []byte{}, e.Now().Add(time.Hour))
		})
		if len(winners) != 1 {
			t.Fatalf("round %d: got %d winners, want 1", round, len(winners))
		}
	}
}

func testRotate(t *testing.T, e Engine) {
	handles := e.handles(4)
	put(t, handles[0], "family", "start")
	old := []byte("start")
	for round := range rounds {
		value := func(i int) []byte { return fmt.Appendf(nil, "%d/%d", round, i) }
		winners := race(t, handles, func(s store.Store, i int) error {
			return s.Replace(t.Context(), "family", old, value(i), time.Time{})
		})
		if len(winners) != 1 {
			t.Fatalf("round %d: got %d winners, want 1", round, len(winners))
		}
		old = value(winners[0])
		for _, s := range handles {
			r, err := s.Get(t.Context(), "family")
			if err != nil || string(r.Value) != string(old) {
				t.Fatalf("round %d: got %q, %v, want %q", round, r.Value, err, old)
			}
		}
	}
}

func testDelete(t *testing.T, e Engine) {
	handles := e.handles(4)
	for round := range rounds {
		put(t, handles[0], "code", "v")
		winners := race(t, handles, func(s store.Store, _ int) error {
			return s.Replace(t.Context(), "code", []byte("v"), nil, time.Time{})
		})
		if len(winners) != 1 {
			t.Fatalf("round %d: got %d winners, want 1", round, len(winners))
		}
		_, err := handles[1].Get(t.Context(), "code")
		wantErr(t, "Get after deletion", err, store.ErrNotFound)
	}
}

func testBornExpired(t *testing.T, e Engine) {
	s := e.Open()
	for name, expires := range map[string]time.Time{
		"just now":   e.Now(),
		"long ago":   e.Now().Add(-time.Hour),
		"epoch":      time.Unix(0, 0),
		"before it":  time.Unix(-1, 0),
		"year 10000": time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		for range 2 {
			if err := s.Replace(t.Context(), "jti", nil, []byte("x"), expires); err == nil || errors.Is(err, store.ErrConflict) {
				t.Errorf("%s: got error %v, want one about the expiry", name, err)
			}
		}
	}
	put(t, s, "kept", "v")
	if err := s.Replace(t.Context(), "kept", []byte("v"), []byte("w"), e.Now().Add(-time.Second)); err == nil {
		t.Error("replacing with an expired value: got nil, want an error")
	}
	got, err := list(t.Context(), s, "")
	if want := []string{"kept=v"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("store after refusals: got %q, %v, want %q", got, err, want)
	}
}
