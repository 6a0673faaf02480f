package origin

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// conn is one connection with what was read from it ahead.
type conn struct {
	net.Conn // requests are written to it, answers read from it
	// buf[r:w] has been read from the connection and not been used.
	buf      []byte
	r, w     int
	header   http.Header // the answer's, used again by the next
	deadline time.Time   // of reading and writing; zero: none or unknown
	since    time.Time   // when it became idle
	used     bool
	started  bool // a byte of the current answer has come
	quiet    func() bool
	cut      func()
}

const (
	startBuffer = 4 << 10
	keepBuffer  = 64 << 10
)

var (
	// errTooLarge says that a header or a chunk's does not end within bounds.
	errTooLarge = errors.New("header of the answer is too large")
	errLineEnd  = errors.New("answer has a line that does not end in CR LF")
	// errNotYet says that there is not enough in the buffer, for those who
	// would not wait for more.
	errNotYet = errors.New("not there yet")
)

func (c *conn) buffered() int { return c.w - c.r }

// fill reads once from the connection behind what is buffered.
func (c *conn) fill() error {
	switch {
	case c.r == c.w:
		c.r, c.w = 0, 0
	case c.w == len(c.buf) && c.r > 0:
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		c.buf = append(c.buf, make([]byte, max(startBuffer, len(c.buf)))...)
	}
	n, err := c.Conn.Read(c.buf[c.w:])
	c.w += n
	switch {
	case n > 0:
		c.started = true
		return nil
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// take copies what is buffered, or reads once, into p.
func (c *conn) take(p []byte) (int, error) {
	if c.r == c.w {
		if len(p) >= len(c.buf) {
			return c.Conn.Read(p)
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf[c.r:c.w])
	c.r += n
	return n, nil
}

// line returns the next line of at most limit bytes, its CR LF included. It is
// good until the next call.
func (c *conn) line(limit int, wait bool) ([]byte, error) {
	for seen := 0; ; {
		unseen := c.buf[c.r+seen : c.w]
		if i := bytes.IndexByte(unseen, '\n'); i >= 0 && seen+i < limit {
			line := c.buf[c.r : c.r+seen+i+1]
			if len(line) < 2 || line[len(line)-2] != '\r' {
				return nil, errLineEnd
			}
			c.r += len(line)
			return line, nil
		}
		if seen += len(unseen); seen >= limit {
			return nil, errTooLarge
		}
		if !wait {
			return nil, errNotYet
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// lines returns all lines until the next empty one, which it leaves out. All of
// them have at most limit bytes. They are good until the next call.
func (c *conn) lines(limit int, wait bool) ([]byte, error) {
	for begin, seen := 0, 0; ; { // of the current line, and how far it has been looked at
		unseen := c.buf[c.r+seen : c.w]
		i := bytes.IndexByte(unseen, '\n')
		end := seen + i
		switch {
		case i < 0:
			if seen += len(unseen); seen >= limit {
				return nil, errTooLarge
			}
			if !wait {
				return nil, errNotYet
			}
			if err := c.fill(); err != nil {
				return nil, err
			}
		case end == begin || c.buf[c.r+end-1] != '\r':
			return nil, errLineEnd
		case end >= limit:
			return nil, errTooLarge
		case end == begin+1:
			all := c.buf[c.r : c.r+begin]
			c.r += end + 1
			return all, nil
		default:
			begin, seen = end+1, end+1
		}
	}
}

// within makes sure that the next wait ends after d, or up to a sixteenth
// later: so the timer need not be set for every request.
func (c *conn) within(d time.Duration) error {
	now := time.Now()
	if c.deadline.Sub(now) >= d {
		return nil
	}
	until := now.Add(d + d/16)
	if err := c.SetDeadline(until); err != nil {
		return err
	}
	c.deadline = until
	return nil
}

// patient lets a body take its time.
func (c *conn) patient() error {
	c.deadline = time.Time{}
	return c.SetReadDeadline(time.Time{})
}

// rest prepares the connection for being idle.
func (c *conn) rest(now time.Time) {
	c.since = now
	c.r, c.w = 0, 0
	if cap(c.buf) > keepBuffer {
		c.buf = nil
	}
	if len(c.header) > manyFields {
		c.header = nil // maps do not shrink
	} else {
		clear(c.header) // nothing of an answer stays behind
	}
}

// manyFields is more than the header of an ordinary answer has.
const manyFields = 64
