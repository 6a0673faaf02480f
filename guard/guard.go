// Package guard protects an HTTP API that is reached with bearer tokens: it
// lets a request through only over HTTPS, for a known host, in one unambiguous
// form, with a token that was verified in full, and it guards the answer.
//
// A Guard wraps any http.Handler; Handler wraps a reverse proxy to the
// configured upstreams. The zero value of every setting is the strictest.
package guard

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/internal/store"
)

// order is every rule that a request is put to, in this order. A rule returns
// a refusal or nil; the first refusal ends the request (unless the rule is
// only observed). docs/request-cycle.md says why the order is this one.
var order = []struct {
	name  Rule
	check func(*exchange) *refusal
}{
	{RuleTransport, checkTransport}, // no token is looked at before the wire is safe
	{RuleHost, checkHost},           // is this request for us?
	{RulePath, checkPath},           // from here on there is one path
	{RuleHeaders, checkHeaders},     // what clients may not say is gone
	{RuleCORS, checkCORS},           // preflights end here
	{RuleMethod, checkRoute},        // the route is known
	{RuleToken, checkCredential},    // the token is found, in one place only
	{RuleCrossSite, checkCrossSite}, // a cookie is no proof of intent
	{RuleToken, checkToken},         // verified, or remembered (also expired, issuer, audience, rate)
	{RuleRevoked, checkRevoked},     // looked up on every request
	{RuleBinding, checkBinding},     // shown by the one it was issued to
	{RuleScopes, checkScopes},       // allowed to do this
	{RuleReplay, checkReplay},       // consumed last, when nothing else can fail
}

// A Guard protects what it wraps. It is safe for concurrent use.
type Guard struct {
	policy      atomic.Pointer[policy]
	store       store.Store
	ownStore    bool
	logger      *slog.Logger
	records     *redact.Records // of requests, to the same log
	metrics     *Metrics
	now         func() time.Time
	steady      bool // now only runs forward, as the clock of the revocations' age
	tokenKeys   *tokenKeys
	memory      *remembered
	failures    *failures
	suspects    suspects
	forgeries   forgeries
	revocations *revocations
	inflight    *inflight
	nonces      *nonces
	internal    *internalIssuer
	loss        loss
	storeLost   atomic.Pointer[error] // why the store did not answer; nil: it did

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	reload sync.Mutex
	keys   map[*keyset.Source]context.CancelFunc // running key refreshers
}

// New checks cfg and starts a Guard: its copy of the revocations and its key
// sets are kept fresh until Close. All mistakes of cfg are reported at once, as
// Problems. Keys or a store that cannot be reached are no mistake: the Guard
// then refuses what it cannot decide and says so in Ready.
func New(cfg Config) (*Guard, error) {
	p, err := newPolicy(cfg, 1)
	if err != nil {
		return nil, err
	}
	g := &Guard{
		store:   cfg.Store,
		logger:  cfg.Logger,
		metrics: cfg.Metrics,
		now:     cfg.Now,
		memory:  newRemembered(cfg.Tokens.Cache),
		nonces:  newNonces(),
		keys:    map[*keyset.Source]context.CancelFunc{},
	}
	if g.now == nil {
		g.now, g.steady = time.Now, true
	}
	if g.logger == nil {
		g.logger = slog.New(slog.DiscardHandler)
	}
	g.records = redact.NewRecords(g.logger.Handler())
	if g.store == nil {
		g.store, g.ownStore = store.NewMemory(g.now, maxMemoryRecords), true
	}
	if g.internal, err = newInternalIssuer(); err != nil {
		return nil, err
	}
	if g.tokenKeys, err = newTokenKeys(); err != nil {
		return nil, err
	}
	g.failures, g.suspects = newFailures(p.authFailures), newSuspects()
	g.revocations = newRevocations(g.store, g.logger, g.now)
	g.inflight = newInflight(g)
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.tasks.Go(func() { g.revocations.run(g.ctx) })
	g.tasks.Go(func() { g.cutStreams(g.ctx) })
	g.tasks.Go(func() { g.housekeeping(g.ctx) })
	g.adopt(p)
	select {
	case <-g.revocations.firstSync:
	case <-time.After(firstSyncWait):
		g.logger.Warn("the store has not answered yet; tokens are refused until it does")
	}
	return g, nil
}

const (
	// maxMemoryRecords bounds the store that a Guard makes for itself.
	maxMemoryRecords = 1 << 20
	// firstSyncWait is how long New waits for the store before it goes on without.
	firstSyncWait = 500 * time.Millisecond
)

