package guard

import (
	"net/http"
	"strconv"
	"time"
)

// refusal is a rule's no. The client learns status and detail; rule and reason
// go to the log alone.
type refusal struct {
	rule   Rule
	reason string
	kind   *refusalKind
	final  bool // stands even where its rule is only observed
	close  bool // the connection is of no more use
	forged bool // by a signature that the issuer's key did not make

	scopes     string        // for Insufficient scope
	allow      string        // for Method not allowed
	retryAfter time.Duration // for Too many requests and Temporarily unavailable
	location   string        // for the redirect to https
	dpop       dpopChallenge
}

// dpopChallenge says what the client should know about proofs.
type dpopChallenge struct {
	show  bool   // add a DPoP challenge
	error string // its error code, if any
	nonce string // a nonce to use from now on
}

// refusalKind is one row of the table of refusals.
type refusalKind struct {
	name   string // last part of the problem's type
	status int
	detail string
	error  string // RFC 6750 §3.1; empty: none
	bearer bool   // answer has WWW-Authenticate
	close  bool   // the connection is of no more use
}

// The table of refusals. Details are stable: clients may compare them.
var (
	kindRedirect         = &refusalKind{name: "https-required", status: 308, detail: "HTTPS required"}
	kindHTTPSRequired    = &refusalKind{name: "https-required", status: 403, detail: "HTTPS required", close: true}
	kindHostUnknown      = &refusalKind{name: "host-not-allowed", status: 400, detail: "Host not allowed"}
	kindHostMisdirected  = &refusalKind{name: "host-not-allowed", status: 421, detail: "Host not allowed"}
	kindInvalidRequest   = &refusalKind{name: "invalid-request", status: 400, detail: "Invalid request"}
	kindTwoCredentials   = &refusalKind{name: "invalid-request", status: 400, detail: "Invalid request", bearer: true, error: "invalid_request"}
	kindNotAuthenticated = &refusalKind{name: "not-authenticated", status: 401, detail: "Not authenticated", bearer: true}
	kindExpired          = &refusalKind{name: "token-expired", status: 401, detail: "Token expired", bearer: true, error: "invalid_token"}
	kindInvalidToken     = &refusalKind{name: "invalid-token", status: 401, detail: "Invalid token", bearer: true, error: "invalid_token"}
	kindScope            = &refusalKind{name: "insufficient-scope", status: 403, detail: "Insufficient scope", bearer: true, error: "insufficient_scope"}
	kindCrossSite        = &refusalKind{name: "cross-site-request", status: 403, detail: "Cross-site request"}
	kindPreflight        = &refusalKind{name: "origin-not-allowed", status: 403, detail: "Origin not allowed"}
	kindAsker            = &refusalKind{name: "proxy-not-trusted", status: 403, detail: "Proxy not trusted"}
	kindNotFound         = &refusalKind{name: "not-found", status: 404, detail: "Not found"}
	kindMethod           = &refusalKind{name: "method-not-allowed", status: 405, detail: "Method not allowed"}
	kindRequestTimeout   = &refusalKind{name: "request-timeout", status: 408, detail: "Request timeout", close: true}
	kindTooLarge         = &refusalKind{name: "content-too-large", status: 413, detail: "Content too large", close: true}
	kindTooMany          = &refusalKind{name: "too-many-requests", status: 429, detail: "Too many requests"}
	kindBadGateway       = &refusalKind{name: "bad-gateway", status: 502, detail: "Bad gateway"}
	kindUnavailable      = &refusalKind{name: "temporarily-unavailable", status: 503, detail: "Temporarily unavailable"}
	kindGatewayTimeout   = &refusalKind{name: "gateway-timeout", status: 504, detail: "Gateway timeout"}
)

// problem is the body of a refusal (RFC 9457). The table above and request ids,
// which are hexadecimal, hold nothing that JSON would escape.
func (k *refusalKind) problem(id string) []byte {
	b := make([]byte, 0, 256)
	b = append(b, `{"type":"urn:wiretight:problem:`...)
	b = append(b, k.name...)
	b = append(b, `","title":"`...)
	b = append(b, http.StatusText(k.status)...)
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(k.status), 10)
	b = append(b, `,"detail":"`...)
	b = append(b, k.detail...)
	b = append(b, `","request_id":"`...)
	b = append(b, id...)
	return append(b, `"}`...)
}

// write answers with the refusal. It is the only place that does.
func (f *refusal) write(w http.ResponseWriter, method, id string) {
	h := w.Header()
	h["Content-Type"] = []string{"application/problem+json"}
	h["Cache-Control"] = []string{"no-store"}
	if f.kind.bearer {
		h["Www-Authenticate"] = []string{f.challenge()}
	}
	if f.dpop.show {
		h["Www-Authenticate"] = append(h["Www-Authenticate"], f.dpopChallenge())
	}
	if f.dpop.nonce != "" {
		h.Set("DPoP-Nonce", f.dpop.nonce)
	}
	if f.allow != "" {
		h.Set("Allow", f.allow)
	}
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((f.retryAfter+time.Second-1)/time.Second)))
	}
	if f.location != "" {
		h.Set("Location", f.location)
	}
	if f.close || f.kind.close {
		h.Set("Connection", "close")
	}
	body := f.kind.problem(id)
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(f.kind.status)
	if method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone: nobody left to tell
	}
}

// challenge is the Bearer challenge of RFC 6750 §3.
func (f *refusal) challenge() string {
	switch {
	case f.kind.error == "":
		return "Bearer"
	case f.scopes != "":
		return `Bearer error="` + f.kind.error + `", scope="` + f.scopes + `"`
	}
	return `Bearer error="` + f.kind.error + `"`
}

// dpopChallenge is the DPoP challenge of RFC 9449 §7.1.
func (f *refusal) dpopChallenge() string {
	s := "DPoP "
	if f.dpop.error != "" {
		s += `error="` + f.dpop.error + `", `
	}
	return s + `algs="ES256 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512 EdDSA"`
}
