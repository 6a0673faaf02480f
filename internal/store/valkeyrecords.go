package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"
)

// Get implements Store. It is the server that says whether a record has expired.
func (v *Valkey) Get(ctx context.Context, key string) (Record, error) {
	if err := checkKey(key); err != nil {
		return Record{}, err
	}
	name := v.names.record(key)
	answer, err := v.do(ctx, name, false, func(b valkey.Builder) valkey.Completed {
		return b.Get().Key(name).Build()
	})
	if err != nil {
		return Record{}, err
	}
	p, err := answer.ToString()
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
	g := group(key)
	run, names := swapScript, []string{v.names.record(key), v.names.count(g)}
	args := []string{
		flag(old != nil), string(c.old), flag(value != nil), string(pack(c.expires, c.value)),
		strconv.FormatInt(left, 10), strconv.FormatInt(c.expires, 10), newMark(),
	}
	if g == logGroup {
		run, names = logScript, append(names, v.names.log, v.names.index, v.names.sweep)
		args = append(args, key, v.names.channel, v.names.records(logGroup))
	}
	before := v.water.mark(g)
	answer, err := v.eval(ctx, true, run, names, args)
	var unsure *unconfirmed
	if err != nil && !errors.As(err, &unsure) {
		return err
	}
	said, bad := answer.ToString()
	switch {
	case bad != nil:
		return fmt.Errorf("answer of store: %w", bad)
	case said == conflict: // what was not changed need not have reached a replica
		return ErrConflict
	case said != unchanged:
		v.water.saw(g, before, said, true, v.now())
	}
	return err
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// newMark is what tells an entry of the log from any other.
func newMark() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
