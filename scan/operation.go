package scan

import (
	"context"
	"fmt"
	"net/http"
)

// Operation is a method and a path of the API.
type Operation struct {
	// Method is in upper case.
	Method string
	// Path is as the description has it, perhaps with {parameters}.
	Path string
	// URL is what to call: absolute, with plausible values for path parameters
	// and for query parameters that are required.
	URL string
	// Secured says that the description demands a credential, or that the user
	// named the path as protected.
	Secured bool
	// Scopes are those that the description demands.
	Scopes []string
	// Schemes names the security schemes that the description lists for it.
	Schemes []string
	// FromSpec says that the API's description has it.
	FromSpec bool
	// Guessed says that values had to be made up: a 404 or a 422 says little.
	Guessed bool
}

// Safe tells whether calling the operation changes nothing by HTTP's rules:
// GET, HEAD and OPTIONS (RFC 9110 §9.2.1). Others are called only by a scan that
// is Intrusive.
func (o Operation) Safe() bool {
	return o.Method == "GET" || o.Method == "HEAD" || o.Method == "OPTIONS"
}

// Request is a request for the operation without any credential.
func (o Operation) Request() Request { return Request{Method: o.Method, URL: o.URL} }

// Protected is an operation with its baselines: what the API answers to no
// credential, to bad ones, and to the genuine token. Where Eligible is false,
// the answers do not tell acceptance from refusal, and Reason says why.
type Protected struct {
	Operation
	// Cookie is the name of the cookie that carries the token. Empty: the
	// Authorization header does, as Bearer.
	Cookie string
	// Companion is a Cookie header that has to go along with the token, as when
	// the token is bound to it. Empty: none.
	Companion string
	// B0 is the answer without a credential; Bg with garbage; Br with the genuine
	// header and payload under a random signature; Bv and Bv2 with the genuine
	// token. Those that were not asked for are nil: Bg, Br, Bv and Bv2 where
	// there is no token that may be sent.
	B0, Bg, Br, Bv, Bv2 *Response
	// Eligible says that the answer to the genuine token can be told from the
	// others, and is stable.
	Eligible bool
	// Reason says why it is not.
	Reason string

	// markers are words of the genuine answers that no refusal has. They decide
	// where a refusal has the same class.
	markers []string
}

// Request is a request for the operation with token as its credential. An empty
// token: without any.
func (p Protected) Request(token string) Request {
	r := p.Operation.Request()
	switch {
	case token == "":
		return r
	case p.Cookie != "":
		r.Header = http.Header{"Cookie": {p.Cookie + "=" + token}}
		if p.Companion != "" {
			r.Header["Cookie"][0] += "; " + p.Companion
		}
		return r
	}
	r.Header = http.Header{"Authorization": {"Bearer " + token}}
	if p.Companion != "" {
		r.Header["Cookie"] = []string{p.Companion}
	}
	return r
}

// Genuine tells whether an answer is that to the genuine token, by its class and,
// where that does not decide, by the words that only such answers have. It is
// false wherever p is not Eligible.
func (p Protected) Genuine(r *Response) bool {
	if !p.Eligible || !r.OK() || !p.alike(r) {
		return false
	}
	if len(p.markers) == 0 {
		return true
	}
	have := words(r.Body)
	for _, m := range p.markers {
		if have[m] {
			return true
		}
	}
	return false
}

// alike compares classes. Text that changes from one genuine answer to the next
// decides nothing.
func (p Protected) alike(r *Response) bool {
	if p.Bv.Class == p.Bv2.Class {
		return r.Class == p.Bv.Class
	}
	return r.Class.Status == p.Bv.Class.Status && r.Class.Media == p.Bv.Class.Media
}

// Operations are those of the description and those that the user named, in a
// stable order. Operations that are not Safe are among them, and are to be called
// only if Config().Intrusive.
func (t *Target) Operations() []Operation { return t.surface.operations }

// Protected are the operations whose baselines are eligible for the oracle, at
// most three. It is empty where there is no token; Unprotected says why.
func (t *Target) Protected() []Protected { return t.surface.protected }

// Unprotected says why Protected is empty, for Skip or Unsure.
func (t *Target) Unprotected() string { return t.surface.unprotected }

// Baseline asks for an operation's baselines, once in a scan. Only safe
// operations have any; others are an error, unless the scan is intrusive.
func (t *Target) Baseline(ctx context.Context, o Operation) (Protected, error) {
	if !o.Safe() && !t.config.Intrusive {
		return Protected{}, fmt.Errorf("%s may change something and is called only with --intrusive: %w", o.Method, ErrAbsent)
	}
	return Memo(t, "baseline "+o.Method+" "+o.URL, func() (Protected, error) { return t.measure(t.life, o) })
}
