package front

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// body is a request's body of known length. It may be read on another goroutine
// than the handler's, and read and closed when the handler has returned, which
// is an error then. There is one for each request that has a body.
type body struct {
	conn *conn

	mu     sync.Mutex // held while a read waits
	left   int64      // bytes that were not read
	failed error
	closed bool
}

// Read implements io.Reader. It returns io.EOF with the last byte.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failed != nil:
		return 0, b.failed
	case b.closed:
		return 0, http.ErrBodyReadAfterClose
	case b.left == 0:
		return 0, io.EOF
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.conn.readBody(p)
	b.left -= int64(n)
	switch {
	case b.left == 0:
		b.conn.bodyEnded()
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	b.failed = err
	return n, err
}

// Close implements io.Closer. What was not read is left to the server.
func (b *body) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	return nil
}

// tooLong reports whether more is left than would be read on the connection's
// account. Whoever reads right now will have to find out by itself.
func (b *body) tooLong() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	return b.left > maxDrain
}

// end takes the body away from whoever has it, and says how many bytes of it
// are still to come. Not ok: somebody was reading, or a read has failed, and
// nobody knows.
func (b *body) end() (left int64, ok bool) {
	if !b.mu.TryLock() {
		b.conn.interrupt() // the read ends, and the connection with it
		b.mu.Lock()
		b.failed = http.ErrBodyReadAfterClose
	}
	defer b.mu.Unlock()
	b.closed = true
	return b.left, b.failed == nil
}
