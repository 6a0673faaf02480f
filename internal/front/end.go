package front

import (
	"io"
	"net/http"
	"time"
)

// refuse answers a head that is none, and ends the connection.
func (c *conn) refuse(no *refused) {
	c.head = head{}
	t := newTurn(c)
	c.turn = t
	r := t.begin(&c.head)
	r.Method, r.Host = http.MethodGet, no.host
	t.answer.close = true
	whole := c.call(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.server.Refuse(w, r, no.status, no.reason)
	}), r)
	if whole {
		t.answer.finish()
	}
	t.answer.drop()
	c.broken = t.answer.failed
	c.release(t)
	if whole && !c.broken {
		c.linger()
	}
}

// discard reads the rest of a body that nobody wanted.
func (c *conn) discard(left int64) bool {
	buffered := min(left, int64(c.end-c.start))
	c.start += int(buffered)
	if left -= buffered; left == 0 {
		return true
	}
	if left > maxDrain {
		return false
	}
	c.idleSince = time.Time{}
	_ = c.raw.SetReadDeadline(time.Now().Add(longest))
	n, err := io.CopyN(io.Discard, c.tls, left)
	return err == nil && n == left
}

// linger ends the connection such that the client can see the answer, although
// it still sends: closing at once would have the system throw the answer away.
func (c *conn) linger() {
	_ = c.tls.CloseWrite()
	_ = c.raw.SetReadDeadline(time.Now().Add(lingering))
	_, _ = io.CopyN(io.Discard, c.raw, maxLinger)
}
