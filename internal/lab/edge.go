package lab

import (
	"net/http"
	"net/textproto"
	"path"
	"strings"
)

// banner tells what runs here, as servers do that were not told not to.
func (l *Lab) banner(h http.Header) {
	switch {
	case l.has[VulnerableVersion]:
		h.Set("Server", "Werkzeug/2.0.1 Python/3.9.5")
	case l.has[ServerVersion]:
		h.Set("Server", "labserver/1.4.2")
	}
	if l.has[ServerVersion] {
		h.Set("X-Powered-By", "labframework/0.92.0")
	}
	h.Set("X-Content-Type-Options", "nosniff")
}

// hsts is Strict-Transport-Security, which means something over TLS only.
func (l *Lab) hsts(h http.Header, r *http.Request) {
	switch {
	case !l.secure(r), l.has[NoHSTS]:
	case l.has[WeakHSTS]:
		h.Set("Strict-Transport-Security", "max-age=300")
	default:
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
}

// secure reports whether the request came over TLS, or says so and is believed.
func (l *Lab) secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	if !l.o.BehindProxy && !l.has[ForwardedProtoTrusted] {
		return false
	}
	return strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") ||
		l.has[ForwardedProtoTrusted] && (strings.Contains(strings.ToLower(r.Header.Get("Forwarded")), "proto=https") ||
			strings.EqualFold(r.Header.Get("X-Forwarded-Ssl"), "on") || strings.EqualFold(r.Header.Get("X-Forwarded-Scheme"), "https") ||
			strings.EqualFold(r.Header.Get("Front-End-Https"), "on"))
}

// refusePlain answers requests that came in clear: safe ones without a
// credential are sent to https, all others are refused.
func (l *Lab) refusePlain(w http.ResponseWriter, r *http.Request) bool {
	credential := r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || queryToken(r) != ""
	login := r.URL.Path == "/login" || r.URL.Path == "/token" || r.URL.Path == "/refresh"
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case l.secure(r), l.has[NoTLS]:
		return false
	case l.has[TokenOverHTTP] && (credential || login):
		return false
	case l.has[WebSocketCleartext] && r.URL.Path == "/ws":
		return false
	case l.has[NoHTTPSRedirect] && safe && !credential:
		l.answer(w, http.StatusOK, map[string]string{"detail": "use https"})
	case safe && !credential:
		w.Header().Set("Location", "https://"+r.Host+r.URL.RequestURI())
		w.WriteHeader(http.StatusPermanentRedirect)
	default:
		w.Header().Set("Connection", "close")
		l.fail(w, r, http.StatusForbidden, "HTTPS required")
	}
	return true
}

// slashRedirect takes a slash away from the end of a path, as frameworks do.
// They make an absolute URL of what they believe their own address to be.
func (l *Lab) slashRedirect(w http.ResponseWriter, r *http.Request) bool {
	trimmed := strings.TrimRight(r.URL.Path, "/")
	if trimmed == "" || trimmed == r.URL.Path || strings.Contains(r.URL.Path, "//") {
		return false
	}
	location := trimmed
	if r.URL.RawQuery != "" {
		location += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", l.absolute(r)+location)
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true
}

// absolute is scheme and host for a Location, or nothing where a relative one
// does.
func (l *Lab) absolute(r *http.Request) string {
	if !l.has[HostReflected] && !l.has[RedirectDowngrade] {
		return ""
	}
	host := r.Host
	if forwarded := r.Header.Get("X-Forwarded-Host"); forwarded != "" && l.has[HostReflected] {
		host = forwarded
	}
	if l.secure(r) && !l.has[RedirectDowngrade] {
		return "https://" + host
	}
	return "http://" + host
}

// laxPath reports whether doubtful paths are cleaned instead of refused.
func (l *Lab) laxPath(*http.Request) bool { return l.has[LaxPath] }

// ambiguous reports paths that servers read differently.
func ambiguous(r *http.Request) bool {
	raw := strings.ToLower(r.URL.EscapedPath())
	return strings.ContainsAny(raw, `\;`) || strings.Contains(raw, "//") || strings.Contains(raw, "%2f") ||
		strings.Contains(raw, "%5c") || strings.Contains(raw, "%00") || strings.Contains(raw, "%25") ||
		cleanPath(r.URL.Path) != r.URL.Path
}

func cleanPath(p string) string {
	p = strings.ReplaceAll(p, `\`, "/")
	if i := strings.IndexByte(p, ';'); i >= 0 { // path parameters, as in Java
		rest := p[i:]
		p = p[:i]
		if j := strings.IndexByte(rest, '/'); j >= 0 {
			p += rest[j:]
		}
	}
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// cors answers preflights and lets origins read answers. It is not meant to be
// understood, only to be wrong in the ways that are asked for.
func (l *Lab) cors(w http.ResponseWriter, r *http.Request) (answered bool) {
	h := w.Header()
	origin := r.Header.Get("Origin")
	if !l.has[CORSMissingVary] {
		h.Add("Vary", "Origin")
	}
	allow, credentials := l.allowedOrigin(origin)
	if allow != "" {
		h.Set("Access-Control-Allow-Origin", allow)
		if credentials {
			h.Set("Access-Control-Allow-Credentials", "true")
		}
	}
	asked := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || asked == "" {
		return false
	}
	headers := r.Header.Get("Access-Control-Request-Headers")
	switch {
	case allow == "":
		w.WriteHeader(http.StatusForbidden)
		return true
	case l.has[CORSBroadMethods]:
	case !plainRequest(asked, headers):
		h.Del("Access-Control-Allow-Origin")
		h.Del("Access-Control-Allow-Credentials")
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	h.Set("Access-Control-Allow-Methods", asked)
	if headers != "" {
		h.Set("Access-Control-Allow-Headers", headers)
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

func (l *Lab) allowedOrigin(origin string) (allow string, credentials bool) {
	switch {
	case origin == "":
		if l.has[CORSWildcard] && !l.has[CORSReflectedOrigin] {
			return "*", false
		}
		return "", false
	case origin == l.o.Origin:
		return origin, true
	case origin == "null":
		if l.has[CORSNullOrigin] {
			return "null", true
		}
	case l.has[CORSReflectedOrigin]:
		return origin, true
	case l.has[CORSWeakOriginMatch] && l.resembles(origin):
		return origin, true
	}
	if l.has[CORSWildcard] {
		return "*", false
	}
	return "", false
}

// resembles is the comparison that prefixes, suffixes, a scheme less secure and
// a dot that was not escaped all pass.
func (l *Lab) resembles(origin string) bool {
	host := strings.TrimPrefix(l.o.Origin, "https://")
	_, other, _ := strings.Cut(origin, "://")
	return strings.HasPrefix(origin, l.o.Origin) || strings.HasSuffix(other, host) || anyDot(host, other)
}

// anyDot compares as a regular expression does in which the dots of want were
// not escaped.
func anyDot(want, got string) bool {
	if len(want) != len(got) {
		return false
	}
	for i := range len(want) {
		if want[i] != got[i] && want[i] != '.' {
			return false
		}
	}
	return true
}

func plainRequest(method, headers string) bool {
	if method != http.MethodGet && method != http.MethodPost {
		return false
	}
	for name := range strings.SplitSeq(headers, ",") {
		switch strings.ToLower(textproto.TrimString(name)) {
		case "", "authorization", "content-type":
		default:
			return false
		}
	}
	return true
}
