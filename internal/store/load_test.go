package store_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/store/storetest"
)

// loaders is how many goroutines a load has.
const loaders = 8

// load uses tickets up, swaps families and revokes, and remembers what was
// confirmed. Two handles take part, as two instances would.
type load struct {
	t       *testing.T
	handles []store.Store
	watcher *storetest.Copy
	stop    chan struct{}
	tasks   sync.WaitGroup
	ended   sync.Once
	done    atomic.Int64

	mu       sync.Mutex
	consumed map[string]bool // ticket -> confirmed
	swapped  map[string]int  // family -> number that was confirmed last
	revoked  []string
	refused  int
}

const userRecord = "issuer/user/ada"

func startLoad(t *testing.T, url string) *load {
	l := &load{
		t: t, handles: []store.Store{openURL(t, url), openURL(t, url)}, stop: make(chan struct{}),
		consumed: make(map[string]bool), swapped: make(map[string]int),
	}
	storetest.Eventually(t, formed, func() bool { return l.handles[0].Ping(t.Context()) == nil })
	storetest.Eventually(t, formed, func() bool {
		err := l.handles[0].Replace(t.Context(), userRecord, nil, []byte("user"), time.Time{})
		return err == nil || errors.Is(err, store.ErrConflict)
	})
	l.watcher = storetest.Watch(t, l.handles[1], "revoked/")
	for i := range loaders {
		l.tasks.Go(func() { l.work(i) })
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) end() {
	l.ended.Do(func() { close(l.stop) })
	l.tasks.Wait()
}

// work lets each ticket be tried through both handles, one after the other.
func (l *load) work(i int) {
	family, revoked := fmt.Sprintf("issuer/session/%d", i), 0
	for n := 0; ; n++ {
		select {
		case <-l.stop:
			return
		default:
		}
		ticket := fmt.Sprintf("once/%d/%d", i, n)
		for _, s := range l.handles {
			l.consume(s, ticket)
		}
		l.swap(l.handles[n%2], family)
		if n%10 == 0 {
			key := fmt.Sprintf("revoked/%d/%d", i, revoked)
			if revoked++; l.counted(consumeOnce(l.handles[n%2], key)) {
				l.mu.Lock()
				l.revoked = append(l.revoked, key)
				l.mu.Unlock()
			}
		}
	}
}

// counted says whether a change was confirmed.
func (l *load) counted(err error) bool {
	if err == nil {
		l.done.Add(1)
		return true
	}
	if !errors.Is(err, store.ErrConflict) {
		l.mu.Lock()
		l.refused++
		l.mu.Unlock()
		select { // the machine has better to do than to refuse
		case <-l.stop:
		case <-time.After(5 * time.Millisecond):
		}
	}
	return false
}

func (l *load) consume(s store.Store, ticket string) {
	if !l.counted(consumeOnce(s, ticket)) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.consumed[ticket] {
		l.t.Errorf("%s was consumed twice", ticket)
	}
	l.consumed[ticket] = true
}

// swap reads the family's number and writes the next. Nobody else does, so a
// number that is lower than a confirmed one means that a swap was lost, and
// its old could be used again.
func (l *load) swap(s store.Store, family string) {
	r, err := s.Get(l.t.Context(), family)
	n := 0
	switch {
	case err == nil:
		if n, err = strconv.Atoi(string(r.Value)); err != nil {
			l.t.Errorf("%s: got %q, want a number", family, r.Value)
		}
	case !errors.Is(err, store.ErrNotFound):
		return
	}
	l.mu.Lock()
	confirmed := l.swapped[family]
	l.mu.Unlock()
	if n < confirmed {
		l.t.Errorf("%s: got %d after %d was confirmed", family, n, confirmed)
	}
	if l.counted(s.Replace(l.t.Context(), family, r.Value, []byte(strconv.Itoa(n+1)), time.Now().Add(time.Hour))) {
		l.mu.Lock()
		l.swapped[family] = n + 1
		l.mu.Unlock()
	}
}

// grows waits until so many more changes were confirmed.
func (l *load) grows(n int64) {
	l.t.Helper()
	from := l.done.Load()
	storetest.Eventually(l.t, 2*formed, func() bool { return l.done.Load() >= from+n })
}

// verify ends the load and looks whether all that was confirmed is there.
func (l *load) verify() {
	l.t.Helper()
	l.end()
	s := l.handles[0]
	storetest.Eventually(l.t, formed, func() bool { return s.Ping(l.t.Context()) == nil })
	l.mu.Lock()
	defer l.mu.Unlock()
	for ticket := range l.consumed {
		if err := consumeOnce(s, ticket); !errors.Is(err, store.ErrConflict) {
			l.t.Errorf("consume %s again: got %v, want %v", ticket, err, store.ErrConflict)
		}
	}
	for family, n := range l.swapped {
		r, err := s.Get(l.t.Context(), family)
		if got, _ := strconv.Atoi(string(r.Value)); err != nil || got < n {
			l.t.Errorf("%s: got %q, %v, want at least %d", family, r.Value, err, n)
		}
	}
	if _, err := s.Get(l.t.Context(), userRecord); err != nil {
		l.t.Errorf("user's record: got %v, want nil", err)
	}
	storetest.Eventually(l.t, back, func() bool {
		known := l.watcher.Records()
		for _, key := range l.revoked {
			if _, ok := known[key]; !ok {
				return false
			}
		}
		return true
	})
	if l.watcher.Deleted() != 0 {
		l.t.Errorf("revocations taken back: got %d, want 0", l.watcher.Deleted())
	}
	l.t.Logf("%d tickets, %d families, %d revocations confirmed; %d calls refused",
		len(l.consumed), len(l.swapped), len(l.revoked), l.refused)
}
