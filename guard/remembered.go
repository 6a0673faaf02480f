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

// facts is one verified token. It is copied, never shared.
type facts struct {
	key        [sha256.Size]byte
	policy     uint32 // generation of the policy that verified it
	issuer     uint16 // index in the policy's issuers
	bound      binding
	used       bool // second chance
	generation uint64
	expiry     int64 // Unix nanoseconds; 0: none
	notBefore  int64
	issuedAt   int64
	ids        revocationIDs
	subject    uint64 // log form
	scopes     uint32 // index in the policy's scope sets
	thumbprint [sha256.Size]byte
}

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
	max   int
	hand  int
	_     [24]byte // keep neighbours off one cache line
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

// get copies the entry of key into f.
func (m *remembered) get(key *[sha256.Size]byte, f *facts) bool {
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
	return true
}

// put remembers f, in the place of an entry that was not used for long.
func (m *remembered) put(f *facts) {
	if m == nil {
		return
	}
	s, short := m.shard(&f.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.index[short]; ok {
		s.slots[i] = *f
		return
	}
	if len(s.slots) < s.max {
		if len(s.slots) == cap(s.slots) {
			s.grow()
		}
		s.index[short] = int32(len(s.slots))
		s.slots = append(s.slots, *f)
		return
	}
	for s.slots[s.hand].used {
		s.slots[s.hand].used = false
		s.hand = (s.hand + 1) % len(s.slots)
	}
	delete(s.index, binary.LittleEndian.Uint64(s.slots[s.hand].key[:8]))
	s.slots[s.hand] = *f
	s.index[short] = int32(s.hand)
	s.hand = (s.hand + 1) % len(s.slots)
}

// grow adds a quarter, not the half or double that append would: the slots are
// most of the guard's memory.
func (s *rememberedShard) grow() {
	n := min(s.max, len(s.slots)+max(64, len(s.slots)/4))
	grown := make([]facts, len(s.slots), n)
	copy(grown, s.slots)
	s.slots = grown
}
