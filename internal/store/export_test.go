package store

import (
	"strings"
	"time"
)

// RedisURL is what the parser makes of a redis URL, for tests.
func RedisURL(rawURL string) (address, user, password string, database int, tls bool, err error) {
	e, err := parseRedisURL(rawURL)
	return strings.Join(e.addresses, ","), e.user, e.password, e.database, e.tls != nil, err
}

// Unpack is unpack, for tests.
var Unpack = unpack

// Pack is pack, for tests.
var Pack = pack

// OpenPatient opens a Valkey that waits longer for answers than a guard may,
// for tests of anything else on a machine that is busy.
func OpenPatient(rawURL string) (*Valkey, error) {
	at, err := parseRedisURL(rawURL)
	if err != nil {
		return nil, err
	}
	return dial(at, nil, 20*time.Second), nil
}

// Slot is slot, for tests.
func Slot(name string) uint16 { return slot(name) }

// Name is where a record lies, for tests.
func Name(key string) string {
	l := newLayout(defaultPrefix)
	return l.record(key)
}

// CountName is where the count of a record's group lies, for tests.
func CountName(key string) string {
	l := newLayout(defaultPrefix)
	return l.count(group(key))
}

// KeyOf is the key of a spread record's name, for tests.
func KeyOf(name string) (key string, ok bool) {
	l := newLayout(defaultPrefix)
	return l.key(name)
}

// Redirected reads an error of a Cluster's node, for tests.
func Redirected(text, from string) (address string, again, ok bool) {
	r := readRedirect(text, from)
	if r == nil {
		return "", false, false
	}
	return r.address, r.again, true
}
