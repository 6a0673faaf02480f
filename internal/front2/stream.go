package front2

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"sync"
	"time"
)

// stream is one request and its answer. A handler that says so by Reuse leaves
// it to another request.
type stream struct {
	life    life
	blank   http.Request // with life for its context
	request *http.Request
	url     url.URL
	header  http.Header
	values  []string // backs the values in header
	answer  answer
	body    *body // nil: there is none

	conn *conn
	id   uint32

	// What follows is guarded by conn.mu.
	cond    sync.Cond
	window  int // that we may send
	credit  int // that the client may still send
	owed    int // that it may be told to send more
	data    []byte
	read    int   // of data
	left    int64 // of the announced length; -1: none was
	gotEnd  bool  // the client has sent all
	sentEnd bool  // we have
	unread  bool  // nobody reads data any more
	reading int   // who waits for data
	expects bool  // the client waits for 100
	readBy  time.Time
	writeBy time.Time
	failure error // why nothing more can be sent
}

var streams = sync.Pool{New: func() any { return newStream() }}

func newStream() *stream {
	st := &stream{header: make(http.Header, 16), values: make([]string, 0, 16)}
	st.blank = *new(http.Request).WithContext(&st.life)
	st.request = new(http.Request)
	st.answer = answer{stream: st, header: make(http.Header, 16)}
	return st
}

// release leaves st to another request, if its handler has kept nothing of it.
func (st *stream) release() {
	if !st.answer.reuse || !st.life.unseen() || len(st.header) > manyFields || len(st.answer.header) > manyFields || cap(st.data) > keepBuffer {
		return
	}
	clear(st.header)
	clear(st.values[:cap(st.values)])
	clear(st.answer.header)
	clear(st.answer.fields[:cap(st.answer.fields)])
	*st.request = http.Request{}
	st.url = url.URL{}
	st.conn = nil
	streams.Put(st)
}

// manyFields is more than an ordinary header has.
const manyFields = 64

// wait waits for something to change, and reports false when it is past until.
// The caller holds conn.mu.
func (st *stream) wait(until time.Time) bool {
	c := st.conn
	if !until.IsZero() {
		left := time.Until(until)
		if left <= 0 {
			return false
		}
		timer := time.AfterFunc(left, func() {
			c.mu.Lock()
			st.cond.Broadcast()
			c.mu.Unlock()
		})
		defer timer.Stop()
	}
	c.out.waiting++
	st.cond.Wait()
	c.out.waiting--
	return true
}

// abandon tells the handler that the stream has ended early. The caller holds
// conn.mu.
func (st *stream) abandon(err error) {
	if st.failure == nil {
		st.failure = err
	}
	st.cond.Broadcast()
	st.life.end()
}

// reset ends the stream from our side (RFC 9113 §6.4). The caller holds conn.mu.
func (st *stream) reset(why code, err error) {
	c := st.conn
	if c.streams[st.id] == st {
		c.out.bytes = appendReset(c.out.bytes, st.id, why)
		c.close(st, true)
	}
	st.abandon(err)
}

// close takes an ended stream out of the open ones. The caller holds mu.
func (c *conn) close(st *stream, ours bool) {
	delete(c.streams, st.id)
	c.done.add(st.id, ours)
	c.giveBack(len(st.data) - st.read) // which nobody reads any more
	st.data, st.read, st.unread = st.data[:0], 0, true
}

// serve runs the handler.
func (st *stream) serve() {
	c := st.conn
	defer c.ended.Done()
	whole := st.call()
	if whole {
		st.answer.finish()
	}
	st.life.end()
	c.mu.Lock()
	switch open := c.streams[st.id] == st; {
	case open && !(whole && st.sentEnd):
		st.reset(internalError, http.ErrAbortHandler)
	case open:
		// The client need not send the rest (RFC 9113 §8.1).
		c.out.bytes = appendReset(c.out.bytes, st.id, noError)
		c.close(st, true)
	}
	kept := st.takeBody()
	c.flush()
	if c.running--; c.running == 0 {
		c.idle = time.Now()
		c.server.config.State(c.tls, http.StateIdle)
		c.finishIfIdle()
	}
	c.mu.Unlock()
	if !kept {
		st.release()
	}
}

