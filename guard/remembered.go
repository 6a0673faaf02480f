package guard

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// remembered keeps what was learnt of verified tokens: never the token, only
// its SHA-256 and the facts that the other rules need. Entries are plain
// numbers in slabs that grow as they fill, so that a full memory costs the
// garbage collector nothing and every entry costs the same.
//
// A remembered token is one whose signature, issuer and audience need no
// second look under the same policy and keys. Its expiry, revocation and
// binding are looked at on every request.
type remembered struct {
	shards [rememberedShards]rememberedShard
}

const rememberedShards = 16

// facts is one verified token. It is copied, never shared. Times are whole
// Unix seconds, rounded to the strict side; 0 is none.
type facts struct {
	key        [sha256.Size]byte
	ids        revocationIDs
	subject    uint64 // log form
	generation uint64 // of the issuer's keys
	policy     uint32 // generation of the policy that verified it
	scopes     uint32 // index in the policy's scope sets
	expiry     uint32
	notBefore  uint32
	issuedAt   uint32
	issuer     uint16 // index in the policy's issuers
	bound      binding
	used       bool // second chance
}

// thumbprint is the SHA-256 of what a token is bound to.
type thumbprint [sha256.Size]byte

// binding is the kind of confirmation that a token asks for (RFC 7800).
type binding uint8

const (
	unbound binding = iota
	boundDPoP
	boundCertificate
	boundFingerprint
)

type rememberedShard struct {
	mu    sync.Mutex
	index map[uint64]int32 // by the first eight bytes of the key
	slots []facts
	// thumbprints has one entry a slot as soon as any token is bound.
	thumbprints []thumbprint
	max         int
	hand        int
	_           [24]byte // keep neighbours off one cache line
}

// newRemembered makes room for max tokens. Zero or less: none are remembered.
func newRemembered(max int) *remembered {
	if max <= 0 {
		return nil
	}
	m := &remembered{}
	per := (max + rememberedShards - 1) / rememberedShards
	for i := range m.shards {
		m.shards[i].max = per
		m.shards[i].index = map[uint64]int32{}
	}
	return m
}

func (m *remembered) shard(key *[sha256.Size]byte) (*rememberedShard, uint64) {
	return &m.shards[key[31]%rememberedShards], binary.LittleEndian.Uint64(key[:8])
}

// get copies the entry of key into f, and what the token is bound to into t.
func (m *remembered) get(key *[sha256.Size]byte, f *facts, t *thumbprint) bool {
	if m == nil {
		return false
	}
	s, short := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.index[short]
	if !ok || s.slots[i].key != *key {
		return false
	}
	s.slots[i].used = true
	*f = s.slots[i]
	if f.bound != unbound {
		*t = s.thumbprints[i]
	}
	return true
}

// put remembers f, in the place of an entry that was not used for long.
func (m *remembered) put(f *facts, t *thumbprint) {
	if m == nil {
		return
	}
	s, short := m.shard(&f.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.index[short]; ok {
		s.set(int(i), f, t)
		return
	}
	if len(s.slots) < s.max {
		if len(s.slots) == cap(s.slots) {
			s.grow()
		}
		s.index[short] = int32(len(s.slots))
		s.slots = append(s.slots, facts{})
		s.set(len(s.slots)-1, f, t)
		return
	}
	for s.slots[s.hand].used {
		s.slots[s.hand].used = false
		s.hand = (s.hand + 1) % len(s.slots)
	}
	delete(s.index, binary.LittleEndian.Uint64(s.slots[s.hand].key[:8]))
	s.set(s.hand, f, t)
	s.index[short] = int32(s.hand)
	s.hand = (s.hand + 1) % len(s.slots)
}

func (s *rememberedShard) set(i int, f *facts, t *thumbprint) {
	s.slots[i] = *f
	if f.bound != unbound && s.thumbprints == nil {
		s.thumbprints = make([]thumbprint, cap(s.slots))
	}
	if s.thumbprints != nil {
		s.thumbprints[i] = *t
	}
}

// grow adds an eighth, not the half or double that append would: the slots are
// most of the guard's memory.
func (s *rememberedShard) grow() {
	n := min(s.max, len(s.slots)+max(64, len(s.slots)/8))
	grown := make([]facts, len(s.slots), n)
	copy(grown, s.slots)
	s.slots = grown
	if s.thumbprints != nil {
		s.thumbprints = append(make([]thumbprint, 0, n), s.thumbprints...)[:n]
	}
}
