package keyset

import (
	"context"
	"fmt"
	"time"
)

// Run keeps a remote set fresh until ctx ends, and then leaves no goroutine
// behind. It returns at once for other Sources. It may run several times, also
// at the same time: a reload may adopt a Source whose former Run is ending.
func (s *Source) Run(ctx context.Context) {
	if s.kind != kindRemote {
		return
	}
	s.enter()
	defer s.leave()
	for ctx.Err() == nil {
		st := s.state.Load()
		timer := time.NewTimer(st.due.Sub(s.now()))
		select {
		case <-ctx.Done():
		case <-st.replaced: // by a Refetch, or another Run
		case <-timer.C:
			select {
			case <-ctx.Done():
			case <-s.startDue(ctx, st):
			}
		}
		timer.Stop()
	}
}

// flight is one fetch, which all who need its outcome share.
type flight struct {
	began     time.Time
	done      chan struct{} // closed when the outcome is in state
	cancel    context.CancelFunc
	cancelled bool
}

func (s *Source) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runners++
}

// leave waits for a fetch that is under way, if no other Run needs it.
func (s *Source) leave() {
	s.mu.Lock()
	s.runners--
	f := s.flight
	if s.runners > 0 || f == nil {
		s.mu.Unlock()
		return
	}
	f.cancelled = true
	f.cancel()
	s.mu.Unlock()
	<-f.done
}

// startDue makes the fetch that became due in st, unless another has changed
// the state since.
func (s *Source) startDue(ctx context.Context, st *state) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() != st {
		return st.replaced
	}
	return s.start(ctx).done
}

// start returns the flight under way, or begins one. It outlives ctx, since
// others may have joined it, but not fetchTimeout. s.mu is held.
func (s *Source) start(ctx context.Context) *flight {
	if s.flight != nil {
		return s.flight
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	f := &flight{began: s.now(), done: make(chan struct{}), cancel: cancel}
	s.flight = f
	known := s.state.Load().answer
	go func() {
		defer close(f.done)
		defer cancel()
		got, err := s.fetcher.fetch(ctx, known)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flight = nil
		if f.cancelled && err != nil {
			return // we have ended it ourselves; this says nothing of the issuer
		}
		s.settle(f, got, err)
	}()
	return f
}

// settle puts the outcome of a fetch in force. s.mu is held.
func (s *Source) settle(f *flight, got *answer, err error) {
	old := s.state.Load()
	next := *old
	next.replaced = make(chan struct{})
	if err != nil {
		s.fail(&next, f, err)
	} else {
		s.succeed(&next, got)
	}
	s.state.Store(&next)
	close(old.replaced)
}

func (s *Source) fail(st *state, f *flight, err error) {
	now := s.now()
	st.failures++
	st.err = fmt.Errorf("fetch keys from %s: %w; %s", s.name, err, advice(err))
	// A retry is counted from the start of what failed, so that a slow failure
	// does not add to the wait.
	usable := st.set != nil && now.Add(retryMax).Before(st.stale)
	st.due = f.began.Add(untilRetry(st.failures, !usable))
	if soonest := now.Add(retryMin); st.due.Before(soonest) {
		st.due = soonest
	}
	if st.failures&(st.failures-1) == 0 { // the 1st, 2nd, 4th …
		s.remote.Logger.Warn("key set not refreshed", "url", s.name, "failures", st.failures,
			"usable", usable, "error", st.err.Error())
	}
}

func (s *Source) succeed(st *state, got *answer) {
	now := s.now()
	s.warn(got.warnings)
	if st.failures > 0 {
		s.remote.Logger.Info("key set refreshed again", "url", s.name, "failures", st.failures)
	}
	if st.set == nil || !st.set.Equal(got.set) {
		st.set, st.generation = got.set, generations.Add(1)
		s.remote.Logger.Info("key set changed", "url", s.name, "keys", got.set.Len())
	}
	st.answer, st.err, st.failures = got, nil, 0
	st.fetched = now
	st.due = now.Add(untilRefresh(got.pace))
	st.stale = st.due.Add(StaleAfter)
}

// warn logs each skipped key once, however often its set is fetched. s.mu is
// held.
func (s *Source) warn(warnings []string) {
	const most = 1000
	for _, w := range warnings {
		if s.warned[w] {
			continue
		}
		if len(s.warned) >= most {
			clear(s.warned)
		}
		s.warned[w] = true
		s.remote.Logger.Warn("key in the set has a fault", "url", s.name, "reason", w)
	}
}
