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
// does, and when nothing has moved on it for too long. A stream is an answer
// without a known length, or a connection that has switched protocols.
type inflight struct {
	guard  *Guard
	shards [16]inflightShard
}

type inflightShard struct {
	mu   sync.Mutex
	open map[*exchange]context.CancelFunc
	_    [40]byte
}

// flight is what inflight needs to know of one request.
type flight struct {
	stream atomic.Bool
	active atomic.Int64 // Unix nanoseconds of the last byte, set by the answer
	cut    cutReason
	shard  *inflightShard
}

// cutReason says why a stream was cut. The zero value: it was not.
type cutReason struct{ p atomic.Pointer[string] }

func (c *cutReason) Load() string {
	if s := c.p.Load(); s != nil {
		return *s
	}
	return ""
}

// cutEvery is how soon after the end of a token its streams end.
const cutEvery = 200 * time.Millisecond

func newInflight(g *Guard) *inflight {
	f := &inflight{guard: g}
	for i := range f.shards {
		f.shards[i].open = map[*exchange]context.CancelFunc{}
	}
	return f
}

func (f *inflight) enter(x *exchange, cancel context.CancelFunc) {
	s := &f.shards[x.id[0]&15]
	x.flight.shard = s
	x.flight.active.Store(x.now.UnixNano())
	s.mu.Lock()
	s.open[x] = cancel
	s.mu.Unlock()
}

func (f *inflight) leave(x *exchange) {
	s := x.flight.shard
	s.mu.Lock()
	delete(s.open, x)
	s.mu.Unlock()
}

// sweep cuts what must not go on.
func (f *inflight) sweep(now time.Time) {
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		for x, cancel := range s.open {
			if reason := f.over(x, now); reason != "" {
				x.flight.cut.p.CompareAndSwap(nil, &reason)
				cancel()
				x.answer.sever()
			}
		}
		s.mu.Unlock()
	}
}

// over says why a request must not go on.
func (f *inflight) over(x *exchange, now time.Time) string {
	if x.r.Context().Err() != nil {
		return "client went away"
	}
	if idle := now.Sub(time.Unix(0, x.flight.active.Load())); idle > x.policy.idleStream {
		return "nothing has moved for " + x.policy.idleStream.String()
	}
	if !x.flight.stream.Load() || !x.verified {
		return ""
	}
	if x.facts.expiry != 0 && now.After(fromSeconds(x.facts.expiry).Add(x.issuer().policy.Leeway)) && !x.policy.observes(RuleExpired) {
		return "token expired during the stream"
	}
	if x.policy.observes(RuleRevoked) {
		return ""
	}
	return f.guard.revocations.revoked(&x.facts.ids, x.issuedAt())
}

func (f *inflight) cutAll() {
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		for x, cancel := range s.open {
			reason := "shutting down"
			x.flight.cut.p.CompareAndSwap(nil, &reason)
			cancel()
			x.answer.sever()
		}
		s.mu.Unlock()
	}
}

// isStream reports whether an answer has no end that was announced.
func isStream(res *http.Response) bool {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return true
	}
	ct := res.Header.Get("Content-Type")
	return res.ContentLength < 0 || strings.HasPrefix(ct, "text/event-stream") || strings.HasPrefix(ct, "application/grpc")
}
