package guard

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

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

var (
	asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
	symmetric  = []string{"HS256", "HS384", "HS512"}
)

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
