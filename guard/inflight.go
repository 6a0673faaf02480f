package guard

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// inflight knows the requests under way, so that a stream ends when its token
// does, and anything when nothing has moved on it for too long. A stream is an
// answer or an upload without a known length, or a connection that has switched
// protocols.
type inflight struct {
	guard  *Guard
	shards [16]inflightShard
}

// inflightShard lists some of the requests. What of a flight is not atomic
// belongs to its mutex.
type inflightShard struct {
	mu    sync.Mutex
	first *exchange
	n     int
	_     [40]byte
}

// flight is what inflight needs to know of one request.
type flight struct {
	stream   atomic.Bool
	upload   atomic.Bool           // the request's body has not ended
	begun    atomic.Bool           // the header of the answer is out
	hijacked atomic.Bool           // the connection is no longer the server's
	active   atomic.Int64          // Unix nanoseconds of the last byte, set by the answer
	broken   atomic.Pointer[error] // why the request's body could not be read
	pace     pace                  // of the request's body
	cut      cutReason

	shard      *inflightShard
	next, prev *exchange
	listed     bool
	cancel     context.CancelFunc
}

// cutting says why an exchange is cut, and what the client is told if nothing
// of an answer is out yet.
type cutting struct {
	reason string
	rule   Rule
	kind   *refusalKind // nil: nobody is there to be told
}

var (
	clientGone   = &cutting{reason: "client went away"}
	shuttingDown = &cutting{reason: "shutting down", kind: kindUnavailable}
	dawdling     = &cutting{reason: "request body comes too slowly", kind: kindRequestTimeout}
	tokenExpired = &cutting{reason: "token expired during the stream", rule: RuleExpired, kind: kindExpired}
)

// cutReason holds the first reason to cut. The zero value: there is none.
type cutReason struct{ p atomic.Pointer[cutting] }

func (c *cutReason) Load() string {
	if why := c.p.Load(); why != nil {
		return why.reason
	}
	return ""
}

// cutEvery is how soon after the end of a token its streams end.
const cutEvery = 200 * time.Millisecond

func newInflight(g *Guard) *inflight {
	return &inflight{guard: g}
}

func (f *inflight) enter(x *exchange, cancel context.CancelFunc) {
	s := &f.shards[x.id[0]&15]
	x.flight.shard, x.flight.cancel, x.flight.listed = s, cancel, true
	x.flight.active.Store(x.now.UnixNano())
	s.mu.Lock()
	if x.flight.next = s.first; s.first != nil {
		s.first.flight.prev = x
	}
	s.first = x
	s.n++
	s.mu.Unlock()
}

// leave forgets x. It may be called again.
func (f *inflight) leave(x *exchange) {
	s := x.flight.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	fl := &x.flight
	if !fl.listed {
		return
	}
	if fl.next != nil {
		fl.next.flight.prev = fl.prev
	}
	if fl.prev != nil {
		fl.prev.flight.next = fl.next
	} else {
		s.first = fl.next
	}
	fl.next, fl.prev, fl.listed = nil, nil, false
	s.n--
}

// sweep cuts what must not go on.
func (f *inflight) sweep(now time.Time) {
	f.cutThose(func(x *exchange) *cutting { return f.over(x, now) })
}

func (f *inflight) cutAll() {
	f.cutThose(func(*exchange) *cutting { return shuttingDown })
}

// cutThose cuts every exchange for which why gives a reason. Ending one may
// take a moment, so nobody has to wait for the lists meanwhile.
func (f *inflight) cutThose(why func(*exchange) *cutting) {
	type due struct {
		x      *exchange
		cancel context.CancelFunc
		why    *cutting
	}
	for i := range f.shards {
		s := &f.shards[i]
		var all []due
		s.mu.Lock()
		for x := s.first; x != nil; x = x.flight.next {
			if w := why(x); w != nil {
				all = append(all, due{x, x.flight.cancel, w})
			}
		}
		s.mu.Unlock()
		for _, d := range all {
			d.x.flight.cut.p.CompareAndSwap(nil, d.why)
			d.cancel()
			d.x.answer.sever()
		}
	}
}

// over says why a request must not go on. Its shard is locked.
func (f *inflight) over(x *exchange, now time.Time) *cutting {
	if !x.flight.hijacked.Load() && x.r.Context().Err() != nil {
		return clientGone
	}
	if idle := now.Sub(time.Unix(0, x.flight.active.Load())); idle > x.policy.idleStream && (x.flight.begun.Load() || x.flight.upload.Load()) {
		return &cutting{reason: "nothing has moved for " + x.policy.idleStream.String(), kind: kindGatewayTimeout}
	}
	if x.dawdles(now) {
		return dawdling
	}
	if !x.flight.stream.Load() || !x.verified {
		return nil
	}
	if x.facts.expiry != 0 && now.After(fromSeconds(x.facts.expiry).Add(x.issuer().policy.Leeway)) && !x.policy.observes(RuleExpired) {
		return tokenExpired
	}
	if x.policy.observes(RuleRevoked) {
		return nil
	}
	if reason := f.guard.revocations.revoked(&x.facts.ids, x.issuedAt()); reason != "" {
		return &cutting{reason: reason, rule: RuleRevoked, kind: kindInvalidToken}
	}
	return nil
}

// isStream reports whether an answer has no end that was announced.
func isStream(res *http.Response) bool {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return true
	}
	return res.ContentLength < 0 || endless(res.Header)
}

// endless reports media types whose answers are streams whatever their length.
func endless(h http.Header) bool {
	ct := h["Content-Type"]
	return len(ct) > 0 && (strings.HasPrefix(ct[0], "text/event-stream") || strings.HasPrefix(ct[0], "application/grpc"))
}
