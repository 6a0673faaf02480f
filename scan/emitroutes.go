package scan

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

const maxRoutes = 200

// Facts is what a scan has learnt of the API, as far as a guard's configuration
// needs it.
type Facts struct {
	// Host is the target's name without the port, Origin its scheme, host and
	// port. Loopback says that it is there, whatever Strict says.
	Host, Origin string
	Loopback     bool
	Operations   []Operation
	// Algorithm, Issuer, Audience and Type are those of the genuine token.
	Algorithm, Issuer, Type string
	Audience                []string
	// Lifetime is from iat to exp. Zero: not known.
	Lifetime time.Duration
	// Cookie is where the genuine token travels. Empty: the header.
	Cookie string
	// KeySetURL is where the issuer publishes its keys.
	KeySetURL string
	// LoginPaths are where credentials are exchanged.
	LoginPaths []string
	// AllowedOrigin is the one that the user named.
	AllowedOrigin string
}

func (t *Target) facts() Facts {
	f := Facts{
		Host: t.Host(), Origin: t.base.Scheme + "://" + t.base.Host, Loopback: loopbackName(t.Host()) || t.surface.loopback,
		Operations: t.surface.operations, AllowedOrigin: t.config.Origin,
	}
	if token, ok := t.Token(); ok && token.JWT {
		f.Algorithm, f.Issuer, f.Audience, f.Type = token.Alg, token.Issuer, token.Audience, token.Type
		if !token.Issued.IsZero() && !token.Expiry.IsZero() {
			f.Lifetime = token.Expiry.Sub(token.Issued)
		}
		if known, ok := tokenAlgorithm[token.Alg]; ok {
			f.Algorithm = known
		} else {
			f.Algorithm = ""
		}
	}
	for _, p := range t.surface.protected {
		f.Cookie = cmp.Or(f.Cookie, p.Cookie)
	}
	for _, doc := range t.surface.keys {
		if doc.Keys != nil {
			f.KeySetURL = cmp.Or(f.KeySetURL, doc.URL)
		}
	}
	for _, at := range []string{t.LoginURL(), t.RefreshURL()} {
		if at != "" {
			f.LoginPaths = append(f.LoginPaths, t.template(at))
		}
	}
	return f
}

// tokenAlgorithm has the algorithms that a guard can be told to allow.
var tokenAlgorithm = map[string]string{
	"RS256": "RS256", "RS384": "RS384", "RS512": "RS512", "PS256": "PS256", "PS384": "PS384", "PS512": "PS512",
	"ES256": "ES256", "ES384": "ES384", "ES512": "ES512", "EdDSA": "EdDSA", "Ed25519": "EdDSA",
	"HS256": "HS256", "HS384": "HS384", "HS512": "HS512",
}

// route is a path of the guard's with what holds for it.
type route struct {
	path     string
	methods  []string
	scopes   []string
	public   bool
	operated bool // some operation is behind it already
}

