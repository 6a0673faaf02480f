package guard

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Problem is one mistake in a Config.
type Problem struct {
	// Path is where it stands, written as in the configuration file:
	// "tokens.issuers[0].audiences".
	Path string
	// What is wrong.
	What string
	// Instead is what to write in its place. May be empty.
	Instead string
}

// String is the problem in one line.
func (p Problem) String() string {
	s := p.Path + ": " + p.What
	if p.Instead != "" {
		s += "; " + p.Instead
	}
	return s
}

// Problems is every mistake in a Config, as an error of New and Reload.
type Problems []Problem

// Error has a line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// The risks that a configuration can accept, by the ids of the scanner's checks.
const (
	riskNoAudience   = "jwt.audience-unchecked"
	riskNoIssuer     = "jwt.issuer-unchecked"
	riskNoExpiry     = "jwt.no-expiry"
	riskLongLived    = "jwt.long-lived"
	riskWeakSecret   = "jwt.weak-secret"
	riskTokenInURL   = "jwt.token-in-url"
	riskWildcard     = "cors.wildcard"
	riskPlainText    = "transport.token-over-http"
	riskUnverifiedCA = "tls.cert-untrusted"
)

// Risks lists the ids that AcceptRisk understands.
func Risks() []string {
	return []string{
		riskNoAudience, riskNoIssuer, riskNoExpiry, riskLongLived, riskWeakSecret,
		riskTokenInURL, riskWildcard, riskPlainText, riskUnverifiedCA,
	}
}

func accepted(risks []string, id string) bool { return slices.Contains(risks, id) }

func path(prefix string, i int) string { return prefix + "[" + strconv.Itoa(i) + "]" }

// checker collects problems.
type checker struct {
	cfg      *Config
	problems []Problem
}

func (c *checker) add(path, what, instead string) {
	c.problems = append(c.problems, Problem{path, what, instead})
}

// needs adds a problem unless its risk was accepted.
func (c *checker) needs(risk, path, what, instead string) {
	if !accepted(c.cfg.AcceptRisk, risk) {
		c.add(path, what, instead+", or accept_risk: ["+risk+"]")
	}
}

// Check returns every mistake in cfg, without starting anything.
func Check(cfg Config) []Problem {
	c := &checker{cfg: &cfg}
	c.top()
	c.tokens()
	c.upstreams()
	c.routes()
	c.cors()
	return c.problems
}

func (c *checker) top() {
	cfg := c.cfg
	if !slices.Contains([]Mode{"", Enforce, ObserveOnly}, cfg.Mode) {
		c.add("mode", fmt.Sprintf("unknown mode %q", cfg.Mode), "write enforce or observe")
	}
	for i, r := range cfg.Observe {
		if !slices.Contains(Rules(), r) {
			c.add(path("observe", i), fmt.Sprintf("unknown rule %q", r), "write one of "+joinRules(Rules()))
		}
	}
	if len(cfg.Hosts) == 0 {
		c.add("hosts", "no host is allowed, so every request would be refused", "name the hosts that clients use, as hosts: [api.example.com]")
	}
	for i, h := range cfg.Hosts {
		if name, port, ok := splitHost(strings.ToLower(h)); !ok || name == "" || port != "" && !usablePort(port) {
			c.add(path("hosts", i), fmt.Sprintf("%q is not a host name", h), "write NAME or NAME:PORT, without scheme, path, wildcard or trailing dot, and an IPv6 address in brackets")
		}
	}
	for i, id := range cfg.AcceptRisk {
		if !slices.Contains(Risks(), id) {
			c.add(path("accept_risk", i), fmt.Sprintf("%q opens nothing", id), "write one of "+strings.Join(Risks(), ", "))
		}
	}
	if !slices.Contains([]PlaintextToken{"", Burn, Refuse}, cfg.PlaintextToken) {
		c.add("plaintext_token", fmt.Sprintf("unknown value %q", cfg.PlaintextToken), "write burn or refuse")
	}
	if cfg.RedirectPort < 0 || cfg.RedirectPort > 65535 {
		c.add("redirect_port", fmt.Sprintf("%d is not a port", cfg.RedirectPort), "write a number from 1 to 65535")
	}
	if cfg.HSTS.MaxAge < 0 {
		c.add("tls.hsts.max_age", "is negative", "write a duration such as 8760h")
	}
	if cfg.StoreStaleness < 0 {
		c.add("store_staleness", "is negative", "write a duration such as 5s")
	}
	if r := cfg.RateLimit.AuthFailures; r.Count < 0 || r.Count > 0 && r.Per <= 0 || r.Count > 0 && r.Per/time.Duration(r.Count) == 0 {
		c.add("rate_limit.auth_failures", "is not a rate", "write COUNT/UNIT such as 20/m")
	}
}

