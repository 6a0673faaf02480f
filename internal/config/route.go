package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/guard"
)

func (b *builder) routes() {
	seen := map[string]int{}
	for i, r := range b.file.Routes {
		path := index("routes", i)
		if r.Path != "" {
			if what, instead := routeMistake(r.Path); what != "" {
				b.wrong(path+".path", fmt.Sprintf("path %s %s", quoted(r.Path), what), instead)
			} else if first, twice := seen[r.Path]; twice {
				b.wrong(path+".path", fmt.Sprintf("route %s is named twice, first in %s", quoted(r.Path), index("routes", first)), "merge the two; a path has one policy")
			} else {
				seen[r.Path] = i
			}
		}
		b.methods(path+".methods", r.Methods)
		if r.Methods != nil && len(r.Methods) == 0 {
			b.wrong(path+".methods", "methods is empty, so that every request would be refused", "write [GET], or remove the key to allow all")
		}
		b.scopes(path+".scopes", r.Scopes)
		b.public(path, r)
		b.references(path, r)
		b.out.Guard.Routes = append(b.out.Guard.Routes, guard.Route{
			Path: r.Path, Methods: r.Methods, Public: r.Public, Scopes: r.Scopes, Issuers: r.Issuers,
			Binding: guard.Binding(r.Binding), Once: r.Once, Upstream: r.Upstream,
		})
	}
}

// routeMistake says why a path has no single meaning. Routes are matched
// against decoded paths, so that nothing in them is encoded.
func routeMistake(p string) (what, instead string) {
	base, tree := strings.CutSuffix(p, "/*")
	switch {
	case !strings.HasPrefix(p, "/"):
		return "does not begin with a slash", "write /" + strings.TrimLeft(p, ".")
	case strings.Contains(base, "*"):
		return "has * elsewhere than in /* at its end", "write a path, or one that ends in /*"
	case strings.Contains(base, "//"):
		return "has an empty segment", "write single slashes"
	case strings.Contains(p, "%"):
		return "is percent-encoded, but paths are matched decoded", "write the character itself"
	case strings.ContainsAny(p, ";\\"):
		return "has a ; or \\, which servers read differently", "write it without; such requests are always refused"
	case strings.ContainsAny(p, "?#"):
		return "has a query or fragment, which is never matched", "write the path only"
	case tree && strings.HasSuffix(base, "/"):
		return "has an empty segment", "write single slashes"
	case !tree && p != "/" && strings.HasSuffix(p, "/"):
		short := strings.TrimRight(p, "/")
		return "ends in a slash", fmt.Sprintf("write %s, which covers %s too, or %s/* for all below", short, p, short)
	case len(p) > 1024:
		return "is longer than 1024 bytes", "write a shorter one that ends in /*"
	}
	for segment := range strings.SplitSeq(base, "/") {
		if segment == "." || segment == ".." {
			return "has a dot segment", "write the path that is meant"
		}
	}
	return "", ""
}

// public refuses demands on tokens where none is asked for.
func (b *builder) public(path string, r RouteFile) {
	if !r.Public {
		return
	}
	for _, demand := range []struct {
		key   string
		given bool
	}{
		{"scopes", len(r.Scopes) > 0},
		{"issuers", len(r.Issuers) > 0},
		{"binding", r.Binding != ""},
		{"once", r.Once},
	} {
		if demand.given {
			b.wrong(path+"."+demand.key, fmt.Sprintf("route %s is public, so that %s would never be asked for", quoted(r.Path), demand.key), fmt.Sprintf("remove public or %s", demand.key))
		}
	}
}

// references refuses names that nothing has.
func (b *builder) references(path string, r RouteFile) {
	if r.Upstream != "" && !b.badUnder("upstreams") {
		var names []string
		for _, u := range b.file.Upstreams {
			names = append(names, u.Name)
		}
		b.known(path+".upstream", "upstream", r.Upstream, names)
	}
	if r.Issuers != nil && len(r.Issuers) == 0 {
		b.wrong(path+".issuers", "issuers is empty, so that every token would be refused", "write issuers, or remove the key to allow all")
	}
	var issuers []string
	for _, is := range orNew(b.file.Tokens).Issuers {
		issuers = append(issuers, is.Issuer)
	}
	if b.out.Issuer.Enabled {
		issuers = append(issuers, b.out.Issuer.URL)
	}
	for i, is := range r.Issuers {
		b.known(index(path+".issuers", i), "issuer", is, issuers)
	}
}

func (b *builder) known(path, thing, word string, names []string) {
	if slices.Contains(names, word) {
		return
	}
	instead := oneOf(names)
	if near := nearest(word, names); near != "" {
		instead = fmt.Sprintf("did you mean %q?", near)
	} else if len(names) == 0 {
		instead = "there is none; remove the key"
	}
	b.wrong(path, fmt.Sprintf("there is no %s %s", thing, quoted(word)), instead)
}

// usualMethods are those whose misspelling is recognised.
func usualMethods() []string {
	return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
}

// methods checks names of methods. They are case-sensitive (RFC 9110 §9.1).
func (b *builder) methods(path string, list []string) {
	for i, m := range list {
		at := index(path, i)
		near := nearest(m, usualMethods())
		switch {
		case m == "*":
			b.wrong(at, "methods have no wildcard", "write every method, or remove the key to allow all")
		case m == "CONNECT" || m == "TRACE":
			b.wrong(at, fmt.Sprintf("method %s is always refused", m), "remove it")
		case m != strings.ToUpper(m):
			b.wrong(at, fmt.Sprintf("method %s is not in capitals", quoted(m)), "write "+quoted(strings.ToUpper(m)))
		case len(m) > 32 || strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") != "":
			b.wrong(at, fmt.Sprintf("%s is no method", quoted(m)), "write one like GET or POST")
		case near != "" && near != m:
			b.wrong(at, fmt.Sprintf("%s is no usual method", quoted(m)), fmt.Sprintf("did you mean %q?", near))
		case slices.Contains(list[:i], m):
			b.wrong(at, fmt.Sprintf("method %s is named twice", m), "remove one of them")
		}
	}
}

// scopes checks scope tokens (RFC 6749 §3.3).
func (b *builder) scopes(path string, list []string) {
	for i, s := range list {
		if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
			b.wrong(index(path, i), fmt.Sprintf("scope %s has a space, a quote, a backslash or a letter outside ASCII", quoted(s)), "write each scope as an entry of its own")
		}
	}
}
