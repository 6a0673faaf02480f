package front

import (
	"bytes"
	"net/http"
	"time"
)

// readHead reads until c.head is whole, and takes it out of the buffer, unless
// it is not for us.
func (c *conn) readHead() (*refused, error) {
	if err := c.await(); err != nil {
		return nil, err
	}
	hurry := !c.served // the deadline is that of a header
	seen, line := c.start, c.start
	for {
		end, no := headEnd(c.buf[:c.end], &seen, &line)
		switch {
		case no != nil:
			return no, nil
		case end > 0 && end-c.start <= c.server.MaxHeader:
			no := c.head.parse(c.buf[c.start:end])
			if no == nil && c.head.usual() {
				c.start = end
			}
			return no, nil
		case end > 0 || c.end-c.start > c.server.MaxHeader:
			return &refused{status: http.StatusRequestHeaderFieldsTooLarge, reason: "header is too large"}, nil
		}
		if no := checkFirst(c.buf[c.start:line]); no != nil {
			return no, nil
		}
		if !hurry {
			hurry, c.idleSince = true, time.Time{}
			_ = c.raw.SetReadDeadline(time.Now().Add(c.server.HeaderTimeout))
		}
		was := c.start
		if err := c.fill(); err != nil {
			return nil, err
		}
		seen, line = seen-was+c.start, line-was+c.start
	}
}

// checkFirst looks at the request line of a head that is not whole yet: who
// speaks another language may wait for an answer before saying more.
func checkFirst(b []byte) *refused {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return nil
	}
	var first head
	return first.readRequestLine(string(b[:max(0, end-1)]))
}

// await waits for the first byte of a request.
func (c *conn) await() error {
	skipped := 0
	for {
		// Some old clients send a CRLF behind a body (RFC 9112 §2.2).
		for c.posted && skipped < 4 && c.start < c.end && (c.buf[c.start] == '\r' || c.buf[c.start] == '\n') {
			c.start++
			skipped++
		}
		if c.start < c.end {
			return nil
		}
		if c.served {
			if now := time.Now(); now.Sub(c.idleSince) > c.server.IdleTimeout/idleGrain {
				c.idleSince = now
				_ = c.raw.SetReadDeadline(now.Add(c.server.IdleTimeout))
			}
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// idleGrain says by which part the wait for a next request may be shorter than
// it should be, so that not every request has to move a deadline.
const idleGrain = 64

// headEnd looks for the empty line that ends a head. seen and line are where
// the last look ended, and the line in which that was.
func headEnd(b []byte, seen, line *int) (end int, no *refused) {
	for {
		i := bytes.IndexByte(b[*seen:], '\n')
		if i < 0 {
			*seen = len(b)
			return 0, nil
		}
		i += *seen
		if i == *line || b[i-1] != '\r' {
			return 0, malformed("line ends in a bare LF")
		}
		if i == *line+1 {
			return i + 1, nil
		}
		*seen, *line = i+1, i+1
	}
}

// fill reads once into the buffer, which it makes larger if it is full.
func (c *conn) fill() error {
	c.makeRoom()
	n, err := c.tls.Read(c.buf[c.end:])
	c.end += n
	if n > 0 {
		return nil
	}
	return err
}

func (c *conn) makeRoom() {
	switch {
	case c.start == c.end:
		c.start, c.end = 0, 0
	case c.end < len(c.buf):
	case c.start > 0:
		c.end = copy(c.buf, c.buf[c.start:c.end])
		c.start = 0
	default:
		larger := make([]byte, min(2*len(c.buf), max(c.server.MaxHeader+1, len(c.buf)+1)))
		c.end = copy(larger, c.buf)
		c.buf = larger
	}
}
