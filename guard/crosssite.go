package guard

import (
	"net/http"
	"net/url"
	"strings"
)

// checkCrossSite refuses requests that another site made the browser send with
// a cookie as their credential: unsafe methods and WebSocket handshakes, which
// no same-origin policy holds back. A request that carries neither Origin nor
// Sec-Fetch-Site does not come from a browser of this decade and passes.
func checkCrossSite(x *exchange) *refusal {
	if x.local == nil && x.credential.source != sourceCookie {
		return nil
	}
	if safeMethod(x.r.Method) && !isWebSocket(x.r) {
		return nil
	}
	if reason := x.crossSite(); reason != "" {
		return &refusal{rule: RuleCrossSite, kind: kindCrossSite, reason: reason}
	}
	return nil
}

// crossSite says why a request is taken for another site's, or nothing.
func (x *exchange) crossSite() string {
	if x.origin != "" && x.policy.cors.credentials {
		return "" // cors: names this origin and allows it credentials
	}
	if site := x.r.Header["Sec-Fetch-Site"]; len(site) > 0 {
		// Sec-Fetch-Site cannot be set by script; same-site alone does not do:
		// a neighbour on the same registrable domain is another origin.
		if len(site) == 1 && (site[0] == "same-origin" || site[0] == "none") {
			return x.foreignOrigin()
		}
		return "Sec-Fetch-Site is " + quoted(strings.Join(site, ","))
	}
	return x.foreignOrigin()
}

// foreignOrigin compares Origin, where there is one, with the request's host.
func (x *exchange) foreignOrigin() string {
	origin := x.r.Header.Get("Origin")
	if origin == "" {
		return ""
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Host, x.r.Host) {
		return "origin " + quoted(origin) + " is not this host"
	}
	return ""
}

func safeMethod(m string) bool {
	return m == http.MethodGet || m == http.MethodHead || m == http.MethodOptions
}

func isWebSocket(r *http.Request) bool {
	up := r.Header["Upgrade"]
	return len(up) == 1 && strings.EqualFold(up[0], "websocket")
}