func joinRules(rules []Rule) string {
	s := make([]string, len(rules))
	for i, r := range rules {
		s[i] = string(r)
	}
	return strings.Join(s, ", ")
}

func (c *checker) tokens() {
	t := &c.cfg.Tokens
	for i, s := range t.Sources {
		kind, name, has := strings.Cut(s, ":")
		at := path("tokens.sources", i)
		switch {
		case s == "header":
		case kind == "cookie" && has && validToken(name):
		case kind == "query" && has && name != "":
			c.needs(riskTokenInURL, at, "a token in a URL ends up in logs, histories and Referer headers", "use header, or a cookie")
		default:
			c.add(at, fmt.Sprintf("unknown token source %q", s), "write header, or the word cookie, a colon and the name of one")
		}
		if slices.Contains(t.Sources[:i], s) {
			c.add(at, fmt.Sprintf("source %q is named twice", s), "remove one")
		}
	}
	if t.Leeway < 0 {
		c.add("tokens.leeway", "is negative", "write a duration such as 30s, or 0s")
	}
	if t.Leeway > 10*time.Minute {
		c.add("tokens.leeway", fmt.Sprintf("%s lets tokens live on long after their end", t.Leeway), "write at most 10m")
	}
	if t.MaxSize < 0 {
		c.add("tokens.max_size", "is negative", "write a size such as 8KiB")
	}
	if t.MaxSize > 64<<10 {
		c.add("tokens.max_size", "is more than the header limit of 64KiB lets in", "write a size such as 8KiB")
	}
	if t.Cache < 0 {
		c.add("tokens.cache", "is negative", "write how many verified tokens to remember, or 0 for none")
	}
	if !slices.Contains([]Binding{"", BindingOff, BindingOptional, BindingRequired}, t.Binding) {
		c.add("tokens.binding", fmt.Sprintf("unknown value %q", t.Binding), "write off, optional or required")
	}
	if !slices.Contains([]Forward{"", ForwardToken, ForwardClaims, ForwardInternal, ForwardNone}, t.Forward) {
		c.add("tokens.forward", fmt.Sprintf("unknown value %q", t.Forward), "write token, claims, internal or none")
	}
	if len(t.Issuers) == 0 && !c.allPublic() {
		c.add("tokens.issuers", "is empty, so no token could ever be accepted", "name an issuer with its keys, or make every path public")
	}
	names := map[string]bool{}
	for i := range t.Issuers {
		c.issuer(path("tokens.issuers", i), &t.Issuers[i])
		if names[t.Issuers[i].Issuer] {
			c.add(path("tokens.issuers", i)+".issuer", fmt.Sprintf("issuer %q is named twice", t.Issuers[i].Issuer), "merge the two, each issuer has one set of keys")
		}
		names[t.Issuers[i].Issuer] = true
	}
}

// allPublic reports whether no route and no rest needs a token.
func (c *checker) allPublic() bool {
	rest := false
	for _, r := range c.cfg.Routes {
		if !r.Public {
			return false
		}
		rest = rest || r.Path == "/*"
	}
	return rest
}

var (
	asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
	symmetric  = []string{"HS256", "HS384", "HS512"}
)

