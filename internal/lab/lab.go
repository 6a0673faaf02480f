// Package lab is a deliberately weak HTTP API with JWT bearer tokens, for the
// demonstration and for tests of the scanner and the guard. Never expose it: it
// lets in anybody who knows how to write a token, shows its keys and fetches
// what it is told to. Its server binds to loopback only and refuses requests
// that come any other way.
//
// Every weakness is a named Flaw. A Lab without flaws is as strict as the
// package can make it, so that a test can show both sides of each check.
package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// Options describes a Lab. The zero value is one without flaws.
type Options struct {
	// Flaws are what is wrong with it. Nil: nothing.
	Flaws Flaws
	// Key signs its tokens (ES256). Nil: a new one.
	Key *ecdsa.PrivateKey
	// Origin is the one that browsers may come from. Empty: DefaultOrigin.
	Origin string
	// Hosts are names under which it answers besides those of loopback.
	Hosts []string
	// BehindProxy says that a proxy on loopback ends TLS and sets
	// X-Forwarded-Proto. False: without TLS the mended lab refuses.
	BehindProxy bool
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// What the lab's own tokens say, and who may log in.
const (
	Issuer        = "https://id.lab.example/"
	Audience      = "lab-api"
	DefaultOrigin = "https://app.lab.example"
	keyID         = "lab-1"
)

// Users are the accounts and their passwords. They are published here, which is
// one more reason not to expose the lab.
func Users() map[string]string {
	return map[string]string{"alice": "wonderland-7", "bob": "builder-42"}
}

// Lab is the API. It is safe for concurrent use.
type Lab struct {
	o       Options
	has     map[Flaw]bool
	keys    keys
	signer  *token.Signer
	trusted *token.KeySet
	partner atomic.Pointer[partner] // another issuer; nil: none
	mux     *http.ServeMux
	fetch   *http.Client

	mu       sync.Mutex // guards what follows
	counter  int
	sessions map[string]*session // by refresh token
	ended    map[string]bool     // session ids after logout
	failures map[string]int      // failed logins of this minute, by user and by peer
	minute   int64
	items    []item
	looks    int // at the key set
}

// New makes a Lab. It panics if o names a flaw that there is none of, or a key
// that is not of P-256: both are mistakes of the program.
func New(o Options) *Lab {
	l, err := newLab(o)
	if err != nil {
		panic("lab: " + err.Error())
	}
	return l
}

func newLab(o Options) (*Lab, error) {
	if err := o.Flaws.check(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Origin == "" {
		o.Origin = DefaultOrigin
	}
	if o.Key == nil {
		var err error
		if o.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, fmt.Errorf("make the lab's key: %w", err)
		}
	}
	l := &Lab{
		o: o, has: map[Flaw]bool{}, counter: 1000, mux: http.NewServeMux(),
		sessions: map[string]*session{}, ended: map[string]bool{}, failures: map[string]int{},
		items: []item{{1, "lamp"}, {2, "rope"}, {3, "map"}},
	}
	for _, f := range o.Flaws {
		l.has[f] = true
	}
	var err error
	if l.signer, err = token.NewSigner("ES256", keyID, o.Key); err != nil {
		return nil, err
	}
	if l.trusted, _, err = token.ParseJWKS(l.publicSet()); err != nil {
		return nil, err
	}
	if l.keys, err = newKeys(o.Key); err != nil {
		return nil, err
	}
	l.fetch = loopbackClient()
	for path, ops := range l.operations() {
		l.mux.Handle(path, l.dispatch(ops))
	}
	return l, nil
}

// maxBody bounds what the lab reads of a request.
const maxBody = 1 << 20

// ServeHTTP implements http.Handler.
func (l *Lab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && !onLoopback(a.String()) {
		http.Error(w, "the lab answers on loopback only", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	l.banner(w.Header())
	l.hsts(w.Header(), r)
	switch {
	case !l.knownHost(r):
		l.fail(w, r, http.StatusBadRequest, "Invalid host")
	case !l.laxPath(r) && ambiguous(r):
		l.fail(w, r, http.StatusBadRequest, "Invalid path")
	case l.refusePlain(w, r), l.cors(w, r), l.slashRedirect(w, r):
	default:
		l.route(w, r)
	}
}

// route finds the handler of the request's path. The mux would answer doubtful
// paths with redirects; a lax server just cleans them.
func (l *Lab) route(w http.ResponseWriter, r *http.Request) {
	if l.laxPath(r) {
		r.URL.Path, r.URL.RawPath = cleanPath(r.URL.Path), ""
	}
	if _, pattern := l.mux.Handler(r); pattern == "" {
		l.fail(w, r, http.StatusNotFound, "Not found")
		return
	}
	l.mux.ServeHTTP(w, r)
}

// operation is one method of a path.
type operation struct {
	method  string
	summary string
	secured bool
	// open marks the operation that AuthMissing leaves without its check.
	open  bool
	serve func(w http.ResponseWriter, r *http.Request, c *caller)
}

func (l *Lab) operations() map[string][]operation {
	ops := map[string][]operation{
		"/{$}":                              {{method: "GET", summary: "What this is", serve: l.index}},
		"/healthz":                          {{method: "GET", summary: "Health", serve: l.health}},
		"/login":                            {{method: "POST", summary: "Log in", serve: l.login}},
		"/token":                            {{method: "POST", summary: "OAuth 2.0 token endpoint", serve: l.token}},
		"/refresh":                          {{method: "POST", summary: "Refresh", serve: l.refresh}},
		"/logout":                           {{method: "POST", summary: "Log out", secured: true, serve: l.logout}},
		"/profile":                          {{method: "GET", summary: "Who am I", secured: true, serve: l.profile}},
		"/items":                            {{method: "GET", summary: "All items", secured: true, serve: l.listItems}, {method: "POST", summary: "Add an item", secured: true, serve: l.addItem}},
		"/items/{id}":                       {{method: "GET", summary: "One item", secured: true, serve: l.oneItem}},
		"/pay":                              {{method: "POST", summary: "Pay", secured: true, serve: l.pay}},
		"/admin/stats":                      {{method: "GET", summary: "Statistics", secured: true, open: true, serve: l.stats}},
		"/events":                           {{method: "GET", summary: "Events (SSE)", secured: true, serve: l.events}},
		"/ws":                               {{method: "GET", summary: "Echo (WebSocket)", secured: true, serve: l.socket}},
		"/export":                           {{method: "GET", summary: "Export to the file server", secured: true, serve: l.export}},
		"/legacy":                           {{method: "GET", summary: "The old profile", secured: true, serve: l.legacy}},
		"/openapi.json":                     {{method: "GET", summary: "This description", secured: !l.has[DocsExposed], serve: l.openapi}},
		"/.well-known/jwks.json":            {{method: "GET", summary: "Key set", serve: l.jwks}},
		"/.well-known/openid-configuration": {{method: "GET", summary: "Discovery", serve: l.discovery}},
	}
	if l.has[EncodedPassword] {
		ops["/login"] = append(ops["/login"], operation{method: "GET", summary: "Log in by link", serve: l.loginByLink})
	}
	if l.has[DocsExposed] {
		ops["/docs"] = []operation{{method: "GET", summary: "Documentation", serve: l.docs}}
	}
	for path, serve := range l.leaks() {
		ops[path] = []operation{{method: "GET", serve: serve}}
	}
	return ops
}

// dispatch chooses the operation by the method and asks for credentials.
func (l *Lab) dispatch(ops []operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, bypass := l.method(r)
		var allowed []string
		for _, op := range ops {
			allowed = append(allowed, op.method)
			if op.method != method && !(method == http.MethodHead && op.method == http.MethodGet) {
				continue
			}
			c, problem := l.caller(r)
			if op.secured && problem != "" && !bypass && !(op.open && l.has[AuthMissing]) {
				l.unauthorized(w, r, problem)
				return
			}
			if c == nil {
				c = &caller{subject: "nobody"}
			}
			op.serve(w, r, c)
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		l.fail(w, r, http.StatusMethodNotAllowed, "Method not allowed")
	})
}

// method is what the request asks for. With MethodBypass, HEAD, odd spellings
// and override headers get past the check of credentials, as where a filter
// looks for "GET" and the framework is more forgiving.
func (l *Lab) method(r *http.Request) (method string, bypass bool) {
	if !l.has[MethodBypass] {
		return r.Method, false
	}
	if o := r.Header.Get("X-HTTP-Method-Override"); o != "" {
		return strings.ToUpper(o), true
	}
	if upper := strings.ToUpper(r.Method); upper != r.Method {
		return upper, true
	}
	return r.Method, r.Method == http.MethodHead
}

// onLoopback reports whether an address of host and port is one of loopback.
func onLoopback(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

func (l *Lab) knownHost(r *http.Request) bool {
	if l.has[HostUnvalidated] {
		return true
	}
	name := r.Host
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	return slices.Contains(append([]string{"localhost", "127.0.0.1", "::1"}, l.o.Hosts...), name)
}