// takeBody ends the reading of the body and the writing of the answer, which
// other goroutines than the handler's may still be at. It reports whether one
// is, and will look at st once more. The caller holds conn.mu.
func (st *stream) takeBody() (kept bool) {
	if st.failure == nil {
		st.failure = errReturned
	}
	if st.body == nil {
		return false
	}
	st.body.closed = true
	st.body = nil
	st.cond.Broadcast()
	return st.reading > 0
}

// call reports whether the handler has returned.
func (st *stream) call() (whole bool) {
	defer func() {
		if whole {
			return
		}
		//nolint:errorlint // as net/http: whoever panics with it means this very value
		if failed := recover(); failed != nil && failed != http.ErrAbortHandler {
			trace := make([]byte, 64<<10)
			trace = trace[:runtime.Stack(trace, false)]
			st.conn.server.config.Log.Printf("http2: panic serving %v: %v\n%s", st.conn.remote, failed, trace)
		}
	}()
	cfg := &st.conn.server.config
	if st.answer.refuse {
		cfg.Refuse(&st.answer, st.request, http.StatusRequestHeaderFieldsTooLarge, "header is too large")
		return true
	}
	cfg.Handler.ServeHTTP(&st.answer, st.request)
	return true
}

// body is what the client sends behind the header. There is one for each request
// that has any, for it may be read when the handler has returned, which is an
// error then.
type body struct {
	conn *conn

	// What follows is guarded by conn.mu.
	stream *stream // which is another's once closed is set
	closed bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	c := b.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for !b.closed {
		st := b.stream
		switch {
		case st.read < len(st.data):
			return st.takeData(p), nil
		case st.gotEnd:
			return 0, io.EOF
		case st.failure != nil:
			return 0, st.failure
		case len(p) == 0:
			return 0, nil
		case st.expects:
			st.expects = false
			c.appendHeader(st.id, "100", nil, false)
			c.kick()
		}
		st.reading++
		inTime := st.wait(st.readBy)
		st.reading--
		if !inTime && !b.closed {
			return 0, os.ErrDeadlineExceeded
		}
	}
	return 0, http.ErrBodyReadAfterClose
}

// takeData copies what has come into p. The caller holds conn.mu.
func (st *stream) takeData(p []byte) int {
	n := copy(p, st.data[st.read:])
	if st.read += n; st.read == len(st.data) {
		st.data, st.read = st.data[:0], 0
	}
	st.conn.giveBack(n)
	st.giveBack(n)
	return n
}

// Close implements io.Closer.
func (b *body) Close() error {
	c := b.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	st := b.stream
	st.expects = false
	c.giveBack(len(st.data) - st.read)
	st.data, st.read, st.unread = st.data[:0], 0, true
	st.cond.Broadcast()
	return nil
}

// giveBack lets the client send n more bytes on the connection, sooner or later.
func (c *conn) giveBack(n int) {
	if c.owed += n; c.owed >= connWindow/4 && c.dead == nil {
		c.out.bytes = appendWindow(c.out.bytes, 0, c.owed)
		c.credit += c.owed
		c.owed = 0
		c.kick()
	}
}

// giveBack is that for the stream.
func (st *stream) giveBack(n int) {
	c := st.conn
	if st.owed += n; st.owed >= streamWindow/4 && !st.gotEnd && c.streams[st.id] == st {
		c.out.bytes = appendWindow(c.out.bytes, st.id, st.owed)
		st.credit += st.owed
		st.owed = 0
		c.kick()
	}
}

var (
	errReset    = errors.New("client has cancelled the request")
	errReturned = errors.New("handler has returned")
)
