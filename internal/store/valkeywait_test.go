package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/store/storetest"
)

// TestValkeyWait confirms nothing while no replica has it, and all of it, of
// many callers at once, when there is one.
func TestValkeyWait(t *testing.T) {
	t.Parallel()
	primary := startServer(t)
	s := openURL(t, "redis://"+primary.Address()+"?wait=1")
	plain := openPatient(t, "redis://"+primary.Address())
	if err := consumeOnce(plain, "once/used"); err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, formed, func() bool { return errors.Is(consumeOnce(s, "once/used"), store.ErrConflict) })
	err := consumeOnce(s, "once/a")
	if err == nil || errors.Is(err, store.ErrConflict) {
		t.Errorf("Replace without a replica: got %v, want an error that says so", err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping without a replica: got nil, want an error")
	}
	if _, err := s.Get(t.Context(), "once/used"); err != nil {
		t.Errorf("Get without a replica: got %v, want nil", err)
	}
	replica := startReplica(t, primary)
	returns(t, s)
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() {
			key := fmt.Sprintf("once/%d", i)
			storetest.Eventually(t, formed, func() bool {
				err := consumeOnce(s, key)
				return err == nil || errors.Is(err, store.ErrConflict)
			})
			if got := replica.must("EXISTS " + store.Name(key)); got != ":1" {
				t.Errorf("%s at the replica: got %s, want :1", key, got)
			}
		})
	}
	all.Wait()
	replica.kill()
	storetest.Eventually(t, formed, func() bool { return s.Ping(t.Context()) != nil })
}

// racers is how many callers come at once.
const racers = 32

// TestValkeyIndexSweeps wants the keys of expired records to leave the index,
// though nobody lists them.
func TestValkeyIndexSweeps(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openPatient(t, "redis://"+server.Address())
	for i := range 200 {
		key := fmt.Sprintf("revoked/short/%d", i)
		if err := s.Replace(t.Context(), key, nil, []byte{}, time.Now().Add(3*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	storetest.Eventually(t, back, func() bool {
		_, err := s.Get(t.Context(), "revoked/short/199")
		return errors.Is(err, store.ErrNotFound)
	})
	for i := range 60 {
		if err := consumeOnce(s, fmt.Sprintf("revoked/long/%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	if _, err := fmt.Sscanf(server.must("ZCARD wiretight:{wiretight}:index"), ":%d", &n); err != nil || n < 60 || n > 120 {
		t.Errorf("keys in the index: got %d, %v, want 60 and few that have expired", n, err)
	}
	listed := 0
	err := s.List(t.Context(), "revoked/", func(store.Record) bool { listed++; return true })
	if err != nil || listed != 60 {
		t.Errorf("List: got %d records, %v, want 60", listed, err)
	}
}

// TestValkeyScansOnlyForLists has a user who may not scan: watchers, and lists
// of what may be watched, do without.
func TestValkeyScansOnlyForLists(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	server.must("ACL SETUSER least on >pw resetchannels " + rights + " &wiretight:changed -scan")
	s := openPatient(t, "redis://least:pw@"+server.Address())
	w := storetest.Watch(t, s, "revoked/")
	want := map[string]string{}
	for i := range 10 {
		key := fmt.Sprintf("revoked/%d", i)
		if err := consumeOnce(s, key); err != nil {
			t.Fatal(err)
		}
		want[key] = ""
	}
	if err := consumeOnce(s, "once/a"); err != nil {
		t.Fatal(err)
	}
	w.Reaches(t, back, want)
	storetest.Watch(t, s, "revoked/").Reaches(t, back, want)
	if err := s.List(t.Context(), "revoked/", func(store.Record) bool { return true }); err != nil {
		t.Errorf("List of what may be watched: got %v, want nil", err)
	}
	if err := s.List(t.Context(), "once/", func(store.Record) bool { return true }); err == nil {
		t.Error("List of what is spread, by a user who may not scan: got nil, want an error")
	}
}
