package store

import (
	"hash/maphash"
	"time"
)

// mirror remembers what one watcher was told, so that after a gap only the
// differences are reported and records that are no longer there are noticed.
// It holds a hash of each value, not the value. It belongs to one goroutine.
type mirror struct {
	now     func() time.Time
	changed func(Record)
	seed    maphash.Seed
	told    map[string]digest
	prune   int // size of told at which expired entries are dropped
}

type digest struct {
	sum     uint64
	expires time.Time
}

func newMirror(now func() time.Time, changed func(Record)) *mirror {
	return &mirror{
		now: now, changed: changed, seed: maphash.MakeSeed(),
		told: make(map[string]digest), prune: 1024,
	}
}

// tell reports r unless the watcher knows it as it is.
func (m *mirror) tell(r Record) {
	d := digest{sum: maphash.Bytes(m.seed, r.Value), expires: r.Expires}
	if was, ok := m.told[r.Key]; ok && was.sum == d.sum && was.expires.Equal(d.expires) {
		return
	}
	m.told[r.Key] = d
	m.dropExpired()
	m.changed(r)
}

// gone reports that key has been deleted. What was never told, or has expired
// since, is not worth a call.
func (m *mirror) gone(key string) {
	d, ok := m.told[key]
	if !ok {
		return
	}
	delete(m.told, key)
	if d.expires.IsZero() || m.now().Before(d.expires) {
		m.changed(Record{Key: key, Deleted: true})
	}
}

// sync goes through all that list shows. What is missing there is reported as
// deleted, unless lost says that the store may have forgotten it by accident.
func (m *mirror) sync(list func(yield func(Record) bool) error, lost bool) error {
	seen := make(map[string]struct{}, len(m.told))
	err := list(func(r Record) bool {
		seen[r.Key] = struct{}{}
		m.tell(r)
		return true
	})
	if err != nil {
		return err
	}
	for key := range m.told {
		if _, ok := seen[key]; ok {
			continue
		}
		if lost {
			delete(m.told, key)
		} else {
			m.gone(key)
		}
	}
	return nil
}

func (m *mirror) dropExpired() {
	if len(m.told) < m.prune {
		return
	}
	now := m.now()
	for key, d := range m.told {
		if !d.expires.IsZero() && !now.Before(d.expires) {
			delete(m.told, key)
		}
	}
	m.prune = 2*len(m.told) + 1024
}