// Reload replaces the configuration in one step. Requests under way end under
// the old one. A bad cfg changes nothing. Store, Logger, Metrics, Now, the size
// of the token memory and the failure limit stay as they were at New.
func (g *Guard) Reload(cfg Config) error {
	g.reload.Lock()
	defer g.reload.Unlock()
	p, err := newPolicy(cfg, g.policy.Load().generation+1)
	if err != nil {
		return err
	}
	g.adopt(p)
	return nil
}

// adopt puts p in force. Key sets and upstream connections whose settings did
// not change go over with what they hold.
func (g *Guard) adopt(p *policy) {
	old := g.policy.Load()
	p.inherit(old)
	for _, iss := range p.issuers {
		if _, running := g.keys[iss.source]; iss.remote && !running {
			ctx, cancel := context.WithCancel(g.ctx)
			g.keys[iss.source] = cancel
			g.tasks.Go(func() { iss.source.Run(ctx) })
		}
	}
	g.metrics.bind(p)
	g.policy.Store(p)
	for source, cancel := range g.keys {
		if !p.uses(source) {
			cancel()
			delete(g.keys, source)
		}
	}
	if old != nil {
		old.retire(p)
	}
}

// Close cuts what streams are left and ends the Guard's goroutines. It does
// not close a Store that it was given.
func (g *Guard) Close() error {
	g.cancel()
	g.inflight.cutAll()
	g.tasks.Wait()
	g.policy.Load().retire(nil)
	if g.ownStore {
		return g.store.Close()
	}
	return nil
}

// cutStreams cuts streams whose token has ended. It waits for nothing else.
func (g *Guard) cutStreams(ctx context.Context) {
	tick := time.NewTicker(cutEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.inflight.sweep(g.now())
		}
	}
}

// housekeeping forgets what expired. The store may keep it waiting.
func (g *Guard) housekeeping(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.askStore(ctx)
			g.metrics.gauges(g)
			g.revocations.sweep(ctx)
			g.noteLoss(ctx)
		}
	}
}

// askStore notes whether the store can take a record.
func (g *Guard) askStore(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	var lost *error
	if err := g.store.Ping(ctx); err != nil {
		lost = &err
	}
	g.storeLost.Store(lost)
}

// Wrap protects next. Requests that pass reach next with their canonical path,
// without the headers that a client may not set, and with the caller's claims
// in the context (ClaimsFrom).
func (g *Guard) Wrap(next http.Handler) http.Handler { return g.handler(next) }

// handler puts requests to the rules, and those that pass to next, or where
// that is nil to the upstreams.
func (g *Guard) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := g.begin(w, r)
		defer x.finish()
		if f := x.ask(); f != nil {
			x.answer.refused = f
			f.write(x.w, r.Method, x.id)
			x.keepsNothing()
			return
		}
		switch {
		case x.preflighted:
			x.w.WriteHeader(http.StatusNoContent)
		case x.local != nil:
			x.hurryBody()
			x.local.ServeHTTP(x.w, x.r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
		case next != nil:
			x.serve(next)
		default:
			x.relay()
		}
	})
}

// begin makes the exchange of a request.
func (g *Guard) begin(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{guard: g, policy: g.policy.Load(), r: r, now: g.now(), id: newRequestID(), peer: peerAddr(r)}
	x.client = x.peer
	if len(x.policy.trusted) > 0 && x.peerTrusted() {
		x.believeClient()
	}
	x.answer.init(x, w)
	x.w = &x.answer
	return x
}

// ask puts the request to every rule.
func (x *exchange) ask() *refusal {
	for i := range order {
		f := order[i].check(x)
		if f == nil {
			if x.preflighted {
				return nil
			}
			continue
		}
		if f.final || !x.policy.observes(f.rule) {
			return f
		}
		if !slices.ContainsFunc(x.observed, func(o *refusal) bool { return o.rule == f.rule }) {
			x.observed = append(x.observed, f)
		}
		x.settle(f)
	}
	return nil
}

// settle makes an exchange whole that goes on although a rule refused it.
func (x *exchange) settle(f *refusal) {
	switch f.rule {
	case RulePath:
		if x.path.encoded == "" {
			x.path.encoded, x.path.decoded = x.r.URL.EscapedPath(), x.r.URL.Path
		}
	case RuleMethod:
		if x.route == nil {
			x.route = x.policy.routes.find(x.path.decoded)
		}
	}
}

// checkTransport refuses requests that did not come over TLS.
func checkTransport(x *exchange) *refusal {
	if x.r.TLS != nil || x.forwardedHTTPS() {
		return nil
	}
	return x.guard.plaintext(x.policy, x.r, x.now)
}
