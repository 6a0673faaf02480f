package guard

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// corsPolicy is a CORS configuration made ready: origins are compared byte for
// byte, and every header value is joined once.
type corsPolicy struct {
	origins     map[string]bool
	any         bool // accepted risk cors.wildcard
	credentials bool
	methods     []string
	headers     map[string]bool // lower case
	allowed     string          // Access-Control-Allow-Methods
	exposed     []string        // Access-Control-Expose-Headers, one value or none
	maxAge      string
}

// Values that every answer shares. Nothing writes into them.
var (
	valueTrue   = []string{"true"}
	valueOrigin = []string{"Origin"}
)

func newCORSPolicy(c *CORS) *corsPolicy {
	if c == nil {
		return nil
	}
	p := &corsPolicy{origins: map[string]bool{}, headers: map[string]bool{}, credentials: c.Credentials, methods: slices.Clone(c.Methods)}
	for _, o := range c.Origins {
		if o == "*" {
			p.any = true
			continue
		}
		p.origins[o] = true
	}
	if len(p.methods) == 0 {
		p.methods = []string{http.MethodGet, http.MethodHead, http.MethodPost}
	}
	for _, h := range c.RequestHeaders {
		p.headers[strings.ToLower(h)] = true
	}
	p.allowed = strings.Join(p.methods, ", ")
	if len(c.ResponseHeaders) > 0 {
		p.exposed = []string{strings.Join(c.ResponseHeaders, ", ")}
	}
	if c.MaxAge > 0 {
		p.maxAge = strconv.Itoa(int(c.MaxAge / time.Second))
	}
	return p
}

// allows reports whether the one Origin header of a request is allowed.
func (p *corsPolicy) allows(origin string) bool {
	return p != nil && (p.origins[origin] || p.any && origin != "null")
}

// checkCORS recognises the origin, and answers preflights, which carry no
// token and never reach the upstream.
func checkCORS(x *exchange) *refusal {
	origins := x.r.Header["Origin"]
	if len(origins) > 1 {
		return &refusal{rule: RuleCORS, kind: kindInvalidRequest, reason: "more than one Origin"}
	}
	if len(origins) == 0 {
		return nil
	}
	if x.policy.cors.allows(origins[0]) {
		x.origin = origins[0]
	}
	if x.r.Method != http.MethodOptions || len(x.r.Header["Access-Control-Request-Method"]) == 0 {
		return nil
	}
	if reason := x.preflight(); reason != "" {
		x.origin = "" // no CORS header on a refused preflight
		return &refusal{rule: RuleCORS, kind: kindPreflight, reason: reason}
	}
	return nil
}

// preflight answers an allowed preflight, or says why it is not.
func (x *exchange) preflight() string {
	p := x.policy.cors
	if p == nil {
		return "preflight, but cors is not configured"
	}
	if x.origin == "" {
		return "origin " + quoted(x.r.Header.Get("Origin")) + " is not one of cors.origins"
	}
	methods := x.r.Header["Access-Control-Request-Method"]
	if len(methods) != 1 || !slices.Contains(p.methods, methods[0]) {
		return "method " + quoted(strings.Join(methods, ",")) + " is not one of cors.methods"
	}
	var asked []string
	for _, line := range x.r.Header["Access-Control-Request-Headers"] {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.ToLower(textproto.TrimString(name))
			if name == "" {
				continue
			}
			if !p.headers[name] || len(asked) == 64 {
				return "header " + quoted(name) + " is not one of cors.request_headers"
			}
			asked = append(asked, name)
		}
	}
	h := x.w.Header()
	h.Set("Access-Control-Allow-Methods", p.allowed)
	if len(asked) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
	}
	if p.maxAge != "" {
		h.Set("Access-Control-Max-Age", p.maxAge)
	}
	h.Set("Content-Length", "0")
	x.preflighted = true
	return ""
}

// foreignCORS reports the CORS headers of an answer that are not the guard's.
func (x *exchange) foreignCORS(name string) bool {
	return strings.HasPrefix(name, "Access-Control-") && !x.preflighted
}

// dropCORS removes whatever the upstream thought about other origins.
func (x *exchange) dropCORS(h http.Header) {
	for name := range h {
		if x.foreignCORS(name) {
			delete(h, name)
		}
	}
}

// setCORS puts the headers that let an allowed origin read the answer.
func (x *exchange) setCORS(h http.Header) {
	p := x.policy.cors
	if p == nil {
		return
	}
	if _, varies := h["Vary"]; varies {
		addVary(h, "Origin")
	} else {
		h["Vary"] = valueOrigin[:1:1] // appending to it makes a copy
	}
	if x.preflighted {
		addVary(h, "Access-Control-Request-Method")
		addVary(h, "Access-Control-Request-Headers")
	}
	if x.origin == "" {
		return
	}
	if p.any && !p.credentials && !p.origins[x.origin] {
		h["Access-Control-Allow-Origin"] = []string{"*"}
	} else {
		h["Access-Control-Allow-Origin"] = x.one(x.origin)
	}
	if p.credentials {
		h["Access-Control-Allow-Credentials"] = valueTrue
	}
	if p.exposed != nil && !x.preflighted {
		h["Access-Control-Expose-Headers"] = p.exposed
	}
}

// addVary adds name to Vary unless it is there.
func addVary(h http.Header, name string) {
	for _, line := range h["Vary"] {
		for v := range strings.SplitSeq(line, ",") {
			if v = textproto.TrimString(v); v == "*" || strings.EqualFold(v, name) {
				return
			}
		}
	}
	h["Vary"] = append(h["Vary"], name)
}
