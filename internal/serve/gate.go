package serve

import (
	"net"
	"net/http"
	"sync"
)

// gate is a listener that knows its connections, so that they can be bounded,
// and cut at the end of a shutdown even after net/http has given them away.
type gate struct {
	net.Listener
	maxOpen, maxHalf int

	mu   sync.Mutex
	open map[*conn]struct{}
	// half and idle are in the order of arrival.
	half, idle queue
	shed       uint64
	// closing turns newcomers away.
	closing bool
}

// conn is one accepted connection and the list of its gate that it stands in.
type conn struct {
	net.Conn
	gate *gate
	// Guarded by gate.mu.
	in            *queue // nil: none
	before, after *conn  // in it
	gone          bool
}

func newGate(ln net.Listener, maxOpen, maxHalf int) *gate {
	return &gate{
		Listener: ln, maxOpen: maxOpen, maxHalf: maxHalf,
		open: make(map[*conn]struct{}),
	}
}

// Accept returns the next connection for which there is room.
func (g *gate) Accept() (net.Conn, error) {
	for {
		nc, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: nc, gate: g}
		victim := g.admit(c)
		if victim != nil {
			_ = victim.Close()
		}
		if victim != c {
			return c, nil
		}
	}
}

// admit counts c and returns the connection that must go for it: an older one,
// c itself when there is no room, or nil.
func (g *gate) admit(c *conn) (victim *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closing:
		return c
	case g.half.n >= g.maxHalf:
		victim = g.half.first
	case len(g.open) >= g.maxOpen && g.idle.n > 0:
		victim = g.idle.first
	case len(g.open) >= g.maxOpen && g.half.n > 0:
		victim = g.half.first
	case len(g.open) >= g.maxOpen:
		g.shed++
		c.gone = true
		return c
	}
	if victim != nil {
		g.shed++
		victim.leave()
	}
	g.open[c] = struct{}{}
	c.enter(&g.half)
	return victim
}

// enter moves c to the end of a queue, or to none. The caller holds gate.mu.
func (c *conn) enter(q *queue) {
	if c.in != nil {
		c.in.remove(c)
	}
	if q != nil {
		q.push(c)
	}
}

// leave stops counting c. The caller holds gate.mu.
func (c *conn) leave() {
	if !c.gone {
		c.gone = true
		c.enter(nil)
		delete(c.gate.open, c)
	}
}

// Close closes the connection and makes room for another.
func (c *conn) Close() error {
	c.gate.mu.Lock()
	c.leave()
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// connState is the http.Server's hook. A connection turns active with its first
// whole header, or with the preface in HTTP/2.
func connState(nc net.Conn, state http.ConnState) {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
		nc = t.NetConn()
	}
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	if c.gone {
		return
	}
	switch state {
	case http.StateActive, http.StateHijacked:
		c.enter(nil)
	case http.StateIdle:
		c.enter(&c.gate.idle)
	}
}

// cut closes every connection that is still open, and says how many they were.
func (g *gate) cut() int {
	g.mu.Lock()
	g.closing = true
	var left []*conn
	for c := range g.open {
		left = append(left, c)
	}
	g.mu.Unlock()
	for _, c := range left {
		_ = c.Close()
	}
	return len(left)
}

func (g *gate) load() Load {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Load{Open: len(g.open), HalfOpen: g.half.n, Idle: g.idle.n, Shed: g.shed}
}
