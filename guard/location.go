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
		delay, target, ok := strings.Cut(v, "=")
		if !ok {
			continue
		}
		safe, ok := a.x.upgraded(strings.Trim(target, ` "'`))
		if !ok {
			return "the answer's Refresh leads from https to " + quoted(target)
		}
		h["Refresh"][i] = delay + "=" + safe
	}
	return ""
}

// upgraded returns a target that is safe to follow.
func (x *exchange) upgraded(target string) (string, bool) {
	// Browsers drop tabs and newlines anywhere and spaces at the ends, and take
	// a backslash for a slash.
	folded := strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return -1
		case r == '\\':
			return '/'
		}
		return r
	}, strings.Trim(target, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f "))
	scheme, rest, hasScheme := strings.Cut(folded, ":")
	if !hasScheme || strings.ContainsAny(scheme, "/?#") {
		return target, true // relative
	}
	var safe string
	switch strings.ToLower(scheme) {
	case "http":
		safe = "https"
	case "ws":
		safe = "wss"
	case "ftp":
		return "", false
	default:
		return target, true
	}
	u, err := url.Parse(scheme + "://" + strings.TrimLeft(rest, "/"))
	if err != nil || u.Host == "" {
		return "", false
	}
	u.Scheme = safe
	if up := x.upstreamHost(); up != "" && strings.EqualFold(u.Host, up) {
		u.Host = x.r.Host // the upstream named itself
		return u.String(), true
	}
	name, ok := x.policy.hosts.allows(u.Host)
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

func (x *exchange) upstreamHost() string {
	if x.route == nil || x.route.upstream == nil {
		return ""
	}
	return x.route.upstream.host
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
		name, _, _ := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		if a.x.local == nil && ownCookies[name] {
			continue // the guard's own
		}
		kept = append(kept, hardenCookie(pair, attributes, readableCookies[strings.ToLower(name)]))
	}
	if len(kept) == 0 {
		delete(h, "Set-Cookie")
		return
	}
	h["Set-Cookie"] = kept
}

func hardenCookie(pair, attributes string, readable bool) string {
	out := []string{strings.TrimSpace(pair)}
	secure, httpOnly, sameSite := false, false, ""
	for attribute := range strings.SplitSeq(attributes, ";") {
		attribute = strings.TrimSpace(attribute)
		name, value, _ := strings.Cut(attribute, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "":
			continue
		case "secure":
			secure = true
		case "httponly":
			httpOnly = true
		case "samesite":
			switch v := strings.ToLower(strings.TrimSpace(value)); v {
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
