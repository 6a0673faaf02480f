package revocation

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// ID stands for a revocation in a Table: the first eight bytes of its hash, and
// never zero. Two hashes share one once in 10^19; a token then counts as
// revoked that is not, never the other way round, since what shares an ID is
// widened to reach as far as each of them.
type ID uint64

// Short is the ID of a hash.
func Short(sum [32]byte) ID { return ID(max(1, binary.BigEndian.Uint64(sum[:8]))) }

// Entry is how far a revocation reaches.
type Entry struct {
	// Before, in Unix nanoseconds: tokens issued before it are revoked. Zero:
	// whatever the time of issue.
	Before int64
	// Expires is when the entry may be forgotten. Zero: never.
	Expires time.Time
}

// Table is a copy of the revocations that every request is checked against: 24
// bytes a slot, between 32 and 44 for each entry, without a pointer that the
// garbage collector would follow. Lookups take no lock, allocate nothing and
// never wait for a change. All methods may be called at once; changes wait for
// each other. Use NewTable.
type Table struct {
	factor uint64 // odd and secret, so that nobody can aim at one place
	live   atomic.Int64
	shards [shards]shard

	mu    sync.Mutex // held by changes
	hand  int        // shard that Sweep looks at next
	whole bool       // whether a pass is under way that says what is left
}

// shards keep each of the tables small, and with it the pause and the second
// copy that growing costs.
const (
	shards     = 1 << shardBits
	shardBits  = 8
	leastSlots = 8
	leastSwept = 1 << 14 // entries that Sweep looks at, if there are as many
)

// shard is a hash table with open addressing. Readers see slots fill and never
// move: a table that is full, or mostly forgotten, is replaced by a new one.
type shard struct {
	slots atomic.Pointer[[]slot]
	used  int // slots that are not free, those of forgotten entries included
	live  int
}

// slot is one entry. It is filled from before to id, and read in the other
// order, so that whoever sees an id sees how far it reaches.
type slot struct {
	id      atomic.Uint64 // zero: free
	before  atomic.Int64  // forgotten: the entry is gone
	expires uint32        // Unix seconds, rounded up; zero: never
	told    bool          // in the pass that is under way
}

// forgotten is a Before that reaches no token.
const forgotten = math.MinInt64

// NewTable returns an empty table.
func NewTable() *Table {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return &Table{factor: binary.LittleEndian.Uint64(b[:]) | 1}
}

// Len is how many entries there are.
func (t *Table) Len() int { return int(t.live.Load()) }

// Revoked reports whether the entry of id reaches a token that was issued at
// this time, in Unix nanoseconds.
func (t *Table) Revoked(id ID, issuedAt int64) bool {
	s, h := t.place(id)
	slots := s.slots.Load()
	if slots == nil {
		return false
	}
	e := find(*slots, h, uint64(id))
	if e.id.Load() == 0 {
		return false
	}
	before := e.before.Load()
	return before == 0 || issuedAt < before
}

// place is the shard of id, and a hash that says where in it.
func (t *Table) place(id ID) (*shard, uint64) {
	h := uint64(id) * t.factor
	return &t.shards[h>>(64-shardBits)], h << shardBits
}

// find returns the slot of id, or the free one where it goes. There always is
// a free one.
func find(slots []slot, h, id uint64) *slot {
	at, _ := bits.Mul64(h, uint64(len(slots)))
	for {
		s := &slots[at]
		if have := s.id.Load(); have == id || have == 0 {
			return s
		}
		if at++; at == uint64(len(slots)) {
			at = 0
		}
	}
}

// Put adds an entry. One that is there is widened, to reach as far and last as
// long as either.
func (t *Table) Put(id ID, e Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, h := t.place(id)
	slot := s.room(t, h, uint64(id))
	before, expires := e.Before, unixUp(e.Expires)
	fresh := slot.id.Load() == 0
	if !fresh && slot.before.Load() != forgotten {
		before, expires = widerBefore(before, slot.before.Load()), longer(expires, slot.expires)
	} else {
		s.live++
		t.live.Add(1)
	}
	slot.expires, slot.told = expires, true
	slot.before.Store(before)
	if fresh {
		s.used++
		slot.id.Store(uint64(id))
	}
}

