package guard

import (
	"context"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/token"
)

// Revocation says which tokens are worthless from now on.
type Revocation = revocation.Revocation

// revocationIDs are the handles by which a token can be revoked. Zero: the
// token has no such claim.
type revocationIDs struct {
	identity, jti, sid, sub revocation.ID
}

func idsOf(t *token.Token) revocationIDs {
	return revocationIDs{
		identity: revocation.Short(t.Identity()),
		jti:      shortID(revocation.JTI, t.Claims.ID),
		sid:      shortID(revocation.SID, t.Claims.SessionID),
		sub:      shortID(revocation.Subject, t.Claims.Subject),
	}
}

func shortID(kind revocation.Kind, value string) revocation.ID {
	if value == "" {
		return 0
	}
	return revocation.Short(revocation.Hash(kind, value))
}

// revocations is the copy in memory that every request is checked against.
type revocations struct {
	store  store.Store
	logger *slog.Logger
	now    func() time.Time
	table  *revocation.Table
	every  revocation.ID // of the entry that reaches all tokens
	pass   passage
	whole  time.Time // when the copy was whole for the first time; belongs to the watcher

	unheard atomic.Int64 // tokens issued before may be revoked by what the store lost; Unix nanoseconds
	synced  atomic.Int64 // monotonic nanoseconds since start of the last proof of completeness
	started time.Time

	mu      sync.Mutex
	unsaved map[[32]byte]burn // burns that the store has not taken yet

	firstSync chan struct{}
	once      sync.Once
}

// burn is one that the store has not taken yet.
type burn struct {
	keep   time.Duration
	failed bool // else it is being written
}

const maxUnsaved = 10000

