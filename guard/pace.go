package guard

import (
	"sync/atomic"
	"time"
)

// A body may come so slowly that each byte of it is in time, and all of them
// take days. What counts is how long the guard has waited for the client; the
// time that an upstream takes to accept what has come is not the client's.
const (
	// patientFor is how long that may be for any body, and slowest how many
	// bytes earn another second.
	patientFor = time.Minute
	slowest    = 256
)

// pace is how a body comes. It is safe for concurrent use.
type pace struct {
	since  atomic.Int64 // Unix nanoseconds when the wait that goes on began; 0: none does
	waited atomic.Int64 // nanoseconds, of the waits that have ended
	bytes  atomic.Int64
}

// note ends a wait.
func (p *pace) note(n int, took int64) {
	p.since.Store(0)
	p.waited.Add(took)
	p.bytes.Add(int64(n))
}

// slow reports whether the client has used up its time.
func (p *pace) slow(now time.Time) bool {
	waited := time.Duration(p.waited.Load())
	if since := p.since.Load(); since != 0 {
		waited += now.Sub(time.Unix(0, since))
	}
	return waited > patientFor+time.Duration(p.bytes.Load())*(time.Second/slowest)
}

// dawdles reports whether a request keeps its body back for too long. Streams
// may be as slow as they like: those that have an answer already, which only an
// upstream that listens gives, and those without a length that a token answers
// for, which end with it.
func (x *exchange) dawdles(now time.Time) bool {
	if !x.flight.upload.Load() || x.flight.begun.Load() || x.flight.hijacked.Load() {
		return false
	}
	if x.r.ContentLength < 0 && x.verified {
		return false
	}
	return x.flight.pace.slow(now)
}
