// Package store keeps the little state that Wiretight's decisions need: what
// was consumed, what was revoked, and who may refresh what. Every engine gives
// the same promises, and storetest holds each to them.
package store

import (
	"context"
	"errors"
	"time"
)

// The ways in which a store says no. Any other error means that the store
// could not answer; the caller must then refuse.
var (
	// ErrNotFound says that the key has no record, or that it has expired.
	ErrNotFound = errors.New("no such record")
	// ErrConflict says that the record is not, or no longer, what the caller
	// expected, and that nothing was changed.
	ErrConflict = errors.New("record has changed")
	// ErrFull says that the store is at its bound. Nothing is ever evicted to
	// make room: an evicted record could be used a second time.
	ErrFull = errors.New("store is full")
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("store is closed")
)

// The largest key and the largest value that any engine takes, in bytes.
const (
	MaxKey   = 1 << 10
	MaxValue = 64 << 10
)

// Record is one key with its value.
type Record struct {
	Key string
	// Value is never nil in a record that exists, even if it is empty, so that
	// it can serve as the old of a Replace.
	Value []byte
	// Expires is when the record ceases to exist, kept to the millisecond
	// (rounded up). Zero: never.
	Expires time.Time
	// Deleted marks, in Watch only, a record that has gone by Replace. Expiry
	// is not reported: the watcher knows the time as well as the store.
	Deleted bool
	// Pass marks, in Watch only, the beginning of a pass over all that is live,
	// and stands for no record: Key is empty. If Deleted is set too, whatever
	// the watcher knew and is not told again by the next synced has gone, or
	// expired. If not, the store has lost its state, and what is missing from
	// the pass may have gone by accident. A pass that fails is begun again.
	Pass bool
}

// Store is the contract. All methods may be called at once from many
// goroutines. Keys are 1 byte to 1 KiB, values at most 64 KiB; anything else is
// an error. Callers own the slices that they pass and that they get.
type Store interface {
	// Get returns the record, or ErrNotFound.
	Get(ctx context.Context, key string) (Record, error)

	// Replace puts value in the place of old in one atomic step. A nil old
	// demands that no live record exists; a nil value deletes the record; an
	// empty slice that is not nil is a value like any other. Of any number of
	// concurrent calls with the same old exactly one succeeds, and the others
	// get ErrConflict. When it returns nil the change outlives a killed
	// process (where the engine is persistent).
	//
	// An expires that is not in the future is an error, not a success without
	// effect: whoever consumes a token that counts as expired here but not
	// elsewhere must not be told that it is consumed. ErrConflict means that
	// nothing was changed. After any other error the change may or may not
	// have been made.
	Replace(ctx context.Context, key string, old, value []byte, expires time.Time) error

	// List calls yield for each live record whose key begins with prefix, in
	// the order of the keys' bytes, until yield returns false. It is no
	// snapshot: of records that change meanwhile it may show the old or the
	// new state. yield may call the store.
	List(ctx context.Context, prefix string, yield func(Record) bool) error

	// Watch calls changed with a mark of a pass (see Record), with every live
	// record under prefix in any order, then synced once, and from then on
	// changed for each change by any instance, within one second; of several
	// changes to one record in that time it may report only the last. Records
	// may be told more than once, and deletions of what was never told. After
	// a gap it makes another pass. It calls synced again whenever it has made sure that
	// nothing is missing (at least once a second while the store answers), so
	// that a caller can tell how old its copy is. It returns only when ctx
	// ends, or with ErrClosed when the store is closed; lost connections are
	// made anew. changed and synced are never called at the same time, and may
	// call the store.
	Watch(ctx context.Context, prefix string, changed func(Record), synced func()) error

	// Lost tells since when the store is known to have lost records that it had
	// confirmed: emptied, replaced by an older copy, or failed over to a server
	// that had not heard of them. Zero: it is not known to have lost any. That
	// there is no record tells nothing about what happened before. A Replace
	// that succeeded on a state with such a loss returned only after Lost told
	// of it. What is told is rounded up to whole seconds, since something may
	// have been confirmed in that same second.
	Lost() time.Time

	// Ping answers nil when the store can serve a Replace.
	Ping(ctx context.Context) error

	// Close ends the store's own goroutines and releases its files. Calls
	// after Close return an error.
	Close() error
}
