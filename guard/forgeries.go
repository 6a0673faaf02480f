package guard

import "sync"

// forgeries remembers tokens whose signature did not match, so that whoever
// repeats one makes nobody verify it again. A token is judged anew as soon as
// the keys of its issuer or the policy are others. The memory is of one size:
// a newer forgery takes the place of an older one, and nothing of the
// remembered good tokens.
type forgeries struct {
	mu    sync.Mutex
	table *[forgerySets]forgerySet // made with the first one
}

// forgerySet is where the forgeries with a certain part of the key lie.
type forgerySet struct {
	entries [4]forgery
	next    uint8
}

// forgery is one token. The zero value is none: no generation is zero.
type forgery struct {
	key        tokenKey
	generation uint64 // of the keys that did not verify it
	policy     uint32
	issuer     uint16
}

const forgerySets = 1024

func (s *forgeries) set(key *tokenKey) *forgerySet {
	return &s.table[(int(key[0])|int(key[1])<<8)%forgerySets]
}

// get tells by which issuer's keys, and which generation of them, a token was
// judged under this policy.
func (s *forgeries) get(key tokenKey, policy uint32) (issuer uint16, generation uint64, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table == nil {
		return 0, 0, false
	}
	set := s.set(&key)
	for i := range set.entries {
		if e := &set.entries[i]; e.key == key && e.policy == policy && e.generation != 0 {
			return e.issuer, e.generation, true
		}
	}
	return 0, 0, false
}

func (s *forgeries) put(f forgery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table == nil {
		s.table = new([forgerySets]forgerySet)
	}
	set := s.set(&f.key)
	for i := range set.entries {
		if set.entries[i].key == f.key {
			set.entries[i] = f
			return
		}
	}
	set.entries[set.next] = f
	set.next = (set.next + 1) % uint8(len(set.entries))
}
