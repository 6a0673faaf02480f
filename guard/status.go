package guard

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/keyset"
)

// Status is what an operator may see of a Guard at one moment: its policy in
// words, numbers, and the names of keys. There is no token, secret, key or
// subject in it.
type Status struct {
	// Mode is in force; Observed lists the rules that are on trial beside it.
	Mode     Mode
	Observed []Rule
	// Hosts are the names that requests may carry, in alphabetical order.
	Hosts     []string
	Upstreams []UpstreamStatus
	// Routes stand in the order in which they are tried. The last one is for
	// whatever no other names.
	Routes  []RouteStatus
	Issuers []IssuerStatus
	// Forward is what upstreams learn of the caller.
	Forward Forward

	// Remembered is how many verified tokens are held in memory, Revocations
	// how many revocations, and InFlight how many requests are under way.
	Remembered, Revocations, InFlight int
	// CopyAge is the age of the copy of the revocations. Negative: it has never
	// been whole. Above Staleness tokens are refused.
	CopyAge, Staleness time.Duration
	// StoreError says why the store does not answer; empty: it does.
	StoreError string
}

// UpstreamStatus is an Upstream as it may be shown.
type UpstreamStatus struct {
	Name string
	// URL has neither user nor query.
	URL string
	// Insecure says that the connection is in clear off loopback, or its
	// certificate unverified.
	Insecure bool
}

// RouteStatus is a Route as it may be shown.
type RouteStatus struct {
	// Path is as written, or empty for the policy of what no route names.
	Path     string
	Methods  []string // none: all
	Public   bool
	Once     bool
	Local    bool // answered by the guard's own issuer
	Scopes   []string
	Issuers  []string // none: all
	Binding  Binding
	Upstream string
}

// IssuerStatus is an Issuer with the state of its key set.
type IssuerStatus struct {
	Issuer     string // empty: any
	Audiences  []string
	Algorithms []string
	Keys       []KeyStatus
	// Age is the time since the keys were fetched; negative where they are not.
	Age time.Duration
	// Error says why there are no keys, or why they could not be refreshed.
	Error string
}

// KeyStatus names a key.
type KeyStatus struct {
	ID string // the kid; empty: none
	// Algorithms are those of the issuer that the key verifies.
	Algorithms []string
}

// Status tells what is in force and what is held. It costs no request anything.
func (g *Guard) Status() Status {
	p := g.policy.Load()
	s := Status{
		Mode: Enforce, Hosts: p.hosts.list(), Forward: p.forward, Staleness: p.staleness,
		Remembered: g.memory.len(), Revocations: g.revocations.table.Len(), InFlight: g.inflight.count(),
		CopyAge: g.revocations.age(), Routes: p.status(),
	}
	if p.observeAll {
		s.Mode = ObserveOnly
	}
	for _, r := range Rules() {
		if p.observe[r] {
			s.Observed = append(s.Observed, r)
		}
	}
	for _, u := range p.upstreams {
		s.Upstreams = append(s.Upstreams, UpstreamStatus{u.name, shownURL(u.cfg.URL), u.cfg.Insecure})
	}
	for _, iss := range p.issuers {
		s.Issuers = append(s.Issuers, iss.status(g.now()))
	}
	if lost := g.storeLost.Load(); lost != nil {
		s.StoreError = (*lost).Error()
	}
	return s
}

// shownURL leaves out what could be secret.
func shownURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// status lists the routes: the guard's own endpoints, then the others.
func (p *policy) status() []RouteStatus {
	var out []RouteStatus
	for _, t := range []*routeTable{&p.local, &p.routes} {
		for _, r := range t.inOrder() {
			out = append(out, p.routeStatus(r.label, r))
		}
	}
	return append(out, p.routeStatus("", p.routes.fallback))
}

// inOrder lists exact routes before trees, and deep trees before shallow ones.
func (t *routeTable) inOrder() []*route {
	out := make([]*route, 0, len(t.exact)+len(t.tree))
	for _, path := range slices.Sorted(maps.Keys(t.exact)) {
		out = append(out, t.exact[path])
	}
	trees := slices.SortedFunc(maps.Keys(t.tree), func(a, b string) int {
		return cmp.Or(strings.Count(b, "/")-strings.Count(a, "/"), cmp.Compare(a, b))
	})
	for _, path := range trees {
		out = append(out, t.tree[path])
	}
	return out
}

func (p *policy) routeStatus(path string, r *route) RouteStatus {
	s := RouteStatus{
		Path: path, Methods: slices.Clone(r.methods), Public: r.public, Once: r.once, Local: r.local != nil,
		Scopes: slices.Clone(r.scopes), Issuers: slices.Clone(r.issuers), Binding: cmp.Or(r.binding, p.binding),
	}
	if r.upstream != nil {
		s.Upstream = r.upstream.name
	}
	return s
}

func (iss *issuer) status(now time.Time) IssuerStatus {
	s := IssuerStatus{
		Issuer: iss.name, Audiences: slices.Clone(iss.policy.Audiences), Algorithms: slices.Clone(iss.policy.Algorithms), Age: -1,
	}
	if age, ok := iss.source.Age(now); ok {
		s.Age = age
	}
	keys, _, err := iss.source.Current()
	for _, k := range keys.Names() {
		named := KeyStatus{ID: k.ID}
		for _, alg := range k.Algorithms {
			if slices.Contains(s.Algorithms, alg) || alg == "EdDSA" && slices.Contains(s.Algorithms, "Ed25519") {
				named.Algorithms = append(named.Algorithms, alg)
			}
		}
		s.Keys = append(s.Keys, named)
	}
	s.Error = sourceError(iss.source, err)
	return s
}

// sourceError is why a Source has no keys, or why the last fetch failed.
func sourceError(s *keyset.Source, err error) string {
	if cause := s.Err(); cause != nil {
		return cause.Error()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// list gives the hosts as they are written.
func (s hostSet) list() []string {
	var all []string
	for name := range s.anyPort {
		all = append(all, bracketed(name))
	}
	for exact := range s.exact {
		all = append(all, exact)
	}
	slices.Sort(all)
	return all
}

// age is the time since the copy was whole. Negative: it has never been.
func (v *revocations) age() time.Duration {
	at := v.synced.Load()
	if at == 0 {
		return -1
	}
	return max(0, time.Since(v.started)-time.Duration(at))
}

// len is how many tokens are remembered.
func (m *remembered) len() (n int) {
	if m == nil {
		return 0
	}
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += s.used
		s.mu.Unlock()
	}
	return n
}