func (c *checker) issuer(at string, iss *Issuer) {
	if iss.Issuer == "" {
		c.needs(riskNoIssuer, at+".issuer", "without an issuer, tokens of anybody whose key is in the set are good", "write the exact iss of the tokens")
	}
	if len(iss.Audiences) == 0 {
		c.needs(riskNoAudience, at+".audiences", "without an audience, tokens that were issued for other services are good here", "name the aud of this service")
	}
	if slices.Contains(iss.Audiences, "") {
		c.add(at+".audiences", "an audience is empty", "remove it")
	}
	c.algorithms(at, iss)
	c.keySource(at, iss)
	if iss.Require != nil && !slices.Contains(iss.Require, "exp") {
		c.needs(riskNoExpiry, at+".require", "a token without exp is good for ever", "add exp")
	}
	if slices.Contains(iss.Require, "") {
		c.add(at+".require", "a claim name is empty", "remove it")
	}
	if slices.Contains(iss.Types, "") {
		c.add(at+".types", "a type is empty", "remove it; a token without typ counts as JWT")
	}
	if iss.MaxLifetime < 0 {
		c.add(at+".max_lifetime", "is negative", "write a duration such as 1h")
	}
	if iss.MaxLifetime > 24*time.Hour {
		c.needs(riskLongLived, at+".max_lifetime", fmt.Sprintf("a token of %s serves a thief as long", iss.MaxLifetime), "write at most 24h")
	}
}

func (c *checker) algorithms(at string, iss *Issuer) {
	var hmac, public int
	for i, a := range iss.Algorithms {
		p := path(at+".algorithms", i)
		switch {
		case slices.Contains(symmetric, a):
			hmac++
		case slices.Contains(asymmetric, a):
			public++
		case strings.EqualFold(a, "none"):
			c.add(p, "unsigned tokens are never accepted, and no accepted risk opens them", "write the algorithm that the issuer signs with, as RS256")
		default:
			c.add(p, fmt.Sprintf("unknown algorithm %q", a), "write one of "+strings.Join(append(slices.Clone(asymmetric), symmetric...), ", "))
		}
	}
	switch {
	case hmac > 0 && public > 0:
		c.add(at+".algorithms", "HS* beside other algorithms lets a public key be used as a secret", "make two issuers of it")
	case hmac > 0 && iss.Secret == nil:
		c.add(at+".algorithms", "HS* needs a shared secret", "add secret_file, or use the algorithm of the public key")
	case public > 0 && iss.Secret != nil:
		c.add(at+".algorithms", "a shared secret cannot verify "+strings.Join(iss.Algorithms, ", "), "write HS256, HS384 or HS512, or give jwks_file, jwks_url or discovery")
	}
}

func (c *checker) keySource(at string, iss *Issuer) {
	n := 0
	for _, is := range []bool{iss.JWKSURL != "", iss.Discovery, iss.JWKS != nil, iss.Secret != nil, iss.Keys != nil} {
		if is {
			n++
		}
	}
	switch {
	case n == 0:
		c.add(at, "has no keys", "add one of jwks_url, discovery: true, jwks_file and secret_file")
	case n > 1:
		c.add(at, "has more than one source of keys", "keep one of jwks_url, discovery, jwks_file and secret_file")
	}
	if iss.JWKSURL != "" {
		if reason := keyURL(iss.JWKSURL); reason != "" {
			c.add(at+".jwks_url", reason, "write an https URL (http only on loopback)")
		}
	}
	if iss.Discovery {
		if reason := keyURL(iss.Issuer); reason != "" {
			c.add(at+".discovery", "needs an issuer that is a URL: "+reason, "write an https URL as issuer, or give jwks_url")
		}
	}
}

// keyURL says why keys cannot be fetched safely from a URL.
func keyURL(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "":
		return "is not a URL"
	case u.User != nil:
		return "holds a user name or password"
	case u.Fragment != "":
		return "has a fragment"
	case u.Scheme == "https":
		return ""
	case u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	case u.Scheme == "http":
		return "keys that come over plain http are the attacker's to choose"
	}
	return fmt.Sprintf("has the scheme %q", u.Scheme)
}

// loopback reports whether a host cannot be reached from outside.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func (c *checker) upstreams() {
	if len(c.cfg.TrustedPeers) > 0 && len(c.cfg.Upstreams) == 0 && c.cfg.Tokens.Forward == ForwardInternal {
		c.add("tokens.forward", "internal tokens are for an upstream, and none is configured", "name the upstream and its audience, or write token, claims or none")
	}
	names := map[string]bool{}
	for i := range c.cfg.Upstreams {
		u := &c.cfg.Upstreams[i]
		at := path("upstreams", i)
		if u.Name == "" {
			c.add(at+".name", "is missing", "give the upstream a name that routes can use")
		}
		if names[u.Name] {
			c.add(at+".name", fmt.Sprintf("upstream %q is named twice", u.Name), "give each a name of its own")
		}
		names[u.Name] = true
		if u.Timeout < 0 {
			c.add(at+".timeout", "is negative", "write a duration such as 30s")
		}
		c.upstreamURL(at, u)
	}
}

