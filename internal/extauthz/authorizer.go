// Package extauthz lets other proxies ask a guard for decisions: over HTTP, as
// nginx, Traefik, Caddy and HAProxy do, and over gRPC as Envoy does. It only
// reads and writes what the proxies say; the guard decides.
package extauthz

import (
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// Authorizer answers other proxies in a guard's name. It is safe for concurrent
// use. Make one with New.
type Authorizer struct {
	guard *guard.Guard
	now   func() time.Time
	// messageWait is how long a message over gRPC may take to come.
	messageWait time.Duration
	watches     atomic.Int64
	probe       atomic.Pointer[probe] // nil: nobody tries out a proxy
	draining    chan struct{}
	drain       sync.Once
}

// New makes an Authorizer.
func New(g *guard.Guard) *Authorizer {
	return &Authorizer{guard: g, now: time.Now, messageWait: messageWait, draining: make(chan struct{})}
}

// Drain tells those who watch the health that it ends, and lets go of them.
// Questions are still answered.
func (a *Authorizer) Drain() { a.drain.Do(func() { close(a.draining) }) }

// address reads an address with or without a port.
func address(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a, true
	}
	if n := len(s); n > 2 && s[0] == '[' && s[n-1] == ']' {
		a, err := netip.ParseAddr(s[1 : n-1])
		return a, err == nil
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr(), err == nil
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
