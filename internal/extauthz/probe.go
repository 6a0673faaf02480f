package extauthz

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// While somebody tries out a proxy, the questions that it asks about marked
// requests are kept for them. Marks are of no use to anybody else: a marked
// request is decided like any other, or refused.

const (
	// MarkHeader carries a mark, and MarkParameter does in a query, since
	// proxies may keep either to themselves.
	MarkHeader    = "X-Wiretight-Probe"
	MarkParameter = "wiretight-probe"

	probeLife = time.Minute // how long a trial may take
	maxSeen   = 64          // how many questions are kept
)

// Seen is what a proxy said of one marked request.
type Seen struct {
	// Mark is what followed the trial's id.
	Mark string `json:"mark"`
	// Envoy says that it was asked over gRPC.
	Envoy bool `json:"envoy"`
	// Asker is the proxy's address.
	Asker string `json:"asker"`
	// Said holds the headers in which the proxy speaks, as they came; of Envoy,
	// the attributes in their place.
	Said map[string][]string `json:"said"`
	// Header holds digests (Digest) of the values of all other headers.
	Header map[string][]string `json:"header"`
	// Body says that the client's body came along.
	Body bool `json:"body"`
	// Trusted is false where the proxy may not ask.
	Trusted bool `json:"trusted"`
	// Status is what was answered for the client; 200 let it pass.
	Status int `json:"status"`
	// Identity names the identity headers that the application should get, in
	// order. Those of them that are not here it should not get.
	Identity []string `json:"identity"`
}

// Digest stands for a header's value, which may be a secret.
func Digest(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:8])
}

// probe is one trial.
type probe struct {
	id    string
	until time.Time
	mu    sync.Mutex
	seen  []Seen
}

// BeginProbe starts a trial and returns its id, which begins every mark.
func (a *Authorizer) BeginProbe() (id string, err error) {
	old := a.probe.Load()
	if old != nil && a.now().Before(old.until) {
		return "", errors.New("another check is running; it ends within a minute")
	}
	p := &probe{id: strings.ToLower(rand.Text()), until: a.now().Add(probeLife)}
	if !a.probe.CompareAndSwap(old, p) {
		return "", errors.New("another check has just begun")
	}
	return p.id, nil
}

// EndProbe ends the trial of that id and returns what was seen.
func (a *Authorizer) EndProbe(id string) []Seen {
	p := a.probe.Load()
	if p == nil || p.id != id || !a.probe.CompareAndSwap(p, nil) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

// marked returns the trial that a request belongs to, and its mark.
func (a *Authorizer) marked(h http.Header, target string) (p *probe, mark string) {
	p = a.probe.Load()
	if p == nil || a.now().After(p.until) {
		return nil, ""
	}
	for _, text := range append([]string{target}, h[MarkHeader]...) {
		if _, rest, found := strings.Cut(text, p.id+"-"); found {
			n := 0
			for n < len(rest) && n < 16 && ('a' <= rest[n] && rest[n] <= 'z' || '0' <= rest[n] && rest[n] <= '9') {
				n++
			}
			return p, rest[:n]
		}
	}
	return nil, ""
}

// speaks are the headers in which proxies speak.
var speaks = []string{headerMethod, headerProto, headerHost, headerURI, headerFor}

// noteHTTP takes down what a proxy says over HTTP, before it is read.
func (a *Authorizer) noteHTTP(r *http.Request) (*probe, *Seen) {
	target := ""
	if uri := r.Header[headerURI]; len(uri) > 0 {
		target = uri[0]
	}
	p, mark := a.marked(r.Header, target)
	if p == nil {
		return nil, nil
	}
	s := &Seen{Mark: mark, Asker: peer(r).String(), Said: map[string][]string{}, Body: r.ContentLength != 0}
	for _, name := range speaks {
		s.Said[name] = r.Header[name]
	}
	s.Header = digests(r.Header)
	return p, s
}

// noteEnvoy takes down what Envoy says.
func (a *Authorizer) noteEnvoy(q *guard.Question, c *checkRequest) (*probe, *Seen) {
	p, mark := a.marked(q.Header, q.Target)
	if p == nil {
		return nil, nil
	}
	s := &Seen{Mark: mark, Envoy: true, Asker: q.Asker.String(), Header: digests(q.Header)}
	s.Said = map[string][]string{headerMethod: {q.Method}, headerProto: {q.Scheme}, headerHost: {q.Host}, headerURI: {q.Target}}
	if c.socket {
		s.Said[headerFor] = []string{c.address}
	}
	return p, s
}

func digests(h http.Header) map[string][]string {
	m := make(map[string][]string, len(h))
	for name, values := range h {
		for _, v := range values {
			m[name] = append(m[name], Digest(v))
		}
	}
	return m
}

// keep ends what was noted with the decision. A mark can ask for a refusal that
// is hard to bring about, so as to see what the proxy makes of it; it cannot ask
// for anything else.
func (p *probe) keep(s *Seen, d *guard.Decision, trusted bool) {
	if p == nil {
		return
	}
	if trusted && strings.HasPrefix(s.Mark, "refuse") {
		pretend(d)
	}
	s.Status, s.Trusted = d.Status, trusted
	for _, name := range guard.IdentityHeaders() {
		if d.Allowed && d.Identity.Get(name) != "" {
			s.Identity = append(s.Identity, name)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) < maxSeen {
		p.seen = append(p.seen, *s)
	}
}

// pretend turns a decision into the refusal of a client who must wait.
func pretend(d *guard.Decision) {
	d.Allowed, d.Preflight, d.Identity, d.Remove = false, false, nil, nil
	d.Status = http.StatusTooManyRequests
	d.Body = []byte(`{"type":"urn:wiretight:problem:too-many-requests","title":"Too Many Requests","status":429,"detail":"Too many requests","request_id":"` + d.RequestID + `"}`)
	d.Header.Del("WWW-Authenticate")
	d.Header.Del("Content-Length")
	d.Header.Set("Content-Type", "application/problem+json")
	d.Header.Set("Cache-Control", "no-store")
	d.Header.Set("Retry-After", "7")
}
