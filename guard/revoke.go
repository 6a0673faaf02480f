package guard

import (
	"context"
	"encoding/binary"
	"log/slog"
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/token"
)

// Revocation says which tokens are worthless from now on.
type Revocation = revocation.Revocation

// revocationIDs are the handles by which a token can be revoked: the first
// eight bytes of each hash. Zero: the token has no such claim.
type revocationIDs struct {
	identity, jti, sid, sub uint64
}

func idsOf(t *token.Token) revocationIDs {
	id := t.Identity()
	return revocationIDs{
		identity: short(id),
		jti:      shortID(revocation.JTI, t.Claims.ID),
		sid:      shortID(revocation.SID, t.Claims.SessionID),
		sub:      shortID(revocation.Subject, t.Claims.Subject),
	}
}

func shortID(kind revocation.Kind, value string) uint64 {
	if value == "" {
		return 0
	}
	return short(revocation.Hash(kind, value))
}

func short(sum [32]byte) uint64 { return binary.BigEndian.Uint64(sum[:8]) }

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
	all     int64                      // tokens issued before this are revoked
	unsaved map[[32]byte]time.Duration // burns that the store has not taken yet

	firstSync chan struct{}
	once      sync.Once
}

type revocationEntry struct {
	before  int64 // 0: whatever the time of issue
	expires int64 // 0: never
}

const maxUnsaved = 10000

func newRevocations(s store.Store, logger *slog.Logger, now func() time.Time) *revocations {
	return &revocations{
		store: s, logger: logger, now: now, started: time.Now(),
		entries: map[uint64]revocationEntry{}, unsaved: map[[32]byte]time.Duration{}, firstSync: make(chan struct{}),
	}
}

// run keeps the copy fresh until ctx ends.
func (v *revocations) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := v.store.Watch(ctx, revocation.Prefix, v.changed, v.heard)
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
	kind, sum, ok := revocation.ParseKey(r.Key)
	if !ok {
		v.logger.Warn("a revocation of unknown form was skipped", "key", r.Key)
		return
	}
	var before int64 // unreadable, or gone: whatever the time of issue
	if !r.Deleted {
		before = revocation.Before(r.Value)
	}
	var expires int64
	if !r.Expires.IsZero() {
		expires = r.Expires.UnixNano()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case kind == revocation.All && before == 0 && !r.Deleted:
		v.all = math.MaxInt64 // unreadable
	case kind == revocation.All:
		v.all = before
	case r.Deleted:
		delete(v.entries, short(sum))
	default:
		v.entries[short(sum)] = revocationEntry{before: before, expires: expires}
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
	var expires int64
	if keep > 0 {
		expires = v.now().Add(keep).UnixNano()
	}
	v.mu.Lock()
	v.entries[short(id)] = revocationEntry{expires: expires}
	v.count()
	v.mu.Unlock()
	// Whoever sent the token may be gone by now; that must not save it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	err := revocation.PutIdentity(ctx, v.store, id, v.now(), keep)
	if err != nil {
		v.mu.Lock()
		if len(v.unsaved) < maxUnsaved {
			v.unsaved[id] = keep
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
	pending := maps.Clone(v.unsaved)
	v.mu.Unlock()
	for k, keep := range pending {
		if !v.save(ctx, k, keep) {
			return
		}
		v.mu.Lock()
		delete(v.unsaved, k)
		v.mu.Unlock()
	}
}

// save writes a burn that the store would not take before.
func (v *revocations) save(ctx context.Context, id [32]byte, keep time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return revocation.PutIdentity(ctx, v.store, id, v.now(), keep) == nil
}

// issuedAt is the token's iat in Unix nanoseconds; 0, and so before
// everything, if it has none.
func (x *exchange) issuedAt() int64 { return int64(x.facts.issuedAt) * int64(time.Second) }

// checkRevoked refuses revoked tokens, and every token while the copy of the
// revocations is too old to be trusted.
func checkRevoked(x *exchange) *refusal {
	if !x.verified {
		return nil
	}
	if x.guard.revocations.stale(x.policy.staleness) {
		return x.challenged(&refusal{
			rule: RuleRevoked, kind: kindUnavailable, retryAfter: 5 * time.Second,
			reason: "the store has not been heard of for " + x.policy.staleness.String(),
		})
	}
	if reason := x.guard.revocations.revoked(&x.facts.ids, x.issuedAt()); reason != "" {
		return x.challenged(&refusal{rule: RuleRevoked, kind: kindInvalidToken, reason: reason})
	}
	return nil
}

// Revoke revokes on every guard that shares this one's store, and here at once.
func (g *Guard) Revoke(ctx context.Context, r Revocation) error {
	return revocation.Put(ctx, g.store, r, g.now(), g.policy.Load().retention)
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
