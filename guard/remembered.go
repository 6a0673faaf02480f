package guard

import (
	"encoding/binary"
	"sync"
)

// remembered keeps what was learnt of verified tokens: never the token, only
// its key and the facts that the other rules need. Entries are plain
// numbers in chunks that come as they fill, so that a full memory costs the
// garbage collector nothing and every entry costs the same.
//
// A remembered token is one whose signature, issuer and audience need no
// second look under the same policy and keys. Its expiry, revocation and
// binding are looked at on every request.
type remembered struct {
	shards [rememberedShards]rememberedShard
	eras   eras
}

const rememberedShards = 16

// facts is one verified token. It is copied, never shared. Times are whole
// Unix seconds, rounded to the strict side; 0 is none.
type facts struct {
	era
	key       tokenKey
	ids       revocationIDs
	expiry    uint32
	notBefore uint32
	issuedAt  uint32
	scopes    uint16 // index in the policy's scope sets
	bound     binding
}

// entry is how facts are kept: a hundred thousand of them are 6.4 MB.
type entry struct {
	key      tokenKey
	ids      revocationIDs
	era      uint32
	expiry   uint32
	issuedAt uint32
	scopes   uint16
	bound    binding
	flags    uint8
}

const (
	flagUsed uint8 = 1 << iota // second chance
	// flagLate is set where notBefore is after issuedAt. Else it says nothing
	// that issuedAt does not say, since neither may lie ahead.
	flagLate
)

// beside is what only some entries have.
type beside struct {
	thumbprint thumbprint
	notBefore  uint32
}

// thumbprint is the SHA-256 of what a token is bound to.
type thumbprint [32]byte

// binding is the kind of confirmation that a token asks for (RFC 7800).
type binding uint8

const (
	unbound binding = iota
	boundDPoP
	boundCertificate
	boundFingerprint
)

// rememberedShard is a hash table with open addressing whose entries are
// numbers of slots. Slots come in chunks, so that growing copies nothing.
type rememberedShard struct {
	mu     sync.Mutex
	table  []int32 // slot number plus one; 0 is free; a power of two long
	chunks []*[chunkSlots]entry
	// rare has a chunk beside each one in which an entry needs it.
	rare map[int]*[chunkSlots]beside
	used int
	max  int
	hand int
}

const chunkSlots = 128

// newRemembered makes room for max tokens. Zero or less: none are remembered.
func newRemembered(max int) *remembered {
	if max <= 0 {
		return nil
	}
	m := &remembered{}
	per := (max + rememberedShards - 1) / rememberedShards
	for i := range m.shards {
		m.shards[i].max = per
		m.shards[i].table = make([]int32, 64)
		m.shards[i].rare = map[int]*[chunkSlots]beside{}
	}
	return m
}

func (m *remembered) shard(key *tokenKey) *rememberedShard {
	return &m.shards[key[15]%rememberedShards]
}