var (
	plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*/?$`)
	// exposed are paths that stay closed whatever the description says.
	exposed    = regexp.MustCompile(`(?i)/(debug|_debug|__debug__|metrics|env|actuator|admin|internal|server-status|config|docs|redoc|openapi|swagger|api-docs|console)\b`)
	healthPath = regexp.MustCompile(`(?i)^/(health|healthz|livez|readyz|ping|status)/?$`)
	cookieName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	plainWord  = regexp.MustCompile(`^[A-Za-z0-9._:/+-]+$`)
)

// guardPath is the guard's pattern for a path of the description: exact, or the
// tree below its first parameter. ok is false for what the guard would refuse.
func guardPath(p string) (pattern string, ok bool) {
	tree := false
	if strings.Contains(p, "//") {
		return "", false
	}
	if i := strings.IndexByte(p, '{'); i >= 0 {
		p, tree = p[:i], true
		p = p[:strings.LastIndexByte(p, '/')]
	}
	if len(p) > 1 {
		p = strings.TrimRight(p, "/")
	}
	if !plainPath.MatchString(p) || strings.Contains(p+"/", "/./") || strings.Contains(p+"/", "/../") {
		return "", false
	}
	if tree {
		return strings.TrimRight(p, "/") + "/*", true
	}
	return cmp.Or(p, "/"), true
}

// routes writes the paths of the description. Without it, everything needs a
// token but what gives one.
func (g *emitter) routes() {
	list, left := g.collect()
	g.comment("", "What no route names needs a valid token.")
	if left > 0 {
		g.comment("", "%d operations have paths that cannot be written here; they need a valid token.", left)
	}
	if len(list) == 0 {
		g.line("routes: []")
		g.line("")
		return
	}
	g.line("routes:")
	for _, r := range list {
		text := "  - {path: " + quote(r.path)
		if len(r.methods) > 0 {
			text += ", methods: [" + strings.Join(r.methods, ", ") + "]"
		}
		switch {
		case r.public:
			text += ", public: true"
		case len(r.scopes) > 0:
			text += ", scopes: " + quoteAll(r.scopes)
		}
		g.line("%s}", text)
	}
	g.line("")
}

// collect joins operations by the guard's path. A path is public only if every
// operation behind it is, and a tree only if nothing below it is secured.
func (g *emitter) collect() (list []*route, left int) {
	byPath := map[string]*route{}
	declares := slices.ContainsFunc(g.facts.Operations, func(o Operation) bool { return o.FromSpec && o.Secured })
	for _, o := range g.facts.Operations {
		if !o.FromSpec {
			continue
		}
		path, ok := guardPath(g.fullPath(o))
		if !ok || o.Method == "TRACE" || len(byPath) >= maxRoutes && byPath[path] == nil {
			left++
			continue
		}
		r := byPath[path]
		if r == nil {
			r = &route{path: path, public: true}
			byPath[path] = r
		}
		r.add(o, g.open(o, declares))
	}
	if !g.ownIssuer {
		for _, p := range g.facts.LoginPaths {
			if path, ok := guardPath(p); ok && byPath[path] == nil {
				byPath[path] = &route{path: path, methods: []string{"POST"}, public: true}
			}
		}
	}
	for _, r := range byPath {
		if tree, ok := strings.CutSuffix(r.path, "*"); ok && r.public {
			for _, other := range byPath {
				r.public = r.public && (other == r || other.public || !strings.HasPrefix(other.path, tree))
			}
		}
		if r.public || len(r.scopes) > 0 || len(r.methods) > 0 {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *route) int { return cmp.Compare(a.path, b.path) })
	return list, left
}

// fullPath is the template with the path of the server before it.
func (g *emitter) fullPath(o Operation) string {
	rest, ok := strings.CutPrefix(o.URL, g.facts.Origin)
	first, _, _ := strings.Cut(o.Path, "{")
	if i := strings.Index(rest, first); ok && i > 0 {
		return rest[:i] + o.Path
	}
	return o.Path
}

// open tells whether an operation may be called without a token.
func (g *emitter) open(o Operation, declares bool) bool {
	switch {
	case exposed.MatchString(o.Path):
		return false
	case healthPath.MatchString(o.Path) && o.Method == "GET":
		return true
	case slices.Contains(g.facts.LoginPaths, o.Path):
		return !g.ownIssuer // the issuer's own endpoints take their place
	case loginPath.MatchString(o.Path) || refreshPath.MatchString(o.Path):
		return !g.ownIssuer && !o.Secured
	}
	// A description without any security says nothing about this one.
	return declares && !o.Secured
}

func (r *route) add(o Operation, open bool) {
	if o.Method != "HEAD" && !slices.Contains(r.methods, o.Method) {
		r.methods = append(r.methods, o.Method)
		slices.Sort(r.methods)
	}
	r.public = r.public && open
	var scopes []string
	for _, s := range o.Scopes {
		if plainWord.MatchString(s) && (!r.operated || slices.Contains(r.scopes, s)) {
			scopes = append(scopes, s)
		}
	}
	r.scopes, r.operated = scopes, true
}
