package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"
)

// maxListed bounds the keys that one List sorts in memory.
const maxListed = 1 << 22

// fetch is how many values are read in one exchange, and fetchMany where it is
// all that there are: fewer exchanges, and others wait for each a moment longer.
const (
	fetch     = 64
	fetchMany = 512
)

// Get implements Store. It is the server that says whether a record has expired.
func (v *Valkey) Get(ctx context.Context, key string) (Record, error) {
	if err := checkKey(key); err != nil {
		return Record{}, err
	}
	var p string
	err := v.ask(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		p, err = c.Do(ctx, c.B().Get().Key(recordPrefix+key).Build()).ToString()
		return err
	})
	if valkey.IsValkeyNil(err) {
		return Record{}, ErrNotFound
	}
	if err != nil {
		return Record{}, err
	}
	return unpack(key, []byte(p))
}

// Replace implements Store.
func (v *Valkey) Replace(ctx context.Context, key string, old, value []byte, expires time.Time) error {
	now := v.now()
	c, err := newChange(key, old, value, expires, now)
	if err != nil {
		return err
	}
	left := int64(0)
	if c.expires != 0 {
		left = max(c.expires-now.UnixMilli(), 1)
	}
	args := []string{
		flag(old != nil), string(c.old), flag(value != nil), string(pack(c.expires, c.value)),
		fmt.Sprint(left), fmt.Sprint(c.expires), key, channel,
	}
	var said string
	before := v.water.mark()
	err = v.ask(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		said, err = v.replace.Exec(ctx, c, []string{recordPrefix + key, logKey}, args).ToString()
		return err
	})
	switch {
	case err != nil:
		return err
	case said == conflict:
		return ErrConflict
	case said != unchanged:
		v.water.saw(before, said, true, v.now())
	}
	return nil
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// List implements Store. It goes through all keys of the database, so give
// Wiretight a database of its own.
func (v *Valkey) List(ctx context.Context, prefix string, yield func(Record) bool) error {
	keys, err := v.keys(ctx, prefix)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(keys, fetch) {
		records, err := v.fetch(ctx, chunk)
		if err != nil {
			return err
		}
		for _, r := range records {
			if !r.Deleted && !yield(r) {
				return nil
			}
		}
	}
	return nil
}

// keys returns the keys under prefix in order. A scan may show a key twice.
func (v *Valkey) keys(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	err := v.scan(ctx, prefix, func(page []string) error {
		if keys = append(keys, page...); len(keys) > maxListed {
			return fmt.Errorf("more than %d records begin with %q; list a longer prefix", maxListed, prefix)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// each calls yield with every live record under prefix, in no order and some
// perhaps twice. It holds one page of them, however many there are.
func (v *Valkey) each(ctx context.Context, prefix string, yield func(Record)) error {
	return v.scan(ctx, prefix, func(page []string) error {
		for chunk := range slices.Chunk(page, fetchMany) {
			records, err := v.fetch(ctx, chunk)
			if err != nil {
				return err
			}
			for _, r := range records {
				if !r.Deleted {
					yield(r)
				}
			}
		}
		return nil
	})
}

// scan calls page with the keys under prefix, some at a time, in no order and
// some perhaps twice.
func (v *Valkey) scan(ctx context.Context, prefix string, page func(keys []string) error) error {
	pattern := recordPrefix + escapeGlob(prefix) + "*"
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		var found valkey.ScanEntry
		err := v.ask(ctx, func(ctx context.Context, c valkey.Client) (err error) {
			found, err = c.Do(ctx, c.B().Scan().Cursor(cursor).Match(pattern).Count(1000).Build()).AsScanEntry()
			return err
		})
		if err != nil {
			return err
		}
		for i, name := range found.Elements {
			found.Elements[i] = strings.TrimPrefix(name, recordPrefix)
		}
		if err := page(found.Elements); err != nil {
			return err
		}
		cursor = found.Cursor
	}
	return nil
}

// fetch reads records; those that are not there are marked Deleted.
func (v *Valkey) fetch(ctx context.Context, keys []string) ([]Record, error) {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = recordPrefix + key
	}
	var values []valkey.ValkeyMessage
	err := v.ask(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		values, err = c.Do(ctx, c.B().Mget().Key(names...).Build()).ToArray()
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(values) != len(keys) {
		return nil, fmt.Errorf("store at %s answered %d values for %d keys", v.at.address, len(values), len(keys))
	}
	records := make([]Record, len(keys))
	for i, key := range keys {
		if values[i].IsNil() {
			records[i] = Record{Key: key, Deleted: true}
			continue
		}
		p, err := values[i].ToString()
		if err != nil {
			return nil, fmt.Errorf("record %q in store at %s: %w", key, v.at.address, err)
		}
		if records[i], err = unpack(key, []byte(p)); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// escapeGlob makes a prefix stand for itself in a pattern.
func escapeGlob(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(`*?[]^-\`, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
