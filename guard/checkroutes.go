package guard

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

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
