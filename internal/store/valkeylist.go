package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/valkey-io/valkey-go"
)

// maxListed bounds the keys that one List sorts in memory.
const maxListed = 1 << 22

// fetch is how many values are read in one exchange, and fetchMany where it is
// all that there are: fewer exchanges, and others wait for each a moment longer.
const (
	fetch     = 64
	fetchMany = 2048
)

// List implements Store. Records that may be watched have an index in order.
// For the others it goes through all keys of the database, in a Cluster of
// every primary, so give Wiretight a database of its own. While slots of a
// Cluster are moved it may miss what is on its way.
func (v *Valkey) List(ctx context.Context, prefix string, yield func(Record) bool) error {
	watched, spreads := covers(prefix)
	if !spreads {
		return v.listIndexed(ctx, prefix, yield)
	}
	var keys []string
	if watched {
		err := v.index(ctx, prefix, func(page []string) (bool, error) {
			keys = append(keys, page...)
			return true, tooMany(keys, prefix)
		})
		if err != nil {
			return err
		}
	}
	keys, err := v.scan(ctx, prefix, keys)
	if err != nil {
		return err
	}
	_, err = v.show(ctx, keys, yield)
	return err
}

func (v *Valkey) listIndexed(ctx context.Context, prefix string, yield func(Record) bool) error {
	return v.index(ctx, prefix, func(page []string) (bool, error) { return v.show(ctx, page, yield) })
}

// each calls yield with every live record under prefix.
func (v *Valkey) each(ctx context.Context, prefix string, yield func(Record)) error {
	return v.List(ctx, prefix, func(r Record) bool { yield(r); return true })
}

// index gives the watched keys under prefix in order, page by page, until
// take says that it is enough.
func (v *Valkey) index(ctx context.Context, prefix string, take func(page []string) (more bool, err error)) error {
	from, to := "["+prefix, after(prefix)
	for {
		answer, err := v.do(ctx, v.names.index, false, func(b valkey.Builder) valkey.Completed {
			return b.Zrangebylex().Key(v.names.index).Min(from).Max(to).Limit(0, fetchMany).Build()
		})
		if err != nil {
			return err
		}
		page, err := answer.AsStrSlice()
		if err != nil {
			return fmt.Errorf("index of store: %w", err)
		}
		more, err := take(page)
		if err != nil || !more || len(page) < fetchMany {
			return err
		}
		from = "(" + page[len(page)-1]
	}
}

// after is the end of a range that holds all that begins with prefix.
func after(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			return "(" + prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return "+"
}

// show yields the records of keys that exist.
func (v *Valkey) show(ctx context.Context, keys []string, yield func(Record) bool) (more bool, err error) {
	for chunk := range slices.Chunk(keys, fetchMany) {
		records, err := v.fetch(ctx, chunk)
		if err != nil {
			return false, err
		}
		for _, r := range records {
			if !r.Deleted && !yield(r) {
				return false, nil
			}
		}
	}
	return true, nil
}

func tooMany(keys []string, prefix string) error {
	if len(keys) > maxListed {
		return fmt.Errorf("more than %d records begin with %q; list a longer prefix", maxListed, prefix)
	}
	return nil
}

// scan adds the keys under prefix that are not watched, and sorts all. A scan
// may show a key twice.
func (v *Valkey) scan(ctx context.Context, prefix string, keys []string) ([]string, error) {
	ch, err := v.chart(ctx)
	if err != nil {
		return nil, err
	}
	if err := ch.whole(); err != nil {
		return nil, err
	}
	pattern := v.names.prefix + ":{*}:r:" + escapeGlob(prefix) + "*"
	for _, n := range ch.primaries() {
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			found, err := v.scanPage(ctx, n, cursor, pattern)
			if err != nil {
				return nil, err
			}
			for _, name := range found.Elements {
				if key, ok := v.names.key(name); ok {
					keys = append(keys, key)
				}
			}
			if err := tooMany(keys, prefix); err != nil {
				return nil, err
			}
			cursor = found.Cursor
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

func (v *Valkey) scanPage(ctx context.Context, n *node, cursor uint64, pattern string) (found valkey.ScanEntry, err error) {
	if err := ctx.Err(); err != nil {
		return found, err
	}
	limited, cancel := context.WithTimeout(ctx, v.wait)
	defer cancel()
	answer, err := n.do(limited, ctx, func(b valkey.Builder) valkey.Completed {
		return b.Scan().Cursor(cursor).Match(pattern).Count(1000).Build()
	}, false, false)
	if err != nil {
		return found, err
	}
	return answer.AsScanEntry()
}

// fetch reads records; those that are not there are marked Deleted.
func (v *Valkey) fetch(ctx context.Context, keys []string) ([]Record, error) {
	places := make(map[int][]int) // by group
	for i, key := range keys {
		places[group(key)] = append(places[group(key)], i)
	}
	records := make([]Record, len(keys))
	for _, at := range places {
		together := make([]string, len(at))
		for i, place := range at {
			together[i] = keys[place]
		}
		some, err := v.fetchTogether(ctx, together)
		if err != nil {
			return nil, err
		}
		for i, place := range at {
			records[place] = some[i]
		}
	}
	return records, nil
}

// fetchTogether reads records of one group.
func (v *Valkey) fetchTogether(ctx context.Context, keys []string) ([]Record, error) {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = v.names.record(key)
	}
	answer, err := v.do(ctx, names[0], false, func(b valkey.Builder) valkey.Completed {
		return b.Mget().Key(names...).Build()
	})
	if err != nil {
		return nil, err
	}
	values, err := answer.ToArray()
	if err != nil {
		return nil, fmt.Errorf("records in store: %w", err)
	}
	if len(values) != len(keys) {
		return nil, fmt.Errorf("store answered %d values for %d keys", len(values), len(keys))
	}
	records := make([]Record, len(keys))
	for i, key := range keys {
		if values[i].IsNil() {
			records[i] = Record{Key: key, Deleted: true}
			continue
		}
		p, err := values[i].ToString()
		if err != nil {
			return nil, fmt.Errorf("record %q in store: %w", key, err)
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
