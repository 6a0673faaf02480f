package guard

import (
	"sync"
	"sync/atomic"
)

// era is what a verified token was verified under. Tokens of one era are many,
// so that each remembers only the era's number.
type era struct {
	generation uint64 // of the issuer's keys
	policy     uint32 // generation of the policy
	issuer     uint16 // index in the policy's issuers
}

// eras numbers the eras of a process. A number never means another era, and
// only the latest are known: what was remembered in an older one is verified
// again.
type eras struct {
	mu    sync.Mutex
	known atomic.Pointer[eraList]
}

// eraList is immutable.
type eraList struct {
	first uint32 // number of the first one
	eras  []era
}

const maxEras = 1024

// number returns the number of e, a new one if it has none.
func (s *eras) number(e era) uint32 {
	if n, ok := s.known.Load().find(e); ok {
		return n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.known.Load()
	if n, ok := old.find(e); ok {
		return n
	}
	next := &eraList{}
	if old != nil {
		*next = *old
	}
	if len(next.eras) == maxEras {
		next.first, next.eras = next.first+1, next.eras[1:]
	}
	next.eras = append(append(make([]era, 0, len(next.eras)+1), next.eras...), e)
	s.known.Store(next)
	return next.first + uint32(len(next.eras)) - 1
}

// find looks among the latest first.
func (l *eraList) find(e era) (n uint32, ok bool) {
	if l == nil {
		return 0, false
	}
	for i := len(l.eras) - 1; i >= 0; i-- {
		if l.eras[i] == e {
			return l.first + uint32(i), true
		}
	}
	return 0, false
}

// get returns the era of a number, unless it is too old.
func (s *eras) get(n uint32) (e era, ok bool) {
	l := s.known.Load()
	if l == nil || n < l.first || n-l.first >= uint32(len(l.eras)) {
		return era{}, false
	}
	return l.eras[n-l.first], true
}