func newRevocations(s store.Store, logger *slog.Logger, now func() time.Time) *revocations {
	return &revocations{
		store: s, logger: logger, now: now, started: time.Now(),
		table: revocation.NewTable(), every: revocation.Short(revocation.Hash(revocation.All, "")),
		unsaved: map[[32]byte]burn{}, firstSync: make(chan struct{}),
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

// passage is a pass over all that the store holds. It belongs to the watcher.
type passage struct {
	began, logged time.Time
	read          int
}

// passNote is how often the log says how far a pass has come.
const passNote = 3 * time.Second

func (p *passage) begin() { *p = passage{began: time.Now(), logged: time.Now()} }

// step counts a record of the pass.
func (p *passage) step(logger *slog.Logger) {
	if p.read++; p.read%4096 == 0 && time.Since(p.logged) >= passNote {
		p.logged = time.Now()
		logger.Info("reading revocations", "read", p.read, "took", p.logged.Sub(p.began).String())
	}
}

// end says that a pass which took its time is over.
func (p *passage) end(logger *slog.Logger) {
	if took := time.Since(p.began); !p.began.IsZero() && took >= passNote {
		logger.Info("revocations are read", "read", p.read, "took", took.String())
	}
	p.began = time.Time{}
}

// heard is told that the copy is whole.
func (v *revocations) heard() {
	v.mu.Lock()
	for id, b := range v.unsaved { // the pass cannot have shown these
		v.enter(id, b.keep)
	}
	v.table.End()
	v.mu.Unlock()
	v.pass.end(v.logger)
	if v.whole.IsZero() {
		v.whole = v.now()
	}
	v.synced.Store(int64(time.Since(v.started)) + 1)
	v.once.Do(func() { close(v.firstSync) })
}

// stale reports whether the copy is older than bound, or has never been whole.
func (v *revocations) stale(bound time.Duration) bool {
	return v.staleAt(time.Since(v.started), bound)
}

// staleAt is stale so long after the start.
func (v *revocations) staleAt(now, bound time.Duration) bool {
	at := v.synced.Load()
	return at == 0 || now-time.Duration(at) > bound
}

// staleRevocations reports whether the copy is too old for x. The clock need
// not be read again for a token that was remembered, since that takes no time.
func (x *exchange) staleRevocations() bool {
	v := x.guard.revocations
	if x.guard.steady && x.parsed == nil {
		return v.staleAt(x.now.Sub(v.started), x.policy.staleness)
	}
	return v.stale(x.policy.staleness)
}

// staleness says in words why the copy is stale.
func (v *revocations) staleness(bound time.Duration) string {
	if n := v.table.Len(); n > 0 && v.synced.Load() == 0 {
		return "the revocations are being read, " + strconv.Itoa(n) + " so far"
	}
	return "the store has not been heard of for " + bound.String()
}

func (v *revocations) changed(r store.Record) {
	if r.Pass {
		v.pass.begin()
		v.table.Begin(r.Deleted)
		return
	}
	v.pass.step(v.logger)
	kind, sum, ok := revocation.ParseKey(r.Key)
	if !ok {
		v.logger.Warn("a revocation of unknown form was skipped", "key", r.Key)
		return
	}
	if kind == revocation.Lost {
		v.heardOfLoss(r)
		return
	}
	id := revocation.Short(sum)
	if kind == revocation.All {
		id = v.every
	}
	if r.Deleted {
		v.table.Delete(id)
		return
	}
	v.table.Put(id, revocation.Entry{Before: revocation.Before(r.Value), Expires: r.Expires})
}

// revoked reports whether a token is on the list, and why.
func (v *revocations) revoked(ids *revocationIDs, issuedAt int64) (reason string) {
	if issuedAt < v.unheard.Load() {
		return "issued before the store lost revocations that this instance never heard of"
	}
	if v.table.Len() == 0 {
		return ""
	}
	switch {
	case v.table.Revoked(v.every, issuedAt):
		return "issued before the time that all tokens are revoked up to"
	case v.table.Revoked(ids.identity, issuedAt):
		return "this token is revoked"
	case ids.jti != 0 && v.table.Revoked(ids.jti, issuedAt):
		return "its jti is revoked"
	case ids.sid != 0 && v.table.Revoked(ids.sid, issuedAt):
		return "its session is revoked"
	case ids.sub != 0 && v.table.Revoked(ids.sub, issuedAt):
		return "its subject is revoked"
	}
	return ""
}

// enter revokes a token here.
func (v *revocations) enter(id [32]byte, keep time.Duration) {
	var e revocation.Entry
	if keep > 0 {
		e.Expires = v.now().Add(keep)
	}
	v.table.Put(revocation.Short(id), e)
}

// burn revokes one token at once here and, through the store, everywhere. The
// store may be away: the burn is then kept and written when it is back.
func (v *revocations) burn(ctx context.Context, t *token.Token, keep time.Duration) error {
	id := t.Identity()
	v.mu.Lock()
	v.enter(id, keep)
	if len(v.unsaved) < maxUnsaved {
		v.unsaved[id] = burn{keep: keep}
	}
	v.mu.Unlock()
	// Whoever sent the token may be gone by now; that must not save it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	err := revocation.PutIdentity(ctx, v.store, id, v.now(), keep)
	v.settle(id, keep, err == nil)
	return err
}

// settle notes whether the store has taken a burn. One that it took is entered
// again, because a pass that began before may not show it.
func (v *revocations) settle(id [32]byte, keep time.Duration, taken bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch _, ok := v.unsaved[id]; {
	case taken:
		v.enter(id, keep)
		delete(v.unsaved, id)
	case ok:
		v.unsaved[id] = burn{keep: keep, failed: true}
	}
}

// sweep forgets what has expired and writes what could not be written.
func (v *revocations) sweep(ctx context.Context) {
	v.table.Sweep(v.now())
	v.mu.Lock()
	pending := maps.Clone(v.unsaved)
	v.mu.Unlock()
	for id, b := range pending {
		if !b.failed {
			continue
		}
		if !v.save(ctx, id, b.keep) {
			return
		}
		v.settle(id, b.keep, true)
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
	if x.staleRevocations() {
		return x.challenged(&refusal{
			rule: RuleRevoked, kind: kindUnavailable, retryAfter: 5 * time.Second,
			reason: x.guard.revocations.staleness(x.policy.staleness),
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
