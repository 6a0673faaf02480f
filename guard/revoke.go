package guard

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/token"
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

// revocationPrefix is where revocations lie in the store. Behind it stands
// the kind and the SHA-256 of the value, so that keys are short whatever a
// token holds.
const revocationPrefix = "revoked/"

// revocationRecord is the stored value. Before is in Unix nanoseconds; zero
// revokes whatever the time of issue.
type revocationRecord struct {
	Before int64 `json:"before,omitempty"`
}

// Revoke writes r into s, from where every guard that shares s learns of it
// within a second. The record is kept for keep, which must be at least as long
// as the longest-lived token; zero keeps it for ever.
func Revoke(ctx context.Context, s store.Store, r Revocation, now time.Time, keep time.Duration) error {
	var rec revocationRecord
	if !r.Before.IsZero() {
		rec.Before = r.Before.UnixNano()
	}
	var kind, value string
	switch {
	case r.JTI != "" && r.SID == "" && r.Subject == "" && r.Before.IsZero():
		kind, value = "jti", r.JTI
	case r.SID != "" && r.JTI == "" && r.Subject == "" && r.Before.IsZero():
		kind, value = "sid", r.SID
	case r.Subject != "" && r.JTI == "" && r.SID == "":
		kind, value = "sub", r.Subject
		if rec.Before == 0 {
			// iat has whole seconds: what was issued in this one counts as before.
			rec.Before = now.UnixNano() + 1
		}
	case r.JTI == "" && r.SID == "" && r.Subject == "" && rec.Before != 0:
		kind = "all"
	default:
		return errors.New("name one of jti, sid, and sub (which a time may limit), or a time alone")
	}
	return putRevocation(ctx, s, revocationKey(kind, sha256.Sum256([]byte(kind+"\x00"+value))), rec, now, keep)
}

func revocationKey(kind string, sum [32]byte) string {
	return revocationPrefix + kind + "/" + hex.EncodeToString(sum[:])
}

// putRevocation writes a record, or widens the one that is there.
func putRevocation(ctx context.Context, s store.Store, key string, rec revocationRecord, now time.Time, keep time.Duration) error {
	var expires time.Time
	if keep > 0 {
		expires = now.Add(keep)
	}
	for {
		var old []byte
		have, err := s.Get(ctx, key)
		switch {
		case err == nil:
			old = have.Value
			var was revocationRecord
			if json.Unmarshal(old, &was) == nil && (was.Before == 0 || rec.Before != 0 && was.Before > rec.Before) {
				rec = was // the older one reaches further
			}
			if !expires.IsZero() && (have.Expires.IsZero() || have.Expires.After(expires)) {
				expires = have.Expires
			}
		case !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("read revocation: %w", err)
		}
		value, err := json.Marshal(rec)
		if err != nil {
			return fmt.Errorf("encode revocation: %w", err)
		}
		err = s.Replace(ctx, key, old, value, expires)
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrConflict) || ctx.Err() != nil {
			return fmt.Errorf("write revocation: %w", err)
		}
	}
}

// revocationIDs are the handles by which a token can be revoked: the first
// eight bytes of each hash. Zero: the token has no such claim.
type revocationIDs struct {
	identity, jti, sid, sub uint64
}

func idsOf(t *token.Token) revocationIDs {
	id := t.Identity()
	return revocationIDs{
		identity: binary.BigEndian.Uint64(id[:8]),
		jti:      shortID("jti", t.Claims.ID),
		sid:      shortID("sid", t.Claims.SessionID),
		sub:      shortID("sub", t.Claims.Subject),
	}
}

func shortID(kind, value string) uint64 {
	if value == "" {
		return 0
	}
	sum := sha256.Sum256([]byte(kind + "\x00" + value))
	return binary.BigEndian.Uint64(sum[:8])
}

// revocations is the copy in memory that every request is checked against.
type revocations struct {
	store  store.Store
	logger *slog.Logger
	now    func() time.Time

	n       atomic.Int64 // how many entries: none is the common case
	synced  atomic.Int64 // monotonic nanoseconds since start of the last proof of completeness
	started time.Time

	mu      sync.RWMutex
	entries map[uint64]revocationEntry
	all     int64             // tokens issued before this are revoked
	unsaved map[string]burned // burns that the store has not taken yet

	firstSync chan struct{}
	once      sync.Once
}

type revocationEntry struct {
	before  int64 // 0: whatever the time of issue
	expires int64 // 0: never
}

type burned struct {
	rec  revocationRecord
	keep time.Duration
}

const maxUnsaved = 10000

func newRevocations(s store.Store, logger *slog.Logger, now func() time.Time) *revocations {
	return &revocations{store: s, logger: logger, now: now, started: time.Now(),
		entries: map[uint64]revocationEntry{}, unsaved: map[string]burned{}, firstSync: make(chan struct{})}
}

