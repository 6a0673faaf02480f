// Package issuer gives out access tokens that are worth little to a thief:
// short-lived, bound to the client, and renewed by refresh tokens that change
// with every use. It signs with keys that rotate, and publishes them.
//
// An Issuer is an http.Handler for a few paths of an https origin. It chooses
// neither listener nor TLS, and needs nothing behind it. Put a guard in front,
// or see WithClient for what another front has to do.
package issuer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/token"
)

// The endpoints.
const (
	pathLogin      = "/auth/login"
	pathRefresh    = "/auth/refresh"
	pathLogout     = "/auth/logout"
	pathToken      = "/auth/token"
	pathRevoke     = "/auth/revoke"
	pathIntrospect = "/auth/introspect"
	pathSessions   = "/auth/sessions"
	pathJWKS       = "/.well-known/jwks.json"
	pathMetadata   = "/.well-known/oauth-authorization-server"
)

// routes is every endpoint. One that speaks oauth answers errors as RFC 6749
// §5.2 asks, the others as RFC 9457.
var routes = map[string]endpoint{
	pathLogin:              {oauth: false, methods: map[string]action{http.MethodPost: (*call).login}},
	pathRefresh:            {oauth: false, methods: map[string]action{http.MethodPost: (*call).refresh}},
	pathLogout:             {oauth: false, methods: map[string]action{http.MethodPost: (*call).logout}},
	pathToken:              {oauth: true, methods: map[string]action{http.MethodPost: (*call).token}},
	pathRevoke:             {oauth: true, methods: map[string]action{http.MethodPost: (*call).revoke}},
	pathIntrospect:         {oauth: true, methods: map[string]action{http.MethodPost: (*call).introspect}},
	pathSessions:           {oauth: false, methods: map[string]action{http.MethodGet: (*call).sessions}},
	pathSessions + "/{id}": {oauth: false, methods: map[string]action{http.MethodDelete: (*call).endSession}},
	pathJWKS:               {oauth: false, methods: map[string]action{http.MethodGet: (*call).jwks}},
	pathMetadata:           {oauth: false, methods: map[string]action{http.MethodGet: (*call).metadata}},
}

type endpoint struct {
	oauth   bool
	methods map[string]action
}

// action answers a call, or says why it does not.
type action func(*call) *failure

