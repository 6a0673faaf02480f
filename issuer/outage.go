package issuer

import (
	"sync"
	"time"
)

// outage is the last time in which the store was not heard of. What was stored
// shortly before it, or in it by others, may have been answered to nobody: the
// grace for repeats then counts from its end. Safe for concurrent use.
type outage struct {
	mu       sync.Mutex
	contact  time.Time // by the clock that only goes on
	last     time.Time // the same, by the clock of the records
	from, to time.Time // by the clock of the records; zero: there was none
}

// outageAfter is how long a store that is well may leave a watcher without
// word, and a machine be too busy to listen.
const outageAfter = 2 * time.Second

// heard is told that the store has answered.
func (o *outage) heard(mono, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.contact.IsZero() && mono.Sub(o.contact) > outageAfter {
		o.from, o.to = o.last, now
	}
	o.contact, o.last = mono, now
}

// excuses tells whether the answer to a change of that time may have been lost
// with the store, and now is not later than grace after its return.
func (o *outage) excuses(change, now time.Time, grace time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.to.IsZero() && !change.Before(o.from.Add(-storeTimeout)) && !change.After(o.to) && !now.After(o.to.Add(grace))
}