func (c *checker) upstreamURL(at string, u *Upstream) {
	p, err := url.Parse(u.URL)
	if err != nil {
		c.add(at+".url", "is not a URL", "write https://HOST:PORT, http://127.0.0.1:PORT or unix:///path")
		return
	}
	switch {
	case p.Scheme == "unix" && p.Host == "" && strings.HasPrefix(p.Path, "/"):
		return
	case !slices.Contains([]string{"http", "https", "h2c"}, p.Scheme) || p.Hostname() == "":
		c.add(at+".url", fmt.Sprintf("%q is not an upstream", withoutUser(u.URL)), "write https://HOST:PORT, http://127.0.0.1:PORT or unix:///path")
		return
	case p.User != nil:
		c.add(at+".url", "holds a user name or password", "remove it")
	case p.Path != "" && p.Path != "/" || p.RawQuery != "" || p.Fragment != "":
		c.add(at+".url", "has a path or a query, but the guard forwards the path that it matched, unchanged", "write only scheme, host and port")
	}
	if p.Port() != "" && !usablePort(p.Port()) {
		c.add(at+".url", fmt.Sprintf("%q is not a port", p.Port()), "write a number from 1 to 65535")
	}
	if p.Scheme != "https" && !loopback(p.Hostname()) && (!u.Insecure || !accepted(c.cfg.AcceptRisk, riskPlainText)) {
		c.add(at+".url", "would carry tokens in clear text over the network", "write https://, or, where the network is trusted, insecure: true here and accept_risk: ["+riskPlainText+"]")
	}
	if u.Insecure && p.Scheme == "https" && !accepted(c.cfg.AcceptRisk, riskUnverifiedCA) {
		c.add(at+".insecure", "an unverified certificate lets anybody on the path read the tokens", "give ca: FILE instead, or accept_risk: ["+riskUnverifiedCA+"]")
	}
}

func usablePort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n < 65536
}

func (c *checker) routes() {
	seen := map[string]int{}
	for i := range c.cfg.Routes {
		r := &c.cfg.Routes[i]
		at := path("routes", i)
		if reason := routePath(r.Path); reason != "" {
			c.add(at+".path", fmt.Sprintf("%q %s", r.Path, reason), "write /exact/path, or /tree/*")
		}
		key := r.Path
		if !strings.HasSuffix(key, "/*") {
			key = strings.TrimSuffix(key, "/")
		}
		if first, again := seen[key]; again {
			c.add(at+".path", fmt.Sprintf("path %q is named twice, first in routes[%d]", r.Path, first), "merge the two")
		} else {
			seen[key] = i
		}
		for j, m := range r.Methods {
			if !validMethod(m) {
				c.add(path(at+".methods", j), fmt.Sprintf("%q is not a method that can be let through", m), "write upper-case names such as GET; CONNECT and TRACE are never let through")
			}
		}
		c.routePolicy(at, r)
	}
}

func (c *checker) routePolicy(at string, r *Route) {
	if r.Public && (len(r.Scopes) > 0 || len(r.Issuers) > 0 || r.Once || r.Binding == BindingRequired) {
		c.add(at+".public", "a public route needs no token, so scopes, issuers, once and binding mean nothing on it", "remove public, or remove them")
	}
	for j, s := range r.Scopes {
		if !validScope(s) {
			c.add(path(at+".scopes", j), fmt.Sprintf("%q is not a scope", s), "write one scope without spaces, quotes or backslashes (RFC 6749 §3.3)")
		}
	}
	for j, name := range r.Issuers {
		if !slices.ContainsFunc(c.cfg.Tokens.Issuers, func(i Issuer) bool { return i.Issuer == name }) {
			c.add(path(at+".issuers", j), fmt.Sprintf("no issuer %q in tokens.issuers", name), "write the issuer as it stands there")
		}
	}
	if !slices.Contains([]Binding{"", BindingOff, BindingOptional, BindingRequired}, r.Binding) {
		c.add(at+".binding", fmt.Sprintf("unknown value %q", r.Binding), "write off, optional or required")
	}
	if r.Upstream != "" && !slices.ContainsFunc(c.cfg.Upstreams, func(u Upstream) bool { return u.Name == r.Upstream }) {
		c.add(at+".upstream", fmt.Sprintf("no upstream %q in upstreams", r.Upstream), "write one of their names")
	}
}