// get completes f, which has a key, by what is remembered of it, and t by what
// the token is bound to.
func (m *remembered) get(f *facts, t *thumbprint) bool {
	if m == nil {
		return false
	}
	s := m.shard(&f.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.table[s.find(&f.key)] - 1
	if i < 0 {
		return false
	}
	e := s.slot(int(i))
	under, ok := m.eras.get(e.era)
	if !ok {
		return false
	}
	e.flags |= flagUsed
	f.era, f.ids, f.expiry, f.issuedAt, f.scopes, f.bound = under, e.ids, e.expiry, e.issuedAt, e.scopes, e.bound
	f.notBefore = 0
	if e.bound != unbound || e.flags&flagLate != 0 {
		more := &s.rare[int(i)/chunkSlots][int(i)%chunkSlots]
		*t, f.notBefore = more.thumbprint, more.notBefore
	}
	return true
}

// put remembers f, in the place of an entry that was not used for long where
// there is no room.
func (m *remembered) put(f *facts, t *thumbprint) {
	if m == nil {
		return
	}
	under := m.eras.number(f.era)
	s := m.shard(&f.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.find(&f.key)
	if i := s.table[at] - 1; i >= 0 {
		s.set(int(i), under, f, t)
		return
	}
	i := s.used
	if i < s.max {
		if i/chunkSlots == len(s.chunks) {
			s.chunks = append(s.chunks, new([chunkSlots]entry))
		}
		s.used++
	} else {
		i = s.evict(f)
		at = s.find(&f.key)
	}
	s.set(i, under, f, t)
	s.table[at] = int32(i + 1)
	if s.used*4 > len(s.table)*3 {
		s.rehash()
	}
}

func (s *rememberedShard) slot(i int) *entry { return &s.chunks[i/chunkSlots][i%chunkSlots] }

func (s *rememberedShard) set(i int, under uint32, f *facts, t *thumbprint) {
	e := s.slot(i)
	*e = entry{key: f.key, ids: f.ids, era: under, expiry: f.expiry, issuedAt: f.issuedAt, scopes: f.scopes, bound: f.bound}
	if f.notBefore > f.issuedAt {
		e.flags = flagLate
	}
	if f.bound == unbound && e.flags&flagLate == 0 {
		return
	}
	c := s.rare[i/chunkSlots]
	if c == nil {
		c = new([chunkSlots]beside)
		s.rare[i/chunkSlots] = c
	}
	c[i%chunkSlots] = beside{*t, f.notBefore}
}

// home is where an entry of key belongs in the table.
func (s *rememberedShard) home(key *tokenKey) int {
	return int(binary.LittleEndian.Uint64(key[:8]) & uint64(len(s.table)-1))
}

// find returns the place of key in the table, or the free one where it goes.
func (s *rememberedShard) find(key *tokenKey) int {
	at := s.home(key)
	for s.table[at] != 0 && s.slot(int(s.table[at]-1)).key != *key {
		at = (at + 1) & (len(s.table) - 1)
	}
	return at
}

// evict frees the slot of an entry that was not used since the hand last came
// by, to make room for f. One of the same subject goes first, if a few looks
// find one: who has very many tokens pushes out mostly those.
func (s *rememberedShard) evict(f *facts) int {
	step := max(1, s.max/looks)
	i := int(binary.LittleEndian.Uint32(f.key[8:]) % uint32(s.max))
	for left := min(looks, s.max); left > 0 && f.ids.sub != 0; left-- {
		if e := s.slot(i); e.ids.sub == f.ids.sub {
			if e.flags&flagUsed == 0 {
				s.remove(s.find(&e.key))
				return i
			}
			e.flags &^= flagUsed
		}
		i = (i + step) % s.max
	}
	for s.slot(s.hand).flags&flagUsed != 0 {
		s.slot(s.hand).flags &^= flagUsed
		s.hand = (s.hand + 1) % s.max
	}
	i = s.hand
	s.hand = (s.hand + 1) % s.max
	s.remove(s.find(&s.slot(i).key))
	return i
}

// looks is how many entries are looked at for one of the same subject, at equal
// distances: entries that came one after the other lie side by side. A subject
// that has more than a small part of the memory is hardly ever given more.
const looks = 16

// remove frees a place and moves up the entries behind it that would no longer
// be found.
func (s *rememberedShard) remove(free int) {
	mask := len(s.table) - 1
	for at := (free + 1) & mask; s.table[at] != 0; at = (at + 1) & mask {
		home := s.home(&s.slot(int(s.table[at] - 1)).key)
		if (at-home)&mask >= (at-free)&mask {
			s.table[free] = s.table[at]
			free = at
		}
	}
	s.table[free] = 0
}

func (s *rememberedShard) rehash() {
	s.table = make([]int32, 2*len(s.table))
	for i := range s.used {
		s.table[s.find(&s.slot(i).key)] = int32(i + 1)
	}
}
