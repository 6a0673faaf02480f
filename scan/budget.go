package scan

import (
	"context"
	"sync"
	"time"
)

const (
	// defaultRequests is the budget of a scan.
	defaultRequests = 600
	// defaultRate is for targets off loopback, in requests a second.
	defaultRate = 20
	// sideBySide is how many requests are under way at once.
	sideBySide = 8
	// maxPauses is how long a scan waits in all because the target asks for it.
	maxPauses = 15 * time.Second
	maxPause  = 5 * time.Second
	// maxLate is how far requests may lag behind the rate and still catch up.
	maxLate = 50 * time.Millisecond
	// maxStrikes is how many requests in a row may find nobody before the target
	// counts as gone.
	maxStrikes = 6
)

// budget is what all requests of a scan share. Its clock is real time, as that of
// the wire.
type budget struct {
	every time.Duration // between two requests; zero: no limit
	slots chan struct{}

	mu      sync.Mutex
	left    int
	used    int
	next    time.Time
	until   time.Time // nobody starts before
	paused  time.Duration
	errors  int // answers of 5xx in a row
	strikes int
	gone    error
	denied  bool // somebody asked for more than there was
}

func newBudget(requests int, rate float64) *budget {
	b := &budget{left: requests, slots: make(chan struct{}, sideBySide)}
	if rate > 0 {
		b.every = time.Duration(float64(time.Second) / rate)
	}
	return b
}

// take waits for the right to send one request. The caller gives it back.
func (b *budget) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	start, err := b.reserve(time.Now())
	if err == nil {
		err = b.wait(ctx, start)
	}
	if err != nil {
		b.give()
	}
	return err
}

func (b *budget) give() { <-b.slots }

func (b *budget) reserve(now time.Time) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.gone != nil:
		return now, b.gone
	case b.left <= 0:
		b.denied = true
		return now, ErrBudget
	}
	b.left--
	b.used++
	start := now
	if b.every > 0 {
		// A late start does not shift those after it, unless it is very late.
		if b.next.Before(now.Add(-max(b.every, maxLate))) {
			b.next = now
		}
		start = b.next
		b.next = b.next.Add(b.every)
	}
	return start, nil
}

// wait returns at start, or when the pauses are over that began until then.
func (b *budget) wait(ctx context.Context, start time.Time) error {
	for {
		b.mu.Lock()
		if b.until.After(start) {
			start = b.until
		}
		b.mu.Unlock()
		d := time.Until(start)
		if d <= 0 {
			return nil
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		b.mu.Lock()
		again := b.until.After(start)
		b.mu.Unlock()
		if !again {
			return nil
		}
	}
}

// pause keeps everybody from starting for d. It returns false when the target has
// had all the time that a scan waits.
func (b *budget) pause(d time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.paused >= maxPauses {
		return false
	}
	d = min(max(d, 100*time.Millisecond), maxPause, maxPauses-b.paused)
	now := time.Now()
	if until := now.Add(d); until.After(b.until) {
		b.paused += until.Sub(maxTime(b.until, now))
		b.until = until
	}
	return true
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// heard notes how a request ended: with a status, or without (zero).
func (b *budget) heard(status int, strike error) {
	b.mu.Lock()
	if status > 0 {
		b.strikes = 0
	}
	if status >= 500 {
		b.errors++
	} else if status > 0 {
		b.errors = 0
	}
	slow := b.errors
	if strike != nil {
		if b.strikes++; b.strikes >= maxStrikes && b.gone == nil {
			b.gone = &goneError{strike}
		}
	}
	b.mu.Unlock()
	if status >= 500 && slow > 2 {
		b.pause(time.Duration(min(slow, 10)) * 50 * time.Millisecond)
	}
}

// goneError is ErrGone with what the last request met.
type goneError struct{ cause error }

func (e *goneError) Error() string { return ErrGone.Error() + ": " + e.cause.Error() }

func (e *goneError) Unwrap() []error { return []error{ErrGone, e.cause} }

// spent returns how many requests were made, and why some were not.
func (b *budget) spent() (used int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone == nil && b.denied {
		return b.used, ErrBudget
	}
	return b.used, b.gone
}
