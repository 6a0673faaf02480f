package keyset

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

const (
	refetchEvery = 10 * time.Second // at most one, whoever asks
	refetchWait  = 5 * time.Second  // for the outcome, at most
	missingFor   = 30 * time.Second // a kid is believed not to exist
)

// Refetch is for a token whose kid Current's set lacks. It fetches the set
// again, at most once every 10 s whatever the number of callers and kids, and
// returns what Current then returns; the caller looks for kid there once more.
// A caller whose kid is already there, or was missing in the last 30 s, or who
// comes too soon after the last refetch, gets its answer at once; one who comes
// while a fetch is under way shares it. It waits at most 5 s. For Sources that
// do not fetch it is Current. The error wraps ErrUnavailable, or ctx's when ctx
// has ended first.
func (s *Source) Refetch(ctx context.Context, kid string) (*token.KeySet, uint64, error) {
	if s.kind != kindRemote {
		return s.Current()
	}
	name := sha256.Sum256([]byte(kid)) // bounds what a stranger's kid takes
	timeout := time.NewTimer(refetchWait)
	defer timeout.Stop()
	// Twice, since a fetch that was under way may have been answered before
	// the key was there.
	for range 2 {
		f, mine := s.admit(ctx, kid, name)
		if f == nil {
			break
		}
		select {
		case <-f.done:
		case <-timeout.C:
			return s.Current()
		case <-ctx.Done():
			return nil, 0, fmt.Errorf("wait for the keys from %s: %w", s.name, ctx.Err())
		}
		if mine {
			s.remember(kid, name)
			break
		}
	}
	return s.Current()
}

// admit returns the fetch to wait for, and whether it began for this caller;
// nil if there is no use in waiting, or it is too soon.
func (s *Source) admit(ctx context.Context, kid string, name [sha256.Size]byte) (f *flight, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.has(kid) || s.missing.has(name, now) {
		return nil, false
	}
	if s.flight != nil {
		return s.flight, false
	}
	if now.Before(s.nextRefetch) {
		return nil, false
	}
	s.nextRefetch = now.Add(refetchEvery)
	return s.start(ctx), true
}

// remember notes that a fetch which was made for kid did not bring it.
func (s *Source) remember(kid string, name [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load().err == nil && !s.has(kid) {
		s.missing.add(name, s.now())
	}
}

func (s *Source) has(kid string) bool {
	set, _, err := s.Current()
	return err == nil && set.Has(kid)
}

// missing remembers, until when, the kids that a fetch was made for in vain.
// There is one such fetch in refetchEvery at most, and none while the clock is
// set back, so that only a handful is alive at any time.
type missing map[[sha256.Size]byte]time.Time

func (m missing) has(name [sha256.Size]byte, now time.Time) bool {
	until, ok := m[name]
	return ok && now.Before(until)
}

func (m missing) add(name [sha256.Size]byte, now time.Time) {
	maps.DeleteFunc(m, func(_ [sha256.Size]byte, until time.Time) bool { return !now.Before(until) })
	m[name] = now.Add(missingFor)
}
