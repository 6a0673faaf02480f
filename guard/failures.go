package guard

import (
	"net/netip"
	"sync"
	"time"
)

// failures limits by address how many refused tokens are looked at, by the
// generic cell rate algorithm: each failure moves an address's theoretical
// arrival time ahead by one interval, and who is a whole window ahead waits.
// It protects the processor, not a secret, so it lives in this process alone.
type failures struct {
	interval time.Duration // between two failures in the long run
	window   time.Duration // Count intervals
	mu       sync.Mutex
	ahead    map[netip.Prefix]time.Time
}

const maxFailureAddresses = 65536

func newFailures(r Rate) *failures {
	return &failures{interval: r.Per / time.Duration(r.Count), window: r.Per, ahead: map[netip.Prefix]time.Time{}}
}

// network is what counts as one address: an IPv4 address, or an IPv6 /64,
// which is what one customer gets.
func network(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func (f *failures) add(a netip.Addr, now time.Time) {
	key := network(a)
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.ahead[key]
	if !ok && len(f.ahead) >= maxFailureAddresses {
		f.sweep(now)
	}
	if t.Before(now) {
		t = now
	}
	f.ahead[key] = t.Add(f.interval)
}

// sweep forgets who has waited long enough; if that frees nothing, it forgets
// half of all.
func (f *failures) sweep(now time.Time) {
	for k, t := range f.ahead {
		if t.Before(now) {
			delete(f.ahead, k)
		}
	}
	for k := range f.ahead {
		if len(f.ahead) < maxFailureAddresses/2 {
			return
		}
		delete(f.ahead, k)
	}
}

// debt tells how long the address must wait before a token of it is looked at,
// and whether it has shown bad ones lately.
func (f *failures) debt(a netip.Addr, now time.Time) (wait time.Duration, suspect bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, known := f.ahead[network(a)]
	if !known {
		return 0, false
	}
	return max(0, t.Sub(now)-f.window+f.interval), t.After(now)
}
