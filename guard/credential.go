package guard

import (
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// Where a credential was found.
type source uint8

const (
	sourceNone source = iota
	sourceHeader
	sourceCookie
	sourceQuery
)

// credential is the one token of a request, not yet verified.
type credential struct {
	source source
	raw    string
	dpop   bool   // came under the DPoP scheme
	name   string // of the cookie or the query parameter
}

// tokenSources is Tokens.Sources made ready.
type tokenSources struct {
	header bool
	cookie []string
	query  []string
}

func newTokenSources(sources []string) tokenSources {
	var t tokenSources
	for _, s := range sources {
		kind, name, _ := strings.Cut(s, ":")
		switch kind {
		case "header":
			t.header = true
		case "cookie":
			t.cookie = append(t.cookie, name)
		case "query":
			t.query = append(t.query, name)
		}
	}
	if len(sources) == 0 {
		t.header = true
	}
	return t
}

// The names under which tokens travel in URLs (RFC 6750 §2.3 and custom).
var queryTokenNames = set("access_token", "token", "jwt", "id_token", "auth_token", "authorization", "bearer")

// checkCredential reads the token from the one place where it is. Two
// credentials have two readings, so they are refused (RFC 6750 §2).
func checkCredential(x *exchange) *refusal {
	two := func(reason string) *refusal {
		return &refusal{rule: RuleToken, kind: kindTwoCredentials, reason: reason}
	}
	authorization := x.r.Header["Authorization"]
	x.credentialed = len(authorization) > 0
	if len(authorization) > 1 {
		return two("more than one Authorization header")
	}
	var c credential
	if len(authorization) == 1 {
		scheme, rest := cutScheme(authorization[0])
		x.secrets.note(0, rest)
		isDPoP := strings.EqualFold(scheme, "DPoP")
		if isDPoP || strings.EqualFold(scheme, "Bearer") {
			c = credential{source: sourceHeader, raw: rest, dpop: isDPoP}
			// Two searches for one byte each are a tenth of the cost of one for both.
			if strings.IndexByte(c.raw, ',') >= 0 || strings.IndexByte(c.raw, ' ') >= 0 {
				return two("Authorization holds more than one value")
			}
		}
	}
	if x.path.hasQuery {
		if name := queryToken(x.path.query, x.policy.sources.query); name != "" {
			if len(authorization) == 1 {
				return two("a token in the header and another in the query parameter " + quoted(name))
			}
		}
	}
	cookies, reason := x.cookieTokens()
	switch {
	case reason != "":
		return two(reason)
	case cookies.source != sourceNone && c.source != sourceNone:
		return two("a token in the header and another in the cookie " + quoted(cookies.name))
	case cookies.source != sourceNone:
		c = cookies
	case c.source == sourceHeader && !x.policy.sources.header:
		// Nobody here would look at this token, so nobody behind us shall.
		x.r.Header.Del("Authorization")
		c = credential{}
	}
	if len(x.policy.sources.query) > 0 {
		inQuery, reason := x.queryTokens()
		switch {
		case reason != "":
			return two(reason)
		case inQuery.source != sourceNone && c.source != sourceNone:
			return two("a token in the cookie " + quoted(c.name) + " and another in the query parameter " + quoted(inQuery.name))
		case inQuery.source != sourceNone:
			c = inQuery
		}
	}
	if c.source != sourceHeader {
		x.secrets.note(1, c.raw)
	}
	x.credential = c
	x.credentialed = x.credentialed || c.source != sourceNone
	return nil
}

// cutScheme parts the scheme of an Authorization header from what follows. A
// tab parts them too: there are servers that split at any white space, and
// what they take for a token must not get past us as none.
func cutScheme(authorization string) (scheme, rest string) {
	authorization = trimBlanks(authorization)
	for i := range len(authorization) {
		if isBlank(authorization[i]) {
			return authorization[:i], trimBlanks(authorization[i+1:])
		}
	}
	return authorization, ""
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

// cookieTokens reads the token cookies.
func (x *exchange) cookieTokens() (c credential, reason string) {
	if len(x.policy.sources.cookie) == 0 || len(x.r.Header["Cookie"]) == 0 {
		return c, ""
	}
	for _, name := range x.policy.sources.cookie {
		found := x.r.CookiesNamed(name)
		if len(found) > 1 || len(found) == 1 && c.source != sourceNone {
			return c, "more than one token cookie"
		}
		if len(found) == 1 && found[0].Value != "" {
			c = credential{source: sourceCookie, raw: found[0].Value, name: name}
		}
	}
	return c, ""
}

// queryTokens reads a token from the query, where that risk was accepted.
func (x *exchange) queryTokens() (c credential, reason string) {
	values, err := url.ParseQuery(x.path.query)
	if err != nil {
		return c, "query cannot be parsed"
	}
	for _, name := range x.policy.sources.query {
		v := values[name]
		if len(v) > 1 || len(v) == 1 && c.source != sourceNone {
			return c, "more than one token in the query"
		}
		if len(v) == 1 && v[0] != "" {
			c = credential{source: sourceQuery, raw: v[0], name: name}
		}
	}
	return c, ""
}

// queryToken returns the name of a query parameter that carries a token:
// access_token and the configured names with any value, the other usual names
// with something of JWT shape.
func queryToken(query string, configured []string) string {
	for rest, more := query, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		if strings.IndexByte(name, '%') >= 0 || strings.IndexByte(name, '+') >= 0 {
			if n, err := url.QueryUnescape(name); err == nil {
				name = n
			}
		}
		folded := lower(name)
		if !queryTokenNames[folded] && !slices.Contains(configured, name) || value == "" {
			continue
		}
		if folded == "access_token" || slices.Contains(configured, name) || looksLikeJWT(value) {
			return name
		}
	}
	return ""
}

// looksLikeJWT recognises the beginning that every JSON object in base64url has.
func looksLikeJWT(s string) bool {
	return strings.HasPrefix(s, "eyJ") && strings.Count(s, ".") >= 2
}

// hasCredential reports whether a plain-HTTP request carried any secret at
// all, and the tokens among them. Whatever it carries is lost already.
func (p *policy) hasCredential(r *http.Request) (tokens []string, found bool) {
	for _, a := range r.Header["Authorization"] {
		found = true
		scheme, rest := cutScheme(a)
		if strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "DPoP") {
			for t := range strings.SplitSeq(rest, ",") {
				tokens = append(tokens, textproto.TrimString(t))
			}
		}
	}
	for name, values := range r.Header {
		if name == "Authorization" || name == "Cookie" {
			continue
		}
		for _, v := range values {
			if name == "Proxy-Authorization" || looksLikeJWT(v) {
				found = true
				tokens = append(tokens, v)
			}
		}
	}
	for _, c := range r.Cookies() {
		switch {
		case slices.Contains(p.sources.cookie, c.Name), ownCookies[c.Name], looksLikeJWT(c.Value):
			found = true
			tokens = append(tokens, c.Value)
		}
	}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		_, value, _ := strings.Cut(pair, "=")
		if queryToken(pair, p.sources.query) == "" && !looksLikeJWT(value) {
			continue
		}
		found = true
		if v, err := url.QueryUnescape(value); err == nil {
			tokens = append(tokens, v)
		}
	}
	if len(tokens) > 8 {
		tokens = tokens[:8]
	}
	return tokens, found
}