// run keeps the copy fresh until ctx ends.
func (v *revocations) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := v.store.Watch(ctx, revocationPrefix, v.changed, v.heard)
		if ctx.Err() != nil {
			return
		}
		v.logger.Error("watch revocations", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (v *revocations) heard() {
	v.synced.Store(int64(time.Since(v.started)) + 1)
	v.once.Do(func() { close(v.firstSync) })
}

// stale reports whether the copy is older than bound, or has never been whole.
func (v *revocations) stale(bound time.Duration) bool {
	at := v.synced.Load()
	return at == 0 || time.Since(v.started)-time.Duration(at) > bound
}

func (v *revocations) changed(r store.Record) {
	kind, hash, ok := strings.Cut(strings.TrimPrefix(r.Key, revocationPrefix), "/")
	raw, err := hex.DecodeString(hash)
	if !ok || err != nil || len(raw) != 32 {
		v.logger.Warn("a revocation of unknown form was skipped", "key", r.Key)
		return
	}
	var rec revocationRecord
	if !r.Deleted {
		if err := json.Unmarshal(r.Value, &rec); err != nil {
			rec = revocationRecord{} // unreadable: revoke whatever it names
		}
	}
	var expires int64
	if !r.Expires.IsZero() {
		expires = r.Expires.UnixNano()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if kind == "all" {
		v.all = rec.Before
	} else if id := binary.BigEndian.Uint64(raw[:8]); r.Deleted {
		delete(v.entries, id)
	} else {
		v.entries[id] = revocationEntry{before: rec.Before, expires: expires}
	}
	v.count()
}

func (v *revocations) count() {
	n := int64(len(v.entries))
	if v.all != 0 {
		n++
	}
	v.n.Store(n)
}

// revoked reports whether a token is on the list, and why.
func (v *revocations) revoked(ids *revocationIDs, issuedAt int64) (reason string) {
	if v.n.Load() == 0 {
		return ""
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.all != 0 && issuedAt < v.all {
		return "issued before the time that all tokens are revoked up to"
	}
	for _, c := range [...]struct {
		id   uint64
		name string
	}{{ids.identity, "this token"}, {ids.jti, "its jti"}, {ids.sid, "its session"}, {ids.sub, "its subject"}} {
		if c.id == 0 {
			continue
		}
		if e, ok := v.entries[c.id]; ok && (e.before == 0 || issuedAt < e.before) {
			return c.name + " is revoked"
		}
	}
	return ""
}

// burn revokes one token at once here and, through the store, everywhere. The
// store may be away: the burn is then kept and written when it is back.
func (v *revocations) burn(ctx context.Context, t *token.Token, keep time.Duration) error {
	id := t.Identity()
	v.mu.Lock()
	v.entries[binary.BigEndian.Uint64(id[:8])] = revocationEntry{expires: v.now().Add(keep).UnixNano()}
	v.count()
	v.mu.Unlock()
	key := revocationKey("id", id)
	err := putRevocation(ctx, v.store, key, revocationRecord{}, v.now(), keep)
	if err != nil {
		v.mu.Lock()
		if len(v.unsaved) < maxUnsaved {
			v.unsaved[key] = burned{keep: keep}
		}
		v.mu.Unlock()
	}
	return err
}

// sweep forgets what has expired and writes what could not be written.
func (v *revocations) sweep(ctx context.Context) {
	now := v.now().UnixNano()
	v.mu.Lock()
	for id, e := range v.entries {
		if e.expires != 0 && e.expires < now {
			delete(v.entries, id)
		}
	}
	v.count()
	pending := make(map[string]burned, len(v.unsaved))
	for k, b := range v.unsaved {
		pending[k] = b
	}
	v.mu.Unlock()
	for k, b := range pending {
		if err := putRevocation(ctx, v.store, k, b.rec, v.now(), b.keep); err != nil {
			return
		}
		v.mu.Lock()
		delete(v.unsaved, k)
		v.mu.Unlock()
	}
}

// checkRevoked refuses revoked tokens, and every token while the copy of the
// revocations is too old to be trusted.
func checkRevoked(x *exchange) *refusal {
	if !x.verified {
		return nil
	}
	if x.guard.revocations.stale(x.policy.staleness) {
		return x.challenged(&refusal{rule: RuleRevoked, kind: kindUnavailable, retryAfter: 5 * time.Second,
			reason: "the store has not been heard of for " + x.policy.staleness.String()})
	}
	if reason := x.guard.revocations.revoked(&x.facts.ids, x.facts.issuedAt); reason != "" {
		return x.challenged(&refusal{rule: RuleRevoked, kind: kindInvalidToken, reason: reason})
	}
	return nil
}

// Revoke revokes on every guard that shares this one's store, and here at once.
func (g *Guard) Revoke(ctx context.Context, r Revocation) error {
	return Revoke(ctx, g.store, r, g.now(), g.policy.Load().retention)
}

// Retention is how long a revocation must be kept so that every token that cfg
// accepts has expired by then. Zero: for ever.
func Retention(cfg Config) time.Duration {
	keep := time.Duration(0)
	for i := range cfg.Tokens.Issuers {
		p := tokenPolicy(&cfg, &cfg.Tokens.Issuers[i])
		k := retention(&p)
		if k == 0 {
			return 0
		}
		keep = max(keep, k)
	}
	return keep
}
