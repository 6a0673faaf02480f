// Package revocation is how revoked tokens lie in the store: written by whoever
// revokes, read by every guard. It decides nothing about a request.
package revocation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/store"
)

// Revocation says which tokens are worthless from now on. Exactly one of JTI,
// SID and Subject is set, or none of them when Before is.
type Revocation struct {
	// JTI revokes the token with this identifier, whoever issued it.
	JTI string
	// SID revokes every token of this session.
	SID string
	// Subject revokes the tokens of this subject that were issued before
	// Before, or until now when Before is zero.
	Subject string
	// Before alone revokes every token issued before it.
	Before time.Time
}

// Prefix is where revocations lie in the store. Behind it stand the kind and
// the SHA-256 of the value, so that keys are short whatever a token holds.
const Prefix = "revoked/"

// Kind is what a revocation names.
type Kind string

// The kinds. Identity is one token, by issuer and jti or by its signed part.
// Lost revokes nothing by itself, see PutLost.
const (
	Identity Kind = "id"
	JTI      Kind = "jti"
	SID      Kind = "sid"
	Subject  Kind = "sub"
	All      Kind = "all"
	Lost     Kind = "lost"
)

// record is the stored value. Before is in Unix nanoseconds; zero revokes
// whatever the time of issue.
type record struct {
	Before int64 `json:"before,omitempty"`
}

// Hash is what stands for a value in keys.
func Hash(kind Kind, value string) [32]byte {
	var room [128]byte
	b := append(append(room[:0], kind...), 0)
	return sha256.Sum256(append(b, value...))
}

// Key is where a revocation lies in the store.
func Key(kind Kind, sum [32]byte) string {
	return Prefix + string(kind) + "/" + hex.EncodeToString(sum[:])
}

// ParseKey takes a key apart. It does not allocate.
func ParseKey(k string) (kind Kind, sum [32]byte, ok bool) {
	name, digits, ok := strings.Cut(strings.TrimPrefix(k, Prefix), "/")
	var hash [2 * len(sum)]byte
	if !ok || len(digits) != len(hash) {
		return "", sum, false
	}
	copy(hash[:], digits)
	if _, err := hex.Decode(sum[:], hash[:]); err != nil {
		return "", [32]byte{}, false
	}
	return Kind(name), sum, true
}

// Before reads a stored value: tokens issued before it, in Unix nanoseconds,
// are revoked. Zero, also of a value that cannot be read: all of them.
func Before(value []byte) int64 {
	if string(value) == "{}" {
		return 0
	}
	// What put writes is read by hand, a million of them at a start.
	if digits, ok := bytes.CutPrefix(value, []byte(`{"before":`)); ok {
		if digits, ok = bytes.CutSuffix(digits, []byte("}")); ok && len(digits) > 0 && digits[0] >= '1' && digits[0] <= '9' {
			if n, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
				return n
			}
		}
	}
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return 0
	}
	return r.Before
}

// Put writes r into s, from where every guard that shares s learns of it within
// a second. The record is kept for keep, which must be at least as long as the
// longest-lived token; zero keeps it for ever.
func Put(ctx context.Context, s store.Store, r Revocation, now time.Time, keep time.Duration) error {
	var rec record
	if !r.Before.IsZero() {
		rec.Before = r.Before.UnixNano()
	}
	var kind Kind
	var value string
	switch {
	case r.JTI != "" && r.SID == "" && r.Subject == "" && r.Before.IsZero():
		kind, value = JTI, r.JTI
	case r.SID != "" && r.JTI == "" && r.Subject == "" && r.Before.IsZero():
		kind, value = SID, r.SID
	case r.Subject != "" && r.JTI == "" && r.SID == "":
		kind, value = Subject, r.Subject
		if rec.Before == 0 {
			// iat has whole seconds: what was issued in this one counts as before.
			rec.Before = now.UnixNano() + 1
		}
	case r.JTI == "" && r.SID == "" && r.Subject == "" && rec.Before != 0:
		kind = All
	default:
		return errors.New("name one of jti, sid, and sub (which a time may limit), or a time alone")
	}
	if keep > 0 && r.Before.After(now) {
		keep += r.Before.Sub(now) // tokens that it concerns may be issued until then
	}
	return put(ctx, s, Key(kind, Hash(kind, value)), rec, now, keep)
}

// PutLost notes that the store lost its records at a time. Who was not there
// to know the revocations of before must take no token from before.
func PutLost(ctx context.Context, s store.Store, at, now time.Time, keep time.Duration) error {
	return put(ctx, s, Key(Lost, Hash(Lost, "")), record{Before: at.UnixNano()}, now, keep)
}

// PutIdentity revokes one token by its identity.
func PutIdentity(ctx context.Context, s store.Store, id [32]byte, now time.Time, keep time.Duration) error {
	return put(ctx, s, Key(Identity, id), record{}, now, keep)
}

// put writes a record, or widens the one that is there.
func put(ctx context.Context, s store.Store, k string, rec record, now time.Time, keep time.Duration) error {
	var expires time.Time
	if keep > 0 {
		expires = now.Add(keep)
	}
	for {
		var old []byte
		until := expires
		have, err := s.Get(ctx, k)
		switch {
		case err == nil:
			old = have.Value
			if was := Before(old); was == 0 || rec.Before != 0 && was > rec.Before {
				rec.Before = was // the older one reaches further
			}
			if have.Expires.IsZero() || !until.IsZero() && have.Expires.After(until) {
				until = have.Expires
			}
		case !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("read revocation: %w", err)
		}
		value, err := json.Marshal(rec)
		if err != nil {
			return fmt.Errorf("encode revocation: %w", err)
		}
		err = s.Replace(ctx, k, old, value, until)
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrConflict) || ctx.Err() != nil {
			return fmt.Errorf("write revocation: %w", err)
		}
	}
}
