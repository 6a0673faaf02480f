// Package storetest holds every engine of package store to the same promises.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
)

// Engine is one store's state, made afresh for each test.
type Engine struct {
	// Open opens a handle on the state, and closes it when the test ends.
	Open func() store.Store
	// Shared says that several handles may be open at once.
	Shared bool
	// Persistent says that the state outlives its last handle.
	Persistent bool
	// Now is the clock by which the store judges.
	Now func() time.Time
	// Advance moves that clock. Nil: it is the real one.
	Advance func(time.Duration)
}

// Run runs the suite. fresh is called for each test.
func Run(t *testing.T, fresh func(t *testing.T) Engine) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Engine)
	}{
		{"one of many consumes", testConsume},
		{"one of many rotates", testRotate},
		{"one of many deletes", testDelete},
		{"a born-expired record is refused", testBornExpired},
		{"nil and empty", testNilAndEmpty},
		{"slices are the caller's", testSlices},
		{"limits", testLimits},
		{"expiry", testExpiry},
		{"list", testList},
		{"list over pages", testListPages},
		{"watch", testWatch},
		{"watch by a slow watcher", testWatchSlow},
		{"watch does not report expiry", testWatchExpiry},
		{"watch ends", testWatchEnds},
		{"reopen", testReopen},
		{"ended context", testContext},
		{"closed", testClosed},
		{"model", testModel},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, fresh(t))
		})
	}
}

// handles opens n handles, which are one and the same where the engine has
// only one.
func (e Engine) handles(n int) []store.Store {
	all := []store.Store{e.Open()}
	for len(all) < n {
		if e.Shared {
			all = append(all, e.Open())
		} else {
			all = append(all, all[0])
		}
	}
	return all
}

// wait moves the clock, or lets real time pass until done answers true.
func (e Engine) wait(t *testing.T, d time.Duration, done func() bool) {
	t.Helper()
	if e.Advance != nil {
		e.Advance(d)
		if !done() {
			t.Fatalf("not done after the clock was moved by %v", d)
		}
		return
	}
	Eventually(t, d+soon, done)
}

// Eventually polls done until it answers true, and fails the test after limit.
func Eventually(t testing.TB, limit time.Duration, done func() bool) {
	t.Helper()
	end := time.After(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not done within %v", limit)
		}
	}
}

func put(t *testing.T, s store.Store, key, value string) {
	t.Helper()
	if err := s.Replace(t.Context(), key, nil, []byte(value), time.Time{}); err != nil {
		t.Fatalf("Replace(%q, nil, %q): got %v, want nil", key, value, err)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

// list is List as a slice of "key=value".
func list(ctx context.Context, s store.Store, prefix string) ([]string, error) {
	var all []string
	err := s.List(ctx, prefix, func(r store.Record) bool {
		all = append(all, fmt.Sprintf("%s=%s", r.Key, r.Value))
		return true
	})
	return all, err
}
