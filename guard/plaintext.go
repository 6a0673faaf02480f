package guard

import (
	"net/http"
	"time"
)

// Plaintext is the handler of the plain HTTP listener. It never proxies:
// a safe request without any credential is sent to https; everything else is
// refused, and a valid token that came this way is burnt, because whoever
// listened has it too.
func (g *Guard) Plaintext() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := g.policy.Load()
		x := &exchange{guard: g, policy: p, r: r, now: g.now(), id: newRequestID(), peer: peerAddr(r)}
		x.client = x.peer
		x.route = &route{label: "plaintext"}
		f := g.plaintext(p, r, x.now)
		h := w.Header()
		h.Set("X-Request-Id", x.id)
		h.Set("X-Content-Type-Options", "nosniff")
		x.answer.init(x, w)
		x.answer.refused, x.answer.status = f, f.kind.status
		if f.kind.close && r.Body != nil {
			// Closing reads what is left, for which nobody waits long.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(maxLeftBody)) // fails below a server without deadlines
			_ = r.Body.Close()
		}
		f.write(w, r.Method, x.id)
		x.record(nil)
	})
}

// plaintext decides about a request that came in clear.
func (g *Guard) plaintext(p *policy, r *http.Request, now time.Time) *refusal {
	tokens, credential := p.hasCredential(r)
	burnt := 0
	if p.burn {
		for _, raw := range tokens {
			if g.burn(p, r, raw, now) {
				burnt++
			}
		}
	}
	name, allowed := p.hosts.allowsName(r.Host)
	if credential {
		f := &refusal{rule: RuleTransport, kind: kindHTTPSRequired, final: true, reason: "a credential came over plain HTTP"}
		if burnt > 0 {
			f.reason = "a valid token came over plain HTTP and was burnt"
		}
		return f
	}
	if !allowed {
		return &refusal{rule: RuleHost, kind: kindHostUnknown, reason: "host " + quoted(r.Host) + " is not one of hosts"}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &refusal{rule: RuleTransport, kind: kindHTTPSRequired, reason: "method " + quoted(r.Method) + " over plain HTTP"}
	}
	c, reason := canonicalize(r.RequestURI)
	if reason != "" {
		return &refusal{rule: RulePath, kind: kindInvalidRequest, reason: reason}
	}
	location := "https://" + bracketed(name) + p.redirectPort + c.encoded
	if c.hasQuery {
		location += "?" + c.query
	}
	return &refusal{rule: RuleTransport, kind: kindRedirect, location: location, reason: "plain HTTP"}
}

// burn revokes raw if it is a token that would have been accepted. A forged
// one with a stolen jti must not be able to revoke the real one.
func (g *Guard) burn(p *policy, r *http.Request, raw string, now time.Time) bool {
	e := examination{policy: p, ctx: r.Context(), now: now, queue: g.suspects, trial: true}
	t, no := e.examine(raw, new(facts), new(thumbprint))
	if no != nil {
		return false
	}
	if err := g.revocations.burn(r.Context(), t, p.retention); err != nil {
		g.logger.Error("a burnt token is revoked on this instance only, until the store takes it", "error", err)
	}
	g.metrics.burnt()
	return true
}
