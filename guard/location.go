package guard

import (
	"net/http"
	"net/url"
	"strings"
)

// guardLocations turns redirects to our own hosts over plain HTTP into https
// and refuses to hand out any other way down from TLS.
func (a *answer) guardLocations(h http.Header) (reason string) {
	for _, name := range []string{"Location", "Content-Location"} {
		for i, v := range h[name] {
			safe, ok := a.x.upgraded(v)
			if !ok {
				return "the answer's " + name + " leads from https to " + quoted(v)
			}
			h[name][i] = safe
		}
	}
	for i, v := range h["Refresh"] {
		start, end := refreshTarget(v)
		safe, ok := a.x.upgraded(v[start:end])
		if !ok {
			return "the answer's Refresh leads from https to " + quoted(v[start:end])
		}
		h["Refresh"][i] = v[:start] + safe + v[end:]
	}
	return ""
}

// refreshTarget finds the URL in a Refresh header as browsers do (HTML,
// shared declarative refresh steps): the word url and quotes are optional.
func refreshTarget(v string) (start, end int) {
	skip := func(i int, these string) int {
		for i < len(v) && strings.IndexByte(these, v[i]) >= 0 {
			i++
		}
		return i
	}
	const blank = " \t\n\f\r"
	i := skip(skip(0, blank), "0123456789.")
	i = skip(i, blank)
	if i < len(v) && (v[i] == ';' || v[i] == ',') {
		i++
	}
	i = skip(i, blank)
	if len(v)-i >= 3 && strings.EqualFold(v[i:i+3], "url") {
		if j := skip(i+3, blank); j < len(v) && v[j] == '=' {
			i = skip(j+1, blank)
		}
	}
	if i < len(v) && (v[i] == '"' || v[i] == '\'') {
		if n := strings.IndexByte(v[i+1:], v[i]); n >= 0 {
			return i + 1, i + 1 + n
		}
		i++
	}
	return i, len(v)
}

// upgraded returns a target that is safe to follow.
func (x *exchange) upgraded(target string) (string, bool) {
	folded := foldURL(target)
	scheme, rest, hasScheme := strings.Cut(folded, ":")
	if !hasScheme || strings.ContainsAny(scheme, "/?#") {
		return target, true // relative
	}
	scheme = strings.ToLower(scheme)
	safe := scheme
	switch scheme {
	case "http":
		safe = "https"
	case "ws":
		safe = "wss"
	case "https", "wss":
	case "ftp":
		return "", false
	default:
		return target, true
	}
	u, err := url.Parse(scheme + "://" + strings.TrimLeft(rest, "/"))
	if err != nil || u.Host == "" {
		return target, safe == scheme
	}
	u.Scheme = safe
	if x.isUpstream(u.Host, scheme) {
		u.Host = x.r.Host // the upstream named itself
		return u.String(), true
	}
	if safe == scheme {
		return target, true
	}
	name, ok := x.policy.hosts.allowsName(u.Host)
	if !ok {
		return "", false
	}
	own, _, _ := splitHost(lower(x.r.Host))
	switch {
	case name == own:
		u.Host = x.r.Host // our own port is the one that speaks TLS
	case u.Port() == "80" || u.Port() == "":
		u.Host = bracketed(name) + x.policy.redirectPort
	}
	return u.String(), true
}

// foldURL writes a target as browsers read it: they drop tabs and newlines
// anywhere and blanks at the ends, and before the query they take a backslash
// for a slash.
func foldURL(target string) string {
	target = strings.TrimFunc(target, func(r rune) bool { return r <= ' ' })
	folded := make([]byte, 0, len(target))
	query := false
	for i := range len(target) {
		switch b := target[i]; {
		case b == '\t' || b == '\n' || b == '\r':
		case b == '\\' && !query:
			folded = append(folded, '/')
		default:
			query = query || b == '?' || b == '#'
			folded = append(folded, b)
		}
	}
	return string(folded)
}

// isUpstream reports whether a host is the upstream's own address.
func (x *exchange) isUpstream(host, scheme string) bool {
	if x.route == nil || x.route.upstream == nil {
		return false
	}
	up := x.route.upstream
	if name, port, ok := splitHost(lower(up.host)); ok && port == "" {
		// Without a port both stand for the one of their scheme.
		n, p, ok := splitHost(lower(host))
		return ok && n == name && (p == "" && secureScheme(scheme) == secureScheme(up.scheme) || p == defaultPort(up.scheme))
	}
	return strings.EqualFold(host, up.host) || strings.EqualFold(host+":"+defaultPort(scheme), up.host)
}

func secureScheme(scheme string) bool { return scheme == "https" || scheme == "wss" }

func defaultPort(scheme string) string {
	if secureScheme(scheme) {
		return "443"
	}
	return "80"
}

func bracketed(name string) string {
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}

// readableCookies are double-submit cookies, which scripts must read to copy.
var readableCookies = set("csrftoken", "xsrf-token", "csrf_token", "_csrf_token")

// guardCookies hardens each Set-Cookie: Secure, HttpOnly and SameSite are
// there afterwards. SameSite=None stays when the upstream asks for it.
func (a *answer) guardCookies(h http.Header) {
	kept := h["Set-Cookie"][:0]
	for _, line := range h["Set-Cookie"] {
		pair, attributes, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		name = trimBlanks(name)
		if name == "" {
			// Browsers send a cookie without a name as its value alone, which
			// servers read as a name and a value.
			name, _, _ = strings.Cut(trimBlanks(value), "=")
		}
		if a.x.local == nil && isOwnCookie(name) {
			continue
		}
		kept = append(kept, hardenCookie(pair, attributes, readableCookies[strings.ToLower(name)]))
	}
	if len(kept) == 0 {
		delete(h, "Set-Cookie")
		return
	}
	h["Set-Cookie"] = kept
}

// isOwnCookie reports the guard's own cookies. Browsers look at the prefix
// without regard to case, and some servers at the whole name.
func isOwnCookie(name string) bool {
	for own := range ownCookies {
		if strings.EqualFold(name, own) {
			return true
		}
	}
	return false
}

// trimBlanks trims what browsers trim, and no other kind of space: to them
// Secure with a no-break space is another attribute.
func trimBlanks(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func hardenCookie(pair, attributes string, readable bool) string {
	out := []string{trimBlanks(pair)}
	secure, httpOnly, sameSite := false, false, ""
	for attribute := range strings.SplitSeq(attributes, ";") {
		attribute = trimBlanks(attribute)
		name, value, _ := strings.Cut(attribute, "=")
		switch strings.ToLower(trimBlanks(name)) {
		case "":
			continue
		case "secure":
			secure = true
		case "httponly":
			httpOnly = true
		case "samesite":
			switch v := strings.ToLower(trimBlanks(value)); v {
			case "strict", "lax", "none":
				sameSite = strings.ToUpper(v[:1]) + v[1:]
			}
			continue // written below
		}
		out = append(out, attribute)
	}
	if !secure {
		out = append(out, "Secure")
	}
	if !httpOnly && !readable {
		out = append(out, "HttpOnly")
	}
	if sameSite == "" {
		sameSite = "Lax"
	}
	return strings.Join(append(out, "SameSite="+sameSite), "; ")
}
