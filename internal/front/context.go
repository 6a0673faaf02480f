package front

import (
	"context"
	"sync"
	"time"
)

// life is the context of one request. Most handlers never wait for its end, so
// what waiting needs is made when somebody asks for it. It is safe for
// concurrent use.
type life struct {
	base context.Context

	mu     sync.Mutex
	real   context.Context // nil: nobody has asked
	cancel context.CancelFunc
	ended  bool
}

// awaited makes the context that can be waited for.
func (l *life) awaited() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.real == nil {
		l.real, l.cancel = context.WithCancel(l.base)
		if l.ended {
			l.cancel()
		}
	}
	return l.real
}

// end cancels the context.
func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.cancel != nil {
		l.cancel()
	}
}

// unseen reports whether nobody can be waiting, and the context goes on.
func (l *life) unseen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.real == nil && !l.ended
}

// Deadline implements context.Context.
func (l *life) Deadline() (time.Time, bool) { return l.base.Deadline() }

// Done implements context.Context.
func (l *life) Done() <-chan struct{} { return l.awaited().Done() }

// Err implements context.Context.
func (l *life) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.real != nil:
		return l.real.Err()
	case l.ended:
		return context.Canceled
	}
	return l.base.Err()
}

// Value implements context.Context. Package context looks for its own kind of
// context in here, so that children need no goroutine to learn of the end.
func (l *life) Value(key any) any {
	l.mu.Lock()
	real := l.real
	l.mu.Unlock()
	if real != nil {
		return real.Value(key)
	}
	return l.base.Value(key)
}
