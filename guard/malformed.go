package guard

import "net/http"

// What is no request never reaches the rules. Nothing opens these.
var (
	kindMalformed       = &refusalKind{name: "invalid-request", status: 400, detail: "Invalid request", close: true}
	kindHeaderTooLarge  = &refusalKind{name: "header-too-large", status: 431, detail: "Header too large", close: true}
	kindNotImplemented  = &refusalKind{name: "not-implemented", status: 501, detail: "Not implemented", close: true}
	kindExpectation     = &refusalKind{name: "expectation-failed", status: 417, detail: "Expectation failed", close: true}
	kindVersionNotKnown = &refusalKind{name: "version-not-supported", status: 505, detail: "HTTP version not supported", close: true}
)

// Malformed answers, logs and counts what a server could not read as a request:
// status is one of 400, 417, 431, 501 and 505, any other counts as 400, and reason is
// for the log. Of r only the peer is looked at, and the Host, which r has only
// if that is what is wrong.
func (g *Guard) Malformed(w http.ResponseWriter, r *http.Request, status int, reason string) {
	x := &exchange{guard: g, policy: g.policy.Load(), r: r, now: g.now(), id: newRequestID(), peer: peerAddr(r)}
	x.client = x.peer
	x.answer.init(x, w)
	x.answer.inClear = r.TLS == nil
	x.w = &x.answer
	defer x.finish()
	f := &refusal{rule: RuleHeaders, kind: kindMalformed, reason: reason}
	for _, k := range []*refusalKind{kindHeaderTooLarge, kindExpectation, kindNotImplemented, kindVersionNotKnown} {
		if k.status == status {
			f.kind = k
		}
	}
	if r.Host != "" {
		f.rule, f.kind, f.close = RuleHost, kindHostUnknown, true
	}
	x.answer.refused = f
	f.write(x.w, r.Method, x.id)
}