// Issuer gives out tokens. It is safe for concurrent use.
type Issuer struct {
	cfg      Config
	store    store.Store
	ownStore bool
	logger   *slog.Logger
	now      func() time.Time
	secrets  *secrets
	ring     *Ring
	users    *Users
	sessions *sessions
	hasher   *hasher
	limits   *limiter
	nonces   nonces
	clients  map[string]*Client
	verifier *verifier
	policy   token.Policy
	metadata []byte

	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// New checks cfg and starts an Issuer, whose keys are kept up to date until
// Close. All mistakes of cfg are reported at once. A store that does not answer
// is none: the Issuer then answers 503 until it does. It is an error when the
// keys in the store were encrypted with another key than cfg's.
func New(cfg Config) (*Issuer, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	secrets, err := newSecrets(cfg.KeyEncryption)
	if err != nil {
		return nil, err
	}
	i := &Issuer{cfg: cfg, store: cfg.Store, logger: cfg.Logger, now: cfg.Now, secrets: secrets, clients: map[string]*Client{}}
	if i.store == nil {
		i.store, i.ownStore = store.NewMemory(cfg.Now, 0), true
	}
	for n := range cfg.Clients {
		i.clients[cfg.Clients[n].ID] = &cfg.Clients[n]
	}
	i.sessions = newSessions(i.store, secrets, cfg.Now, cfg.AccessTTL)
	i.hasher = newHasher(cfg.HashCommand)
	i.users = &Users{store: i.store, now: cfg.Now, sessions: i.sessions, hasher: i.hasher}
	i.limits = newLimiter(i.store, cfg.Login, cfg.Now)
	i.nonces = nonces{key: secrets.nonce}
	if cfg.VerifyURL != "" {
		i.verifier = newVerifier(cfg)
	}
	i.policy = token.Policy{
		Issuer: cfg.URL, Audiences: []string{cfg.Audience}, Algorithms: []string{cfg.Algorithm},
		Types: []string{"at+jwt"}, MaxLifetime: cfg.AccessTTL,
	}
	i.metadata = metadataDocument(&cfg)
	if i.ring, err = OpenRing(RingConfig{
		Store: i.store, KeyEncryption: cfg.KeyEncryption, Algorithm: cfg.Algorithm,
		AccessTTL: cfg.AccessTTL, Rotate: cfg.RotateKeys, Logger: cfg.Logger, Now: cfg.Now,
	}); err != nil {
		return nil, errors.Join(err, i.closeStore())
	}
	ctx, cancel := context.WithCancel(context.Background())
	i.cancel = cancel
	i.tasks.Go(func() { i.ring.run(ctx) })
	i.tasks.Go(func() { i.sessions.run(ctx) })
	return i, nil
}

// Close ends what New started. Calls that run are not waited for. A store that
// cfg named is not closed.
func (i *Issuer) Close() error {
	i.cancel()
	i.tasks.Wait()
	i.hasher.close()
	return i.closeStore()
}

func (i *Issuer) closeStore() error {
	if !i.ownStore {
		return nil
	}
	if err := i.store.Close(); err != nil {
		return fmt.Errorf("close the issuer's store: %w", err)
	}
	return nil
}

// Keys are the public keys to verify its tokens with, always as published.
func (i *Issuer) Keys() *keyset.Source { return i.ring.source }

// Ring are its signing keys.
func (i *Issuer) Ring() *Ring { return i.ring }

// Users are its own users. With VerifyURL nobody looks at them.
func (i *Issuer) Users() *Users { return i.users }

// Paths lists the paths that Handler answers. One that ends in /* stands for
// all below it.
func (i *Issuer) Paths() []string {
	return []string{
		pathLogin, pathRefresh, pathLogout, pathToken, pathRevoke, pathIntrospect,
		pathSessions, pathSessions + "/*", pathJWKS, pathMetadata,
	}
}

// Handler answers the endpoints. Everything else is 404.
func (i *Issuer) Handler() http.Handler { return http.HandlerFunc(i.serve) }

// call is one request on its way.
type call struct {
	*Issuer
	w     http.ResponseWriter
	r     *http.Request
	at    time.Time
	front front
	oauth bool
	id    string // of the session in the path

	// What was learnt on the way, for the log.
	subject string
	event   string
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	c := &call{Issuer: i, w: w, r: r, at: i.now(), front: frontOf(r)}
	w.Header().Set("Cache-Control", "no-store")
	f := c.dispatch()
	if f != nil {
		f.write(c)
	}
	c.log(f)
}

// dispatch finds the endpoint and runs it.
func (c *call) dispatch() *failure {
	path := strings.TrimSuffix(c.r.URL.Path, "/")
	if id, below := strings.CutPrefix(path, pathSessions+"/"); below && !strings.Contains(id, "/") {
		c.id, path = id, pathSessions+"/{id}"
	}
	e, known := routes[path]
	if !known {
		return &failure{status: http.StatusNotFound, detail: "Not found", reason: "no such endpoint"}
	}
	c.oauth = e.oauth
	method := c.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	act, allowed := e.methods[method]
	if !allowed {
		return methodNotAllowed(e)
	}
	if method != http.MethodGet {
		if f := c.unsafe(); f != nil {
			return f
		}
	}
	return act(c)
}

// unsafe holds what every call that changes something must pass.
func (c *call) unsafe() *failure {
	if c.r.URL.RawQuery != "" {
		return badRequest("parameters go into the body, never into the URL", "request has a query")
	}
	if reason := c.front.crossSite(c.r); reason != "" {
		return &failure{status: http.StatusForbidden, detail: "Cross-site request", code: "access_denied", reason: reason}
	}
	return nil
}

func methodNotAllowed(e endpoint) *failure {
	allow := ""
	for m := range e.methods {
		allow = m
		if m == http.MethodGet {
			allow = "GET, HEAD"
		}
	}
	return &failure{status: http.StatusMethodNotAllowed, detail: "Method not allowed", allow: allow, reason: "method not allowed"}
}

// log writes the record of the call. The reason stands here and nowhere else.
func (c *call) log(f *failure) {
	attrs := []slog.Attr{slog.String("path", c.r.URL.Path)}
	if c.front.requestID != "" {
		attrs = append(attrs, slog.String("request_id", c.front.requestID))
	}
	if c.subject != "" {
		attrs = append(attrs, slog.String("subject", subjectHash(c.cfg.URL, c.subject)))
	}
	switch {
	case f != nil:
		level := slog.LevelInfo
		if f.status >= 500 {
			level = slog.LevelWarn
		}
		attrs = append(attrs, slog.Int("status", f.status), slog.String("reason", f.reason))
		c.logger.LogAttrs(c.r.Context(), level, "issuer refused", attrs...)
	case c.event != "":
		c.logger.LogAttrs(c.r.Context(), slog.LevelInfo, c.event, attrs...)
	}
}
