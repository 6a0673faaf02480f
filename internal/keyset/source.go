// Package keyset gives a verifier the keys of one issuer, wherever they come
// from: a file or secret read at start, an issuer in the same process, or a
// URL that is fetched, refreshed and distrusted by the rules below. It is the
// only place where key sets meet the network.
//
// A remote set obeys these bounds:
//
//   - https only, or http on loopback; never to link-local and metadata
//     addresses; at most 3 redirects, each of them to https.
//   - 1 MiB, 100 keys and 5 s for a fetch, discovery included.
//   - It is refreshed at the pace of Cache-Control, held within 30 s and 1 h;
//     5 min where the issuer names none.
//   - A bad answer changes nothing. The last good set is served for StaleAfter
//     beyond the time at which it should have been refreshed, and no longer.
//   - A good answer replaces the set whole: a key that it lacks is gone.
//   - A kid that no key has makes for one more fetch, at most every 10 s.
package keyset

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// ErrUnavailable says that there is no key set to verify with: none was
// fetched yet, or the last good one is too old. The caller must refuse.
var ErrUnavailable = errors.New("no usable key set")

// generations numbers key sets over all Sources of the process, so that a
// generation never means two different sets, not even after a reload put one
// Source in the place of another.
var generations atomic.Uint64

// Source is where the keys of one issuer come from. All methods may be called
// at once from many goroutines. The zero value has no keys and never will.
type Source struct {
	kind  kind
	state atomic.Pointer[state]

	// The rest belongs to remote Sources.
	remote  Remote
	fetcher *fetcher
	now     func() time.Time
	name    string // the URL as errors may show it

	mu          sync.Mutex // guards what follows, and every write of state
	flight      *flight
	runners     int
	nextRefetch time.Time
	missing     missing
	warned      map[string]bool
}

type kind int

const (
	kindStatic kind = iota
	kindLocal
	kindRemote
)

// state is what a Source knows. It is immutable: a change is a new state.
type state struct {
	set        *token.KeySet
	generation uint64
	err        error // why the last fetch failed; nil after a success

	answer   *answer       // what set was made from
	fetched  time.Time     // last success
	due      time.Time     // next fetch
	stale    time.Time     // from here on set is not to be used
	failures int           // in a row
	replaced chan struct{} // closed when a newer state is there
}

// Static gives a Source whose keys never change. With a nil set it is
// unavailable for ever.
func Static(ks *token.KeySet) *Source {
	s := &Source{kind: kindStatic}
	s.put(ks)
	return s
}

// NewLocal gives a Source whose keys an issuer in this process replaces with
// Set. A nil set is unavailable.
func NewLocal(ks *token.KeySet) *Source {
	s := &Source{kind: kindLocal}
	s.put(ks)
	return s
}

// Set replaces the keys of a Source made by NewLocal; callers of Current see
// them at once. An equal set changes nothing. A nil set makes the Source unavailable. It panics for a Source
// that was not made by NewLocal.
func (s *Source) Set(ks *token.KeySet) {
	if s.kind != kindLocal {
		panic("keyset: Set on a Source that NewLocal did not make")
	}
	s.put(ks)
}

func (s *Source) put(ks *token.KeySet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.state.Load()
	if old != nil && old.set.Equal(ks) {
		return
	}
	next := &state{set: ks}
	if ks == nil {
		next.err = fmt.Errorf("%w: the issuer in this process has given none", ErrUnavailable)
	} else {
		next.generation = generations.Add(1)
	}
	s.state.Store(next)
}

// Current returns the keys to verify with and their generation, a number that
// is never zero, grows whenever the usable set has changed, and is never used
// for another set in this process. It does no I/O and takes no lock. The error
// wraps ErrUnavailable and names the cause.
func (s *Source) Current() (*token.KeySet, uint64, error) {
	st := s.state.Load()
	switch {
	case st == nil:
		return nil, 0, ErrUnavailable
	case st.set == nil:
		return nil, 0, unavailable(st.err)
	case s.kind == kindRemote && !s.now().Before(st.stale):
		if st.err == nil {
			return nil, 0, fmt.Errorf("%w: the keys from %s were not refreshed in time", ErrUnavailable, s.name)
		}
		return nil, 0, unavailable(st.err)
	}
	return st.set, st.generation, nil
}

func unavailable(cause error) error {
	if errors.Is(cause, ErrUnavailable) {
		return cause
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, cause)
}

// Err tells why the last fetch failed, or why there are no keys yet; nil when
// all is well. It holds no secret: URLs show without user and query.
func (s *Source) Err() error {
	st := s.state.Load()
	if st == nil {
		return ErrUnavailable
	}
	return st.err
}

// Age is the time since the last successful fetch. It is false for Sources
// that do not fetch, and before the first success.
func (s *Source) Age(now time.Time) (time.Duration, bool) {
	st := s.state.Load()
	if s.kind != kindRemote || st.fetched.IsZero() {
		return 0, false
	}
	return max(0, now.Sub(st.fetched)), true
}

// Same reports whether both Sources have the same configuration, so that a
// reload may go on with the older one and the keys that it has. Static Sources
// are the same if their keys are equal, local ones only if they are one. A nil
// Source is the same as none.
func (s *Source) Same(o *Source) bool {
	switch {
	case s == nil || o == nil:
		return false
	case s == o:
		return true
	case s.kind != o.kind || s.kind == kindLocal:
		return false
	case s.kind == kindStatic:
		a, b := s.state.Load(), o.state.Load()
		return a != nil && b != nil && a.set != nil && a.set.Equal(b.set)
	}
	a, b := s.remote, o.remote
	return a.URL == b.URL && a.Discovery == b.Discovery && a.Issuer == b.Issuer && a.CA.Equal(b.CA)
}