// routePath says why a route could never match or would match more than it says.
func routePath(p string) string {
	base, tree := strings.CutSuffix(p, "/*")
	switch {
	case p == "" || p[0] != '/':
		return "does not begin with a slash"
	case strings.Contains(base, "*"):
		return "has a star that is not its last segment"
	case strings.ContainsAny(p, "?#"):
		return "has a query or a fragment, which routes do not match"
	case strings.Contains(p, "%"):
		return "has a percent sign; routes match the decoded path"
	case tree && base == "":
		return ""
	case strings.HasSuffix(base, "/") && tree:
		return "could never match: path has an empty segment"
	}
	if _, reason := canonicalize((&url.URL{Path: base}).EscapedPath()); reason != "" {
		return "could never match: " + reason
	}
	return ""
}

func validScope(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return s != ""
}

// validToken is RFC 9110's token, as in header and cookie names.
func validToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`"(),/:;<=>?@[\]{}`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

func (c *checker) cors() {
	cors := c.cfg.CORS
	if cors == nil {
		return
	}
	if len(cors.Origins) == 0 {
		c.add("cors.origins", "is empty", "name the origins that may read answers, or remove cors")
	}
	for i, o := range cors.Origins {
		c.origin(path("cors.origins", i), o)
		if slices.Contains(cors.Origins[:i], o) {
			c.add(path("cors.origins", i), fmt.Sprintf("origin %q is named twice", o), "remove one")
		}
	}
	for i, m := range cors.Methods {
		if !validMethod(m) {
			c.add(path("cors.methods", i), fmt.Sprintf("%q is not a method that can be let through", m), "write upper-case names such as GET")
		}
	}
	for _, list := range []struct {
		at    string
		names []string
	}{{"cors.request_headers", cors.RequestHeaders}, {"cors.response_headers", cors.ResponseHeaders}} {
		for i, h := range list.names {
			if !validToken(h) || h == "*" {
				c.add(path(list.at, i), fmt.Sprintf("%q is not a header name", h), "name each header, as Authorization")
			}
		}
	}
	if cors.MaxAge < 0 {
		c.add("cors.max_age", "is negative", "write a duration such as 24h")
	}
}

// withoutUser keeps a password in a URL out of messages.
func withoutUser(raw string) string {
	if i := strings.LastIndexByte(raw, '@'); i >= 0 {
		return "…" + raw[i:]
	}
	return raw
}

func (c *checker) origin(at, o string) {
	if o == "*" {
		if c.cfg.CORS.Credentials {
			c.needs(riskWildcard, at, "a wildcard origin with credentials lets every site act as the user", "name the origins")
		} else {
			c.needs(riskWildcard, at, "a wildcard origin lets every site read the answers", "name the origins")
		}
		return
	}
	u, err := url.Parse(o)
	switch {
	case o == "null":
		c.add(at, "the origin null belongs to every sandboxed page", "name a real origin")
	case err != nil || u.Scheme == "" || u.Host == "":
		c.add(at, fmt.Sprintf("%q is not an origin", withoutUser(o)), "write scheme and host, as https://app.example.com")
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(o, "/") || strings.HasSuffix(o, "?"):
		c.add(at, fmt.Sprintf("%q has more than scheme, host and port", withoutUser(o)), "write "+u.Scheme+"://"+u.Host)
	case strings.Contains(o, "*"):
		c.add(at, fmt.Sprintf("%q has a wildcard", o), "name each origin in full")
	case o != strings.ToLower(o):
		c.add(at, fmt.Sprintf("%q has capitals, but browsers send origins in lower case", o), "write "+strings.ToLower(o))
	case u.Scheme == "http" && !loopback(u.Hostname()):
		c.add(at, fmt.Sprintf("%q is a plain-http origin, which anybody on the path can speak for", o), "write the https origin")
	case u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80":
		c.add(at, fmt.Sprintf("%q names the default port, which browsers leave out", o), "write "+u.Scheme+"://"+u.Hostname())
	case u.Port() != "" && !usablePort(u.Port()):
		c.add(at, fmt.Sprintf("%q is not a port", u.Port()), "write a number from 1 to 65535")
	}
}
