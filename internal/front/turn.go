package front

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// turn is all that one request and its answer are made of. A handler that says
// so by Reuse leaves it to the next request of the connection.
type turn struct {
	life    life
	request *http.Request // with life for its context; filled in for each request
	blank   http.Request  // request before that
	url     url.URL
	header  http.Header
	values  []string // backs the values in header
	answer  answer
	// reuse says that the handler has kept nothing of all this.
	reuse bool
}

// turns holds those that no connection uses. Nothing of a request is in them.
var turns = sync.Pool{New: func() any {
	return &turn{header: make(http.Header, 16), values: make([]string, 0, 16), answer: answer{header: make(http.Header, 8)}}
}}

// newTurn returns one for the requests of c.
func newTurn(c *conn) *turn {
	t := turns.Get().(*turn)
	t.life.base = c.base
	blank := http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: c.remote, TLS: c.state, Body: http.NoBody}
	t.request = blank.WithContext(&t.life)
	t.blank = *t.request
	t.answer.conn, t.answer.turn = c, t
	return t
}

// retire gives back a turn that may be used again, at the end of its connection.
func (t *turn) retire() {
	clear(t.header)
	clear(t.answer.header)
	clear(t.values[:cap(t.values)])
	*t = turn{header: t.header, values: t.values[:0], answer: answer{header: t.answer.header}}
	turns.Put(t)
}

// begin makes the request of a head.
func (t *turn) begin(h *head) *http.Request {
	r := t.request
	*r = t.blank
	clear(t.header)
	t.values = h.fill(t.header, t.values[:0])
	t.url = h.url
	t.reuse = false
	r.Method, r.RequestURI, r.Host, r.Close = h.method, h.target, h.host, h.close
	r.URL, r.Header = &t.url, t.header
	t.answer.begin(r)
	return r
}

// again reports whether another request may use t.
func (t *turn) again() bool { return t.reuse && t.life.unseen() }

// maxTurn bounds the fields for which a turn is used again.
const maxTurn = 64

var _ context.Context = (*life)(nil)

var _ interface {
	http.ResponseWriter
	http.Flusher
	io.StringWriter
} = (*answer)(nil)
