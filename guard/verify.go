package guard

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/token"
)

// issuer is an Issuer made ready.
type issuer struct {
	name   string
	policy token.Policy
	source *keyset.Source
	remote bool
}

// scopeSets gives each distinct scope claim a small number, so that remembered
// tokens need not hold text. It is bounded: beyond the bound a token is not
// remembered.
type scopeSets struct {
	mu     sync.RWMutex
	byName map[string]uint16
	sets   [][]string
}

const maxScopeSets = 4096

func newScopeSets() *scopeSets {
	return &scopeSets{byName: map[string]uint16{"": 0}, sets: [][]string{nil}}
}

func (s *scopeSets) intern(scopes []string) (uint16, bool) {
	name := strings.Join(scopes, " ")
	s.mu.RLock()
	n, ok := s.byName[name]
	s.mu.RUnlock()
	if ok {
		return n, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok = s.byName[name]; ok {
		return n, true
	}
	if len(s.sets) >= maxScopeSets || len(name) > 4096 {
		return 0, false
	}
	n = uint16(len(s.sets))
	s.byName[strings.Clone(name)] = n
	s.sets = append(s.sets, strings.Fields(strings.Clone(name)))
	return n, true
}

func (s *scopeSets) get(n uint16) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sets[n]
}

// checkToken verifies the request's token, or finds it among the verified.
func checkToken(x *exchange) *refusal {
	if x.local != nil {
		return nil
	}
	if x.credential.source == sourceNone {
		if x.route.public {
			return nil
		}
		return x.challenged(&refusal{rule: RuleToken, kind: kindNotAuthenticated, reason: "no token"})
	}
	if f := x.verify(); f != nil {
		return x.challenged(f)
	}
	x.verified = true
	if len(x.route.issuers) > 0 && !slices.Contains(x.route.issuers, x.issuer().name) {
		return x.challenged(&refusal{rule: RuleIssuer, kind: kindInvalidToken, reason: "route " + x.route.label + " does not take tokens of issuer " + quoted(x.issuer().name)})
	}
	return nil
}

func (x *exchange) issuer() *issuer { return x.policy.issuers[x.facts.issuer] }

// verify fills x.facts, from memory or by looking at the token.
func (x *exchange) verify() *refusal {
	if len(x.credential.raw) > x.policy.limits.MaxSize {
		return x.verifyAnew(tokenKey{}) // which refuses it
	}
	key := x.guard.tokenKeys.of(x.credential.raw)
	x.facts.key = key
	if x.guard.memory.get(&x.facts, &x.thumbprint) && x.facts.policy == x.policy.generation {
		if f, fresh := x.recall(); fresh {
			return f
		}
	}
	return x.verifyAnew(key)
}

// verifyAnew looks at a token that is not remembered.
func (x *exchange) verifyAnew(key tokenKey) *refusal {
	wait, suspect := x.guard.failures.debt(x.client, x.now)
	if !x.route.public && wait > 0 {
		f := &refusal{rule: RuleRate, kind: kindTooMany, retryAfter: wait, reason: "too many refused tokens from " + x.client.String()}
		if !x.policy.observes(RuleRate) {
			linger(x.r.Context())
			return f
		}
		x.note(f) // the token is to be looked at all the same
	}
	t, f := x.examine(key, suspect)
	if f != nil {
		if f.kind == kindInvalidToken && !x.route.public {
			x.guard.failures.add(x.client, x.now)
		}
		return f
	}
	x.parsed = t
	x.facts.key = key
	x.facts.policy = x.policy.generation
	scopes, ok := x.policy.scopes.intern(t.Claims.Scopes)
	x.facts.scopes = scopes
	if !ok || x.tried { // what passes on trial is looked at each time
		x.scopes = t.Claims.Scopes
		return nil
	}
	x.scopes = x.policy.scopes.get(scopes)
	x.guard.memory.put(&x.facts, &x.thumbprint)
	return nil
}

// examine looks at the token in full, unless it is known for a forgery.
func (x *exchange) examine(key tokenKey, suspect bool) (*token.Token, *refusal) {
	known := &x.guard.forgeries
	if index, generation, found := known.get(key, x.policy.generation); found {
		if _, now, err := x.policy.issuers[index].source.Current(); err == nil && now == generation {
			return nil, &refusal{rule: RuleToken, kind: kindInvalidToken, reason: "signature does not match, and did not before"}
		}
	}
	queue := x.guard.suspects
	if !suspect {
		queue = nil
	}
	e := examination{policy: x.policy, ctx: x.r.Context(), now: x.now, queue: queue, trial: !x.route.public}
	t, f := e.examine(x.credential.raw, &x.facts, &x.thumbprint)
	for _, n := range e.noted {
		x.note(n)
	}
	if f != nil && f.forged && key != (tokenKey{}) {
		known.put(forgery{key, x.facts.generation, x.policy.generation, x.facts.issuer})
	}
	x.tried = len(e.noted) > 0
	return t, f
}