// Delete forgets an entry.
func (t *Table) Delete(id ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, h := t.place(id)
	if slots := s.slots.Load(); slots != nil {
		if e := find(*slots, h, uint64(id)); e.id.Load() != 0 {
			t.forget(s, e)
		}
	}
	s.tidy(t)
}

func (t *Table) forget(s *shard, e *slot) {
	if e.before.Load() == forgotten {
		return
	}
	e.before.Store(forgotten)
	s.live--
	t.live.Add(-1)
}

// Begin begins a pass: if whole, what is not Put again until End is forgotten
// there. Whatever a pass before this one was told does not count.
func (t *Table) Begin(whole bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.whole = whole; whole {
		t.all(func(_ *shard, e *slot) { e.told = false })
	}
}

// End ends the pass that Begin began, if any is under way.
func (t *Table) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.whole {
		return
	}
	t.whole = false
	t.all(func(s *shard, e *slot) {
		if !e.told {
			t.forget(s, e)
		}
	})
	for i := range t.shards {
		t.shards[i].tidy(t)
	}
}

// all calls f with every slot that is not free.
func (t *Table) all(f func(*shard, *slot)) {
	for i := range t.shards {
		t.shards[i].each(f)
	}
}

func (s *shard) each(f func(*shard, *slot)) {
	slots := s.slots.Load()
	if slots == nil {
		return
	}
	for i := range *slots {
		if e := &(*slots)[i]; e.id.Load() != 0 {
			f(s, e)
		}
	}
}

// Sweep forgets what has expired, in all of a small table and in an eighth of a
// large one, and goes on from there when it is called again.
func (t *Table) Sweep(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	second := now.Unix()
	quota := leastSwept
	for n := 0; n < shards/8 || n < shards && quota > 0; n++ {
		s := &t.shards[t.hand]
		t.hand = (t.hand + 1) % shards
		quota -= s.used
		s.each(func(s *shard, e *slot) {
			if e.expires != 0 && int64(e.expires) <= second {
				t.forget(s, e)
			}
		})
		s.tidy(t)
	}
}

// room returns the slot of id, in a table that will still have a free one when
// it is filled.
func (s *shard) room(t *Table, h, id uint64) *slot {
	slots := s.slots.Load()
	if slots != nil {
		if e := find(*slots, h, id); e.id.Load() != 0 || 4*(s.used+1) <= 3*len(*slots) {
			return e
		}
	}
	s.rebuild(t, s.live+1)
	return find(*s.slots.Load(), h, id)
}

// tidy gives memory back where most slots hold nothing.
func (s *shard) tidy(t *Table) {
	slots := s.slots.Load()
	switch {
	case slots == nil:
	case s.live == 0:
		s.slots.Store(nil)
		s.used = 0
	case len(*slots) > leastSlots && 4*s.live < len(*slots):
		s.rebuild(t, s.live)
	}
}

// rebuild copies what is live into a table that n entries fill to three fifths.
func (s *shard) rebuild(t *Table, n int) {
	next := make([]slot, max(leastSlots, n*5/3))
	s.each(func(_ *shard, e *slot) {
		if e.before.Load() == forgotten {
			return
		}
		id := e.id.Load()
		_, h := t.place(ID(id))
		to := find(next, h, id)
		to.before.Store(e.before.Load())
		to.expires, to.told = e.expires, e.told
		to.id.Store(id)
	})
	s.used = s.live
	s.slots.Store(&next)
}

// widerBefore is the one of two times that reaches further.
func widerBefore(a, b int64) int64 {
	if a == 0 || b == 0 {
		return 0
	}
	return max(a, b)
}

// longer is the one of two expiries that comes later.
func longer(a, b uint32) uint32 {
	if a == 0 || b == 0 {
		return 0
	}
	return max(a, b)
}

// unixUp is t in whole Unix seconds, rounded up; what does not fit is never.
func unixUp(t time.Time) uint32 {
	if t.IsZero() {
		return 0
	}
	s := t.Add(time.Second - 1).Unix()
	if s <= 0 {
		return 1
	}
	if s > math.MaxUint32 {
		return 0
	}
	return uint32(s)
}
