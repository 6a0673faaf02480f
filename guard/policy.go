package guard

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/token"
)

// policy is a Config made ready. It never changes; a reload makes a new one.
type policy struct {
	generation    uint32
	observeAll    bool
	observe       map[Rule]bool
	hosts         hostSet
	trusted       []netip.Prefix
	askers        []netip.Prefix // who may ask Authorize
	risks         []string
	burn          bool
	redirectPort  string // with its colon; empty for 443
	hsts          string
	sources       tokenSources
	limits        token.Limits
	issuers       []*issuer
	byIssuer      map[string]int
	anyIssuer     int // index of the issuer that takes any iss, or -1
	scopes        *scopeSets
	binding       Binding
	proofsWelcome bool
	dpopNonce     bool
	forward       Forward
	retention     time.Duration // how long a revocation must be kept; 0: for ever
	staleness     time.Duration
	upstreams     []*upstream
	routes        routeTable
	local         routeTable
	cors          *corsPolicy
	authFailures  Rate
	maxBody       int64
	idleStream    time.Duration
}

func (p *policy) observes(r Rule) bool { return p.observeAll || p.observe[r] }

// newPolicy checks cfg and makes it ready.
func newPolicy(cfg Config, generation uint32) (*policy, error) {
	if problems := Check(cfg); len(problems) > 0 {
		return nil, Problems(problems)
	}
	p := &policy{
		generation:   generation,
		observeAll:   cfg.Mode == ObserveOnly,
		observe:      map[Rule]bool{},
		hosts:        newHostSet(cfg.Hosts),
		trusted:      append([]netip.Prefix(nil), cfg.TrustedProxies...),
		askers:       append([]netip.Prefix(nil), cfg.TrustedPeers...),
		risks:        append([]string{}, cfg.AcceptRisk...),
		burn:         cfg.PlaintextToken != Refuse,
		hsts:         cfg.HSTS.header(),
		sources:      newTokenSources(cfg.Tokens.Sources),
		limits:       token.Limits{MaxSize: cfg.Tokens.MaxSize},
		byIssuer:     map[string]int{},
		anyIssuer:    -1,
		scopes:       newScopeSets(),
		binding:      cfg.Tokens.Binding,
		dpopNonce:    cfg.Tokens.DPoPNonce,
		forward:      cfg.Tokens.Forward,
		staleness:    cfg.StoreStaleness,
		cors:         newCORSPolicy(cfg.CORS),
		authFailures: cfg.RateLimit.AuthFailures,
		maxBody:      cfg.Limits.MaxBody,
		idleStream:   cfg.Limits.IdleStream,
	}
	for _, r := range cfg.Observe {
		p.observe[r] = true
	}
	if cfg.RedirectPort != 0 && cfg.RedirectPort != 443 {
		p.redirectPort = ":" + strconv.Itoa(cfg.RedirectPort)
	}
	p.defaults()
	p.proofsWelcome = p.dpopNonce || p.binding == BindingRequired
	for i := range cfg.Tokens.Issuers {
		if err := p.addIssuer(&cfg, &cfg.Tokens.Issuers[i]); err != nil {
			return nil, Problems{{Path: path("tokens.issuers", i), What: err.Error()}}
		}
	}
	for i := range cfg.Upstreams {
		u, err := newUpstream(&cfg.Upstreams[i], cfg.AcceptRisk)
		if err != nil {
			return nil, Problems{{Path: path("upstreams", i), What: err.Error()}}
		}
		p.upstreams = append(p.upstreams, u)
	}
	p.addRoutes(&cfg)
	return p, nil
}

// defaults fills in what zero values stand for.
func (p *policy) defaults() {
	if p.binding == "" {
		p.binding = BindingOptional
	}
	if p.forward == "" {
		p.forward = ForwardToken
	}
	if p.limits.MaxSize <= 0 {
		p.limits.MaxSize = 8 << 10
	}
	if p.staleness == 0 {
		p.staleness = 5 * time.Second
	}
	if p.authFailures.Count == 0 {
		p.authFailures = Rate{Count: 20, Per: time.Minute}
	}
	if p.maxBody == 0 {
		p.maxBody = 4 << 30
	}
	if p.maxBody < 0 {
		p.maxBody = 1<<63 - 1
	}
	if p.idleStream == 0 {
		p.idleStream = 5 * time.Minute
	}
}

func (p *policy) addIssuer(cfg *Config, c *Issuer) error {
	iss := &issuer{name: c.Issuer, policy: tokenPolicy(cfg, c)}
	var err error
	switch {
	case c.Keys != nil:
		iss.source = c.Keys
	case c.Secret != nil:
		var ks *token.KeySet
		newSecret := token.NewSecret
		if accepted(cfg.AcceptRisk, riskWeakSecret) {
			newSecret = token.DangerouslyNewSecret
		}
		if ks, err = newSecret(c.Secret, iss.policy.Algorithms); err == nil {
			iss.source = keyset.Static(ks)
		}
	case c.JWKS != nil:
		var ks *token.KeySet
		var warnings []string
		ks, warnings, err = token.ParseJWKS(c.JWKS)
		if err == nil {
			iss.source = keyset.Static(ks)
			for _, w := range warnings {
				if cfg.Logger != nil {
					cfg.Logger.Warn("a key was skipped", "issuer", c.Issuer, "reason", w)
				}
			}
		}
	default:
		iss.remote = true
		url := c.JWKSURL
		if c.Discovery {
			url = c.Issuer
		}
		iss.source, err = keyset.NewRemote(keyset.Remote{URL: url, Discovery: c.Discovery, Issuer: c.Issuer, CA: c.JWKSCA, Logger: cfg.Logger, Now: cfg.Now})
	}
	if err != nil {
		return err
	}
	index := len(p.issuers)
	p.issuers = append(p.issuers, iss)
	if iss.policy.DangerouslyAnyIssuer {
		p.anyIssuer = index
	} else {
		p.byIssuer[c.Issuer] = index
	}
	keep := retention(&iss.policy)
	if index == 0 || p.retention != 0 && (keep == 0 || keep > p.retention) {
		p.retention = keep
	}
	return nil
}