// recall looks again at what may have changed since a token was verified.
// fresh is false when the keys are others by now.
func (x *exchange) recall() (f *refusal, fresh bool) {
	iss := x.issuer()
	_, generation, err := iss.source.Current()
	if err != nil {
		return unavailableKeys(iss, err), true
	}
	if generation != x.facts.generation {
		return nil, false
	}
	c := token.Claims{Expiry: fromSeconds(x.facts.expiry), NotBefore: fromSeconds(x.facts.notBefore), IssuedAt: fromSeconds(x.facts.issuedAt)}
	if err := c.CheckTime(&iss.policy, x.now); err != nil {
		f := tokenRefusal(err)
		return f, x.route.public || !x.policy.tries(f.rule)
	}
	x.scopes = x.policy.scopes.get(x.facts.scopes)
	return nil, true
}

// bind notes the token's confirmation. A token that asks for two of them is
// refused: a remembered one could show only one.
func (f *facts) bind(c *token.Confirmation, tp *thumbprint) *refusal {
	n := 0
	for _, b := range []struct {
		kind binding
		text string
	}{{boundDPoP, c.JKT}, {boundCertificate, c.X5TS256}, {boundFingerprint, c.Fingerprint}} {
		if b.text == "" {
			continue
		}
		sum, ok := decodeThumbprint(b.text)
		if !ok {
			return &refusal{rule: RuleBinding, kind: kindInvalidToken, reason: "cnf holds no SHA-256 thumbprint"}
		}
		f.bound, *tp = b.kind, sum
		n++
	}
	if n > 1 {
		return &refusal{rule: RuleBinding, kind: kindInvalidToken, reason: "cnf asks for more than one confirmation"}
	}
	return nil
}

// tokenRefusal turns the token room's reason into a refusal.
func tokenRefusal(err error) *refusal {
	f := &refusal{rule: RuleToken, kind: kindInvalidToken, reason: err.Error()}
	var e *token.Error
	switch {
	case errors.As(err, &e):
		f.rule = Rule(e.Rule)
		f.forged = errors.Is(err, token.ErrSignature)
	case errors.Is(err, errNoTurn):
		f.kind, f.retryAfter = kindUnavailable, time.Second
	}
	if f.rule == RuleExpired {
		f.kind = kindExpired
	}
	return f
}

func unavailableKeys(iss *issuer, err error) *refusal {
	return &refusal{
		rule: RuleToken, kind: kindUnavailable, retryAfter: 5 * time.Second,
		reason: "no keys of issuer " + quoted(iss.name) + ": " + err.Error(),
	}
}

// challenged adds what a client must know to do better next time. On a public
// route a token that is no good is only taken away.
func (x *exchange) challenged(f *refusal) *refusal {
	if x.route.public {
		x.dropToken()
		return nil
	}
	if f.kind.bearer && x.policy.proofsWelcome {
		f.dpop.show = true
		if f.kind.error == "invalid_token" && f.dpop.error == "" {
			f.dpop.error = "invalid_token"
		}
	}
	return f
}

// dropToken removes a JWT that nobody vouches for, so that no upstream can
// mistake it for a verified one. Opaque credentials are the application's own.
func (x *exchange) dropToken() {
	if x.credential.source == sourceHeader && strings.HasPrefix(x.credential.raw, "eyJ") {
		x.r.Header.Del("Authorization")
	}
	if x.credential.source == sourceCookie {
		removeCookie(x.r.Header, x.credential.name)
	}
	x.hideQueryToken()
	x.credential = credential{}
	x.facts = facts{}
	x.verified = false
}

// checkScopes refuses a token that lacks a scope of the route (RFC 6750 §3.1).
func checkScopes(x *exchange) *refusal {
	if !x.verified || x.route == nil || len(x.route.scopes) == 0 {
		return nil
	}
	for _, want := range x.route.scopes {
		if !slices.Contains(x.scopes, want) {
			return &refusal{rule: RuleScopes, kind: kindScope, scopes: x.route.scope, reason: "scope " + quoted(want) + " is not in the token"}
		}
	}
	return nil
}

func fromSeconds(n uint32) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0)
}

// seconds is t in whole Unix seconds, rounded down. What does not fit, as a
// time after 2106, is the last second that does.
func seconds(t time.Time) uint32 {
	if t.IsZero() || t.Unix() <= 0 {
		return 0
	}
	return uint32(min(t.Unix(), 1<<32-1))
}

// secondsUp is seconds, rounded up.
func secondsUp(t time.Time) uint32 {
	if t.IsZero() {
		return 0
	}
	return seconds(t.Add(time.Second - 1))
}

// quoted bounds and quotes a foreign text for a log.
func quoted(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strconv.Quote(s)
}

// removeCookie takes one cookie out of the Cookie headers.
func removeCookie(h http.Header, names ...string) {
	lines := h["Cookie"]
	if len(lines) == 0 {
		return
	}
	kept := make([]string, 0, len(lines))
	changed := false
	for _, line := range lines {
		var parts []string
		for part := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(part), "=")
			if slices.Contains(names, strings.TrimSpace(name)) {
				changed = true
				continue
			}
			parts = append(parts, strings.TrimSpace(part))
		}
		if len(parts) > 0 {
			kept = append(kept, strings.Join(parts, "; "))
		}
	}
	switch {
	case !changed:
	case len(kept) == 0:
		delete(h, "Cookie")
	default:
		h["Cookie"] = kept
	}
}
