package guard

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// exchange is one request on its way through the rules.
type exchange struct {
	guard  *Guard
	policy *policy
	w      http.ResponseWriter
	r      *http.Request
	now    time.Time
	id     string
	peer   netip.Addr // other end of the connection
	client netip.Addr // peer, or what a trusted proxy says of it

	asked       *Question // set when another proxy carries the request
	removed     []string  // the client's headers that the asking proxy must not pass on
	path        canonical
	route       *route
	local       http.Handler // set when the guard answers this path itself
	origin      string       // the request's Origin, if cors allows it
	preflighted bool
	forwarded   http.Header // what a trusted proxy said

	credential credential
	secrets    secrets
	// credentialed says that the request shows who it comes from, by whatever scheme.
	credentialed bool
	hops         bool         // the request has hop-by-hop fields
	parsed       *token.Token // set when the token was not remembered
	facts        facts
	thumbprint   thumbprint // of what the token is bound to
	context      carrier
	verified     bool
	tried        bool // verified less a rule on trial, so that nobody is vouched for
	scopes       []string
	proof        *token.Proof // set where a DPoP proof was shown

	lent         [8]string // backs the header values that the guard sets
	nLent        int
	observed     []*refusal
	answer       answer
	flight       flight
	upstreamTook time.Duration
}

// one is []string{v} without an allocation of its own.
func (x *exchange) one(v string) []string {
	if x.nLent == len(x.lent) {
		return []string{v}
	}
	x.lent[x.nLent] = v
	x.nLent++
	return x.lent[x.nLent-1 : x.nLent : x.nLent]
}

// serve hands the request to next, with what the rules found out.
func (x *exchange) serve(next http.Handler) {
	r := x.r
	x.path.write(r.URL)
	if r.Body != nil && r.ContentLength != 0 {
		r.Body = x.upload()
	}
	x.context = carrier{r.Context(), x}
	ctx, cancel := context.WithCancel(&x.context)
	defer cancel()
	x.guard.inflight.enter(x, cancel)
	defer func() {
		if !x.flight.hijacked.Load() { // else when the connection is closed
			x.guard.inflight.leave(x)
		}
	}()
	next.ServeHTTP(x.w, r.WithContext(ctx))
}

type exchangeKey struct{}

// carrier is the server's context with the exchange as a value, as
// context.WithValue makes it, but as a part of the exchange.
type carrier struct {
	context.Context
	x *exchange
}

// Value implements context.Context.
func (c *carrier) Value(key any) any {
	if _, ok := key.(exchangeKey); ok {
		return c.x
	}
	return c.Context.Value(key)
}

// finish completes the answer and writes the record of the request.
func (x *exchange) finish() {
	failed := recover()
	if err := x.answer.finish(failed == nil); err != nil && failed == nil {
		x.answer.aborted = x.withoutSecrets(err.Error())
		failed = http.ErrAbortHandler // the client must not take it for the end
	}
	x.record(failed)
	if failed != nil {
		panic(failed)
	}
}