// retention is how long after its issue a token can still be accepted, with
// room for skew. Zero: for ever.
func retention(p *token.Policy) time.Duration {
	if p.DangerouslyNoExpiry {
		return 0
	}
	return p.MaxLifetime + 2*p.Leeway + time.Minute
}

// tokenPolicy fills in the defaults of an issuer. Accepted risks only open
// what the issuer really leaves out.
func tokenPolicy(cfg *Config, c *Issuer) token.Policy {
	t := token.Policy{
		Issuer:               c.Issuer,
		Audiences:            append([]string(nil), c.Audiences...),
		Algorithms:           append([]string(nil), c.Algorithms...),
		Require:              append([]string(nil), c.Require...),
		Types:                append([]string(nil), c.Types...),
		MaxLifetime:          c.MaxLifetime,
		Leeway:               cfg.Tokens.Leeway,
		DangerouslyAnyIssuer: c.Issuer == "", // Check has demanded the accepted risks
		// Where a rule is on trial, a token that it refuses may pass, and must
		// not be a forgery then.
		ClaimsFirst: cfg.Mode != ObserveOnly && len(cfg.Observe) == 0,
	}
	t.DangerouslyAnyAudience = len(c.Audiences) == 0
	if c.Require == nil {
		t.Require = []string{"sub"}
		t.DangerouslyNoExpiry = false
	} else {
		t.DangerouslyNoExpiry = !slices.Contains(c.Require, "exp")
	}
	if len(t.Algorithms) == 0 {
		t.Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}
		if c.Secret != nil {
			t.Algorithms = []string{"HS256"}
		}
	}
	if len(t.Types) == 0 {
		t.Types = []string{"at+jwt", "JWT"}
	}
	if t.MaxLifetime == 0 {
		t.MaxLifetime = time.Hour
	}
	return t
}

func (p *policy) addRoutes(cfg *Config) {
	byName := map[string]*upstream{}
	for _, u := range p.upstreams {
		byName[u.name] = u
	}
	var first *upstream
	if len(p.upstreams) > 0 {
		first = p.upstreams[0]
	}
	p.routes = routeTable{exact: map[string]*route{}, tree: map[string]*route{}, fallback: &route{label: "default", upstream: first}}
	for i := range cfg.Routes {
		c := &cfg.Routes[i]
		r := &route{
			label: c.Path, methods: append([]string(nil), c.Methods...), public: c.Public,
			scopes: append([]string(nil), c.Scopes...), issuers: append([]string(nil), c.Issuers...),
			binding: c.Binding, once: c.Once, upstream: first,
		}
		if c.Upstream != "" {
			r.upstream = byName[c.Upstream]
		}
		r.scope = strings.Join(r.scopes, " ")
		r.allow = allowHeader(r.methods)
		p.routes.add(c.Path, r)
	}
	p.local = routeTable{exact: map[string]*route{}, tree: map[string]*route{}}
	for _, l := range cfg.Local {
		for _, lp := range l.Paths {
			p.local.add(lp, &route{label: lp, public: true, local: l.Handler})
		}
	}
}

func allowHeader(methods []string) string {
	if len(methods) == 0 {
		return ""
	}
	if slices.Contains(methods, http.MethodGet) && !slices.Contains(methods, http.MethodHead) {
		methods = append([]string{http.MethodHead}, methods...)
	}
	return strings.Join(methods, ", ")
}

// each calls f for every route.
func (p *policy) each(f func(*route)) {
	f(p.routes.fallback)
	for _, t := range []*routeTable{&p.routes, &p.local} {
		for _, r := range t.exact {
			f(r)
		}
		for _, r := range t.tree {
			f(r)
		}
	}
}

func (p *policy) uses(source *keyset.Source) bool {
	for _, i := range p.issuers {
		if i.source == source {
			return true
		}
	}
	return false
}

// inherit takes over from old what is expensive to make again and has not
// changed: fetched keys and upstream connections.
func (p *policy) inherit(old *policy) {
	if old == nil {
		return
	}
	for _, iss := range p.issuers {
		for _, was := range old.issuers {
			if iss.remote && was.remote && iss.source.Same(was.source) {
				iss.source = was.source
			}
		}
	}
	for _, u := range p.upstreams {
		for _, was := range old.upstreams {
			u.inherit(was)
		}
	}
}

// retire closes the upstream connections that next does not use.
func (p *policy) retire(next *policy) {
	for _, u := range p.upstreams {
		if next == nil || !next.shares(u) {
			u.closeIdle()
		}
	}
}

func (p *policy) shares(u *upstream) bool {
	for _, other := range p.upstreams {
		if other.transport == u.transport {
			return true
		}
	}
	return false
}

func (h HSTS) header() string {
	age := h.MaxAge
	if age == 0 {
		age = 365 * 24 * time.Hour
	}
	s := "max-age=" + strconv.Itoa(int(age/time.Second))
	if h.IncludeSubdomains {
		s += "; includeSubDomains"
	}
	if h.Preload {
		s += "; preload"
	}
	return s
}
