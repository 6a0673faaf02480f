package guard

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Question is a request that another proxy has received and asks about.
type Question struct {
	// Asker is the proxy that asks, as its connection shows. It must be in
	// Config.TrustedPeers.
	Asker netip.Addr
	// Client is the other end of the proxy's connection. The zero Addr means
	// that the proxy does not say; the asker then counts as the client.
	Client netip.Addr
	// Method, Scheme (https or http), Host and Target (path and query, as they
	// came) are the client's. None may be empty.
	Method, Scheme, Host, Target string
	// ServerName is that of the client's TLS handshake. Empty: unknown.
	ServerName string
	// Certificate is the client's, in DER, verified by the asker. Nil: none.
	Certificate []byte
	// Header is the client's. Authorize takes it over and changes it.
	Header http.Header
	// Unclear says why the proxy cannot be understood. Anything but empty refuses.
	Unclear string
}

// Decision is the answer to a Question.
type Decision struct {
	// Allowed says that the request may go on. All else is an answer for the client.
	Allowed bool
	// Preflight says that the answer is the positive one to a CORS preflight.
	// It must not go on either: whoever may send a preflight need show no token.
	Preflight bool
	// Status is 200 for what may go on, else that of the answer for the client.
	Status int
	// Header belongs to the answer for the client, whoever makes it.
	Header http.Header
	// Body is that of a refusal.
	Body []byte
	// Identity holds one value, maybe an empty one, for every header that tells
	// the upstream who the caller is. Each must replace whatever the client
	// sent under that name; an empty one removes it.
	Identity http.Header
	// Remove lists the client's headers, in the forms in which they came, that
	// must not go on. Names in Identity are not among them.
	Remove []string
	// RequestID is in the log.
	RequestID string
}

// identityNames are the headers of Decision.Identity.
var identityNames = [...]string{
	"Authorization", "Dpop", "Cookie",
	"X-Auth-Subject", "X-Auth-Issuer", "X-Auth-Scopes", "X-Auth-Client", "X-Auth-Claims",
}

// IdentityHeaders lists the names of Decision.Identity.
func IdentityHeaders() []string { return identityNames[:] }

// Authorize puts a request that another proxy carries to the same rules as one
// that the Guard carries itself, and uses up what is good for one use. It writes
// the one record of it, too.
func (g *Guard) Authorize(ctx context.Context, q Question) Decision {
	s := sheet{header: make(http.Header, 8)}
	d := Decision{Header: s.header}
	x := &exchange{guard: g, policy: g.policy.Load(), now: g.now(), id: newRequestID(), asked: &q}
	x.peer = q.Asker
	if q.Client.IsValid() {
		x.peer = q.Client
	}
	x.peer = x.peer.Unmap().WithZone("")
	x.client = x.peer
	x.r = q.request(ctx)
	d.RequestID = x.id
	x.answer.init(x, &s)
	x.w = &x.answer
	func() {
		defer x.finish()
		x.decide(&d)
	}()
	d.Status, d.Body = s.status, s.body.Bytes()
	return d
}

// decide fills d, but for what the answer's writer has noted.
func (x *exchange) decide(d *Decision) {
	f := x.unaskable()
	if f == nil {
		if len(x.policy.trusted) > 0 && x.peerTrusted() {
			x.believeClient()
		}
		f = x.ask()
	}
	if f == nil && x.preflighted {
		d.Preflight = true
		x.w.WriteHeader(http.StatusNoContent)
		return
	}
	if f == nil {
		f = x.permit(d)
	}
	if f != nil {
		d.Identity, d.Remove = nil, nil
		x.answer.refused = f
		f.write(x.w, http.MethodGet, x.id) // whoever asked drops the body of a HEAD
		delete(d.Header, "Connection")     // which is the asker's
		return
	}
	d.Allowed = true
	x.w.WriteHeader(http.StatusOK)
}

// unaskable refuses a question that must not be asked or that has no meaning,
// on trial too: there is nothing in it that could be let through.
func (x *exchange) unaskable() *refusal {
	q := x.asked
	if !x.policy.mayAsk(q.Asker) {
		return &refusal{rule: RuleTransport, kind: kindAsker, final: true, reason: "proxy " + q.Asker.String() + " is not in authorizer.trusted_peers"}
	}
	reason := q.Unclear
	switch {
	case reason != "":
	case q.Method == "":
		reason = "the proxy does not say the method"
	case q.Host == "":
		reason = "the proxy does not say the host"
	case q.Target == "":
		reason = "the proxy does not say the path"
	case q.Scheme != "https" && q.Scheme != "http":
		reason = "the proxy says the scheme " + quoted(q.Scheme)
	default:
		return nil
	}
	return &refusal{rule: RuleHeaders, kind: kindInvalidRequest, final: true, reason: reason}
}

