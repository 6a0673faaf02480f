package store

import (
	"bytes"
	"container/heap"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// page is how many records List copies under one lock or transaction.
const page = 256

// defaultMemory is how many records a Memory holds if it is not told.
const defaultMemory = 1 << 18

// Memory keeps records in this process only. It forgets everything at Close,
// so it suits tests and a single guard whose tokens are short-lived.
type Memory struct {
	now func() time.Time
	max int
	hub hub

	mu      sync.Mutex
	records map[string]*entry
	queue   expiryQueue
	done    chan struct{} // closed by Close
}

type entry struct {
	key     string
	value   []byte
	expires int64
	place   int // in the queue; -1: never expires
}

// NewMemory makes a store of at most max live records; zero or less means
// 262,144. At the bound Replace answers ErrFull until records expire or are
// deleted. A nil now is time.Now.
func NewMemory(now func() time.Time, max int) *Memory {
	if now == nil {
		now = time.Now
	}
	if max <= 0 {
		max = defaultMemory
	}
	return &Memory{now: now, max: max, records: make(map[string]*entry), done: make(chan struct{})}
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, key string) (Record, error) {
	if err := m.check(ctx); err != nil {
		return Record{}, err
	}
	if err := checkKey(key); err != nil {
		return Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.records[key]
	if !ok || !live(e.expires, m.now()) {
		return Record{}, ErrNotFound
	}
	return e.record(), nil
}

// Replace implements Store.
func (m *Memory) Replace(ctx context.Context, key string, old, value []byte, expires time.Time) error {
	if err := m.check(ctx); err != nil {
		return err
	}
	c, err := newChange(key, old, value, expires, m.now())
	if err != nil {
		return err
	}
	if err := m.replace(c); err != nil {
		return err
	}
	m.hub.touch(key)
	return nil
}

func (m *Memory) replace(c *change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		return ErrClosed
	}
	m.sweep()
	e, ok := m.records[c.key]
	if (c.old == nil) == ok || ok && !bytes.Equal(e.value, c.old) {
		return ErrConflict
	}
	if !ok && c.value == nil {
		return nil
	}
	if !ok && len(m.records) >= m.max {
		return ErrFull
	}
	if ok {
		m.remove(e)
	}
	if c.value != nil {
		m.insert(&entry{key: c.key, value: c.value, expires: c.expires, place: -1})
	}
	return nil
}

func (m *Memory) insert(e *entry) {
	m.records[e.key] = e
	if e.expires != 0 {
		heap.Push(&m.queue, e)
	}
}

func (m *Memory) remove(e *entry) {
	delete(m.records, e.key)
	if e.place >= 0 {
		heap.Remove(&m.queue, e.place)
	}
}

// sweep removes what has expired. Each record is removed once, so that a full
// store costs an attacker's request no more than an empty one.
func (m *Memory) sweep() {
	now := m.now()
	for len(m.queue) > 0 && !live(m.queue[0].expires, now) {
		m.remove(m.queue[0])
	}
}

// List implements Store.
func (m *Memory) List(ctx context.Context, prefix string, yield func(Record) bool) error {
	if err := m.check(ctx); err != nil {
		return err
	}
	keys := m.keys(prefix)
	for len(keys) > 0 {
		if err := m.check(ctx); err != nil {
			return err
		}
		n := min(page, len(keys))
		for _, r := range m.some(keys[:n]) {
			if !yield(r) {
				return nil
			}
		}
		keys = keys[n:]
	}
	return nil
}

func (m *Memory) keys(prefix string) []string {
	m.mu.Lock()
	var keys []string
	for key := range m.records {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	m.mu.Unlock()
	slices.Sort(keys)
	return keys
}

func (m *Memory) some(keys []string) []Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	records := make([]Record, 0, len(keys))
	for _, key := range keys {
		if e, ok := m.records[key]; ok && live(e.expires, now) {
			records = append(records, e.record())
		}
	}
	return records
}

// Watch implements Store.
func (m *Memory) Watch(ctx context.Context, prefix string, changed func(Record), synced func()) error {
	if err := m.check(ctx); err != nil {
		return err
	}
	alive := func() error { return m.check(ctx) }
	return m.hub.watch(ctx, m, newMirror(changed), prefix, m.done, alive, synced)
}

// Lost implements Store. What this memory lost, went with the process.
func (m *Memory) Lost() time.Time { return time.Time{} }

// Ping implements Store.
func (m *Memory) Ping(ctx context.Context) error {
	if err := m.check(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	if len(m.records) >= m.max {
		return ErrFull
	}
	return nil
}

// Close implements Store.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.done:
	default:
		close(m.done)
		m.records, m.queue = nil, nil
	}
	return nil
}

func (m *Memory) check(ctx context.Context) error {
	select {
	case <-m.done:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

func (e *entry) record() Record {
	return Record{Key: e.key, Value: clone(e.value), Expires: expiry(e.expires)}
}

// expiryQueue is a heap of the records that expire, the next one first.
type expiryQueue []*entry

func (q expiryQueue) Len() int           { return len(q) }
func (q expiryQueue) Less(i, j int) bool { return q[i].expires < q[j].expires }
func (q expiryQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *expiryQueue) Push(x any) {
	e := x.(*entry)
	e.place = len(*q)
	*q = append(*q, e)
}

// Pop implements heap.Interface.
func (q *expiryQueue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return e
}
