package extauthz

import (
	"net/http"
	"strings"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// The headers in which a proxy says what it was asked.
const (
	headerMethod = "X-Forwarded-Method"
	headerProto  = "X-Forwarded-Proto"
	headerHost   = "X-Forwarded-Host"
	headerURI    = "X-Forwarded-Uri"
	headerFor    = "X-Forwarded-For"
)

// The headers that tell a proxy what it can pass on by its own means only.
const (
	headerStatus  = "X-Wiretight-Status"
	headerProblem = "X-Wiretight-Problem"
)

// HTTP answers proxies that ask over HTTP, whatever the method they ask with:
//
//	/authorize        200 with the identity headers, or the answer for the client
//	/authorize/nginx  the same with 401 or 403 in the place of all other refusals
//	/preflight        the answer to a CORS preflight, which the proxy passes on
//
// An allowed preflight gets 403 from the first two, since a proxy would let it
// through on any status that means success.
func (a *Authorizer) HTTP() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaveBody(w, r)
		trial, seen := a.noteHTTP(r)
		q := question(r)
		narrow := r.URL.Path == "/authorize/nginx"
		switch {
		case r.URL.Path == "/preflight" && !isPreflight(&q):
			q.Unclear = "the proxy asks at /preflight about a request that is none"
		case !narrow && r.URL.Path != "/authorize" && r.URL.Path != "/preflight":
			q.Unclear = "the proxy asks at a path that is none of /authorize, /authorize/nginx and /preflight"
		}
		d := a.guard.Authorize(r.Context(), q)
		trial.keep(seen, &d, a.guard.MayAsk(q.Asker))
		h := w.Header()
		for name, values := range d.Header {
			h[name] = values
		}
		switch {
		case r.URL.Path == "/preflight":
			answerPreflight(w, &d)
		case d.Allowed:
			for name, values := range d.Identity {
				h[name] = values
			}
			h["Content-Length"] = []string{"0"}
			w.WriteHeader(http.StatusOK)
		default:
			refuse(w, &d, narrow)
		}
	})
}

// refuse writes an answer that is for the client.
func refuse(w http.ResponseWriter, d *guard.Decision, narrow bool) {
	h := w.Header()
	status := d.Status
	h[headerStatus] = []string{statusText(status)}
	if d.Preflight || narrow && status != http.StatusUnauthorized {
		status = http.StatusForbidden
	}
	if narrow && len(d.Body) > 0 {
		h[headerProblem] = []string{string(d.Body)}
	}
	w.WriteHeader(status)
	_, _ = w.Write(d.Body) // the proxy is gone: nobody left to tell
}

func isPreflight(q *guard.Question) bool {
	return q.Method == http.MethodOptions && len(q.Header["Origin"]) > 0 && len(q.Header["Access-Control-Request-Method"]) > 0
}

// answerPreflight answers in the proxy's stead.
func answerPreflight(w http.ResponseWriter, d *guard.Decision) {
	if d.Allowed { // where cors is on trial; but nobody is here to carry it on
		w.Header()["Content-Length"] = []string{"0"}
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.WriteHeader(d.Status)
	_, _ = w.Write(d.Body) // the proxy is gone: nobody left to tell
}

// leaveBody keeps the server from waiting for the client's body, which belongs
// to the proxy. Some announce it and do not send it.
func leaveBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	c := http.NewResponseController(w)
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
		_ = c.EnableFullDuplex() // HTTP/1.1 servers can
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Second)) // fails on a connection that is gone
}

// question reads what the proxy says.
func question(r *http.Request) guard.Question {
	q := guard.Question{Asker: peer(r), Header: r.Header}
	var unclear string
	one := func(name string) string {
		values := r.Header[name]
		delete(r.Header, name)
		switch {
		case len(values) > 1:
			unclear = name + " came more than once"
		case len(values) == 0 || values[0] == "":
			unclear = name + " is missing"
		default:
			return values[0]
		}
		return ""
	}
	q.Target, q.Host, q.Method = one(headerURI), one(headerHost), one(headerMethod)
	switch proto := one(headerProto); {
	case strings.EqualFold(proto, "https"), strings.EqualFold(proto, "wss"):
		q.Scheme = "https"
	case strings.EqualFold(proto, "http"), strings.EqualFold(proto, "ws"):
		q.Scheme = "http"
	default:
		q.Scheme = proto
	}
	if !client(&q) {
		unclear = headerFor + " does not end in an address"
	}
	q.Unclear = unclear
	return q
}

// client takes the proxy's own peer from the end of X-Forwarded-For, and leaves
// there what that peer said.
func client(q *guard.Question) bool {
	lines := q.Header[headerFor]
	if len(lines) == 0 {
		return true
	}
	all := strings.Join(lines, ",")
	rest, last := "", all
	if i := strings.LastIndexByte(all, ','); i >= 0 {
		rest, last = all[:i], all[i+1:]
	}
	delete(q.Header, headerFor)
	if strings.TrimSpace(rest) != "" {
		q.Header[headerFor] = []string{rest}
	}
	var ok bool
	q.Client, ok = address(strings.TrimSpace(last))
	return ok
}

func statusText(status int) string {
	return string([]byte{byte('0' + status/100), byte('0' + status/10%10), byte('0' + status%10)})
}