// MayAsk reports whether a proxy is one of Config.TrustedPeers.
func (g *Guard) MayAsk(asker netip.Addr) bool { return g.policy.Load().mayAsk(asker) }

// mayAsk reports whether a proxy may ask for decisions.
func (p *policy) mayAsk(asker netip.Addr) bool {
	asker = asker.Unmap().WithZone("")
	for _, n := range p.askers {
		if n.Contains(asker) {
			return true
		}
	}
	return false
}

// request is the question as the rules know requests.
func (q *Question) request(ctx context.Context) *http.Request {
	if q.Header == nil {
		q.Header = http.Header{}
	}
	r := &http.Request{
		Method: q.Method[:min(len(q.Method), maxMethod+1)], Host: q.Host, RequestURI: q.Target, Header: q.Header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, URL: &url.URL{},
	}
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(q.Target, "?")
	if q.Scheme == "https" {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: q.ServerName}
		if q.Certificate != nil {
			r.TLS.PeerCertificates = []*x509.Certificate{{Raw: q.Certificate}}
		}
	}
	// The body stays with the proxy, and what delimits it is the proxy's to see
	// to. More than one length is still none.
	if n := q.Header["Content-Length"]; len(n) == 1 {
		if v, err := strconv.ParseInt(n[0], 10, 63); err == nil {
			r.ContentLength = v
		}
	}
	// Proxies do not hand on Upgrade, which concerns one connection only, but a
	// browser's WebSocket handshake cannot do without a key.
	if len(q.Header["Sec-Websocket-Key"]) > 0 {
		q.Header["Upgrade"] = []string{"websocket"}
	}
	return r.WithContext(ctx)
}

// permit says what becomes of a request that has passed every rule.
func (x *exchange) permit(d *Decision) *refusal {
	if x.local != nil {
		return &refusal{
			rule: RulePath, kind: kindNotFound, final: true,
			reason: "path " + quoted(x.route.label) + " is answered by the guard itself; let the proxy send it to the guard's own listener",
		}
	}
	up := x.route.upstream
	if up == nil && x.policy.forward == ForwardInternal {
		return &refusal{rule: RuleToken, kind: kindUnavailable, reason: "forward: internal, but no upstream is configured whose audience the internal token could have"}
	}
	out := make(http.Header, len(identityNames))
	for _, name := range identityNames[:3] {
		if v := x.r.Header[name]; len(v) > 0 {
			out[name] = v
		}
	}
	if x.policy.forward != ForwardToken {
		x.hideQueryToken()
	}
	if f := x.unforwardable(); f != nil {
		return f
	}
	if err := x.forwardIdentity(out, up); err != nil {
		return &refusal{rule: RuleToken, kind: kindUnavailable, reason: "make the identity headers: " + x.withoutSecrets(err.Error())}
	}
	for _, name := range identityNames {
		switch v := out[name]; {
		case len(v) == 0:
			out[name] = x.one("")
		case len(v) > 1 && name == "Cookie":
			out[name] = x.one(strings.Join(v, "; "))
		case len(v) > 1:
			out[name] = x.one(strings.Join(v, ", "))
		}
	}
	d.Identity = out
	for _, name := range x.removed {
		if _, set := out[name]; !set {
			d.Remove = append(d.Remove, name)
		}
	}
	return nil
}

// unforwardable refuses where the upstream would have to get another query than
// the client has sent, which is the proxy's to send.
func (x *exchange) unforwardable() *refusal {
	_, query, has := strings.Cut(x.asked.Target, "?")
	if query == x.path.query && has == x.path.hasQuery {
		return nil
	}
	f := &refusal{rule: RulePath, kind: kindInvalidRequest, reason: "a token in the query would reach the upstream, since the proxy forwards the query as it came"}
	if x.policy.observes(f.rule) {
		x.observed = append(x.observed, f)
		return nil
	}
	return f
}

// sameTarget reports whether a path is its own canonical form, so that a proxy
// which forwards it unchanged forwards what was decided on. The case of the
// digits in an escape changes nothing for anybody.
func (c *canonical) sameTarget(target string) bool {
	path, _, _ := strings.Cut(target, "?")
	if len(path) != len(c.encoded) {
		return false
	}
	for i := 0; i < len(path); i++ {
		if path[i] == c.encoded[i] {
			continue
		}
		escape := i > 0 && c.encoded[i-1] == '%' || i > 1 && c.encoded[i-2] == '%'
		if !escape || path[i]-'a'+'A' != c.encoded[i] {
			return false
		}
	}
	return true
}

// dropped notes that a header must not go on.
func (x *exchange) dropped(name string) {
	if x.asked != nil {
		x.removed = append(x.removed, name)
	}
}

// sheet is an http.ResponseWriter that keeps what is written.
type sheet struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (s *sheet) Header() http.Header         { return s.header }
func (s *sheet) Write(p []byte) (int, error) { return s.body.Write(p) }
func (s *sheet) WriteHeader(status int)      { s.status = status }
