package front2

import (
	"context"
	"sync"
	"time"
)

// life is the context of one request. What waiting for its end needs is made
// when somebody waits, which few handlers do. It is safe for concurrent use.
type life struct {
	mu     sync.Mutex
	base   context.Context
	full   context.Context // nil: nobody waits
	cancel context.CancelFunc
	over   bool
}

// begin makes l the context of a new request.
func (l *life) begin(base context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.base, l.full, l.cancel, l.over = base, nil, nil, false
}

// end cancels it.
func (l *life) end() {
	l.mu.Lock()
	cancel := l.cancel
	l.over = true
	l.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// unseen reports whether nobody can have made a context below this one.
func (l *life) unseen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.full == nil
}

// context returns one that can be waited for.
func (l *life) context() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full == nil {
		l.full, l.cancel = context.WithCancel(l.base)
		if l.over {
			l.cancel()
		}
	}
	return l.full
}

// Deadline implements context.Context.
func (l *life) Deadline() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.base.Deadline()
}

// Done implements context.Context.
func (l *life) Done() <-chan struct{} { return l.context().Done() }

// Err implements context.Context.
func (l *life) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full != nil {
		return l.full.Err()
	}
	if l.over {
		return context.Canceled
	}
	return l.base.Err()
}

// Value implements context.Context. Contexts below find the one that can be
// waited for in here, and need no goroutine to hear of its end.
func (l *life) Value(key any) any {
	l.mu.Lock()
	in := l.full
	if in == nil {
		in = l.base
	}
	l.mu.Unlock()
	return in.Value(key)
}
