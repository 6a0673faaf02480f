package store

import (
	"fmt"
	"time"
)

// change is a Replace whose arguments have been looked at, in the form that
// engines keep: expires in milliseconds since 1970, zero for never.
type change struct {
	key        string
	old, value []byte
	expires    int64
}

// newChange copies the arguments of a Replace, because a caller whose context
// ends gets its slices back before the engine is done with them. It refuses
// what no engine takes.
func newChange(key string, old, value []byte, expires, now time.Time) (*change, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if len(value) > MaxValue {
		return nil, fmt.Errorf("value of %d bytes is too long; at most %d are stored", len(value), MaxValue)
	}
	c := &change{key: key, old: clone(old), value: clone(value)}
	if value == nil || expires.IsZero() {
		return c, nil
	}
	if !expires.After(now) {
		return nil, fmt.Errorf("record would be born expired: its time %s is not after %s",
			expires.UTC().Format(time.RFC3339Nano), now.UTC().Format(time.RFC3339Nano))
	}
	if expires.Year() > 9999 {
		return nil, fmt.Errorf("expiry in the year %d is out of range; give the zero time for never", expires.Year())
	}
	c.expires = expires.Add(time.Millisecond - 1).UnixMilli()
	return c, nil
}

func checkKey(key string) error {
	if key == "" {
		return fmt.Errorf("empty key; give at least one byte")
	}
	if len(key) > MaxKey {
		return fmt.Errorf("key of %d bytes is too long; at most %d are stored", len(key), MaxKey)
	}
	return nil
}

// clone keeps the difference between nil and empty, which bytes.Clone also
// does, and gives an empty slice a place of its own.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

// live says whether a record with this expiry exists at now.
func live(expires int64, now time.Time) bool {
	return expires == 0 || now.Before(time.UnixMilli(expires))
}

// expiry turns the engines' form back into a time.
func expiry(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
