package store

import (
	"context"
	"hash/maphash"
	"time"
)

// poll finds out what has changed among records that are not logged, by
// listing them. It remembers a hash of each: whoever watches such records pays
// for it. It belongs to one follower.
type poll struct {
	prefix string
	seed   maphash.Seed
	told   map[string]digest
}

type digest struct {
	sum     uint64
	expires time.Time
}

func newPoll(prefix string) *poll {
	return &poll{prefix: prefix, seed: maphash.MakeSeed(), told: make(map[string]digest)}
}

// note remembers r, and answers whether it is news.
func (p *poll) note(r Record) bool {
	d := digest{sum: maphash.Bytes(p.seed, r.Value), expires: r.Expires}
	was, ok := p.told[r.Key]
	p.told[r.Key] = d
	return !ok || was.sum != d.sum || !was.expires.Equal(d.expires)
}

// look lists the records and tells the differences.
func (p *poll) look(ctx context.Context, v *Valkey, m *mirror) error {
	keys, err := v.scan(ctx, p.prefix, nil)
	if err != nil {
		return err
	}
	seen := make(map[string]struct{}, len(keys))
	_, err = v.show(ctx, keys, func(r Record) bool {
		seen[r.Key] = struct{}{}
		if p.note(r) {
			m.tell(r)
		}
		return true
	})
	if err != nil {
		return err
	}
	now := v.now()
	for key, d := range p.told {
		if _, ok := seen[key]; ok {
			continue
		}
		delete(p.told, key)
		if d.expires.IsZero() || now.Before(d.expires) {
			m.gone(key)
		}
	}
	return nil
}
