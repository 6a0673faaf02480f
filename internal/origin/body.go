package origin

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// answer is an http.Response with its body and its values, in one piece.
type answer struct {
	http.Response
	reader body
	values [16]string
}

// body is an answer's body. Read to its end, it gives its connection back.
type body struct {
	client  *Client
	conn    *conn
	res     *http.Response
	state   state
	left    int64 // of the body, or of the current chunk
	excess  int64 // bytes of chunk headers beyond what is fair
	keep    bool  // the connection outlives this answer
	closed  bool
	failure error // what ended the body; io.EOF: its end
}

// state is what comes next in a body.
type state int

const (
	inLength   state        = iota // as many bytes as the header said
	inClose                        // bytes until the connection ends
	chunkSize                      // the header of a chunk
	chunkData                      // its data
	chunkEnd                       // the CR LF behind its data
	trailers                       // what follows the last chunk
	bodyEnded                      // nothing
	maxChunk   = 1 << 10           // bytes of a chunk's header
	maxExcess  = 8 << 10           // bytes of all chunk headers beyond what is fair
	maxTrailer = 4<<10 - 96        // bytes of the trailer
)

var (
	errChunk    = errors.New("answer has a chunk with a broken header")
	errChunkEnd = errors.New("answer has a chunk of another length than announced")
	errExcess   = errors.New("answer consists of chunk headers more than of data")
)

// Read implements io.Reader. It waits only if it has nothing to give, and tells
// of the end together with the last bytes where it can.
func (b *body) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n := 0
	for b.failure == nil {
		if b.state == inLength || b.state == inClose || b.state == chunkData {
			if n == len(p) || n > 0 && b.conn.buffered() == 0 {
				return n, nil
			}
			n += b.take(p[n:])
			continue
		}
		if err := b.step(n == 0); err != nil {
			if err == errNotYet { //nolint:errorlint // never wrapped, and this runs for every chunk
				return n, nil
			}
			b.failure = unexpected(err, b.state)
		}
	}
	return n, b.failure
}

// take reads data. What ends it is noted in failure.
func (b *body) take(p []byte) int {
	if b.state != inClose && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.conn.take(p)
	if b.state != inClose {
		if b.left -= int64(n); b.left == 0 {
			b.whole()
			return n
		}
	}
	if err != nil {
		b.failure = unexpected(err, b.state)
	}
	return n
}

// whole moves on from data of which nothing is left.
func (b *body) whole() {
	if b.state == inLength {
		b.state = bodyEnded
	} else {
		b.state = chunkEnd
	}
}

// unexpected makes an end of the connection what it is to a body.
func unexpected(err error, s state) error {
	if err == io.EOF && s != inClose && s != bodyEnded { //nolint:errorlint // readers return it bare
		return io.ErrUnexpectedEOF
	}
	return err
}

// step reads what stands between data (RFC 9112 §7.1). Without wait it takes
// only what is buffered, or says errNotYet.
func (b *body) step(wait bool) error {
	switch b.state {
	case chunkSize:
		line, err := b.conn.line(maxChunk, wait)
		if err != nil {
			return err
		}
		if b.left, err = parseChunk(line[:len(line)-2]); err != nil {
			return err
		}
		// A fair header is 16 bytes, or two for each byte of data.
		b.excess = max(0, b.excess+int64(len(line))-16-min(2*b.left, maxExcess))
		if b.excess > maxExcess {
			return errExcess
		}
		b.state = chunkData
		if b.left == 0 {
			b.state = trailers
		}
	case chunkEnd:
		line, err := b.conn.line(len("\r\n"), wait)
		switch {
		case err == errTooLarge || err == errLineEnd: //nolint:errorlint // never wrapped, and this runs for every chunk
			return errChunkEnd
		case err != nil:
			return err
		case len(line) != len("\r\n"):
			return errChunkEnd
		}
		b.state = chunkSize
	case trailers:
		block, err := b.conn.lines(maxTrailer, wait)
		if err != nil {
			return err
		}
		b.state = bodyEnded
		if len(block) > 0 {
			if b.res.Trailer == nil {
				b.res.Trailer = make(http.Header)
			}
			return parseFields(string(block), b.res.Trailer, nil)
		}
	default:
		return io.EOF
	}
	return nil
}

// parseChunk reads the header of a chunk: its size, and extensions, which
// nobody needs to understand (RFC 9112 §7.1.1).
func parseChunk(line []byte) (int64, error) {
	n, i := int64(0), 0
	for ; i < len(line) && i < 15; i++ {
		c := line[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return n, chunkExtension(line, i)
		}
		n = n<<4 | int64(c)
	}
	return n, chunkExtension(line, i)
}

// chunkExtension says whether what follows the digits of a size is right.
func chunkExtension(line []byte, digits int) error {
	rest := line[digits:]
	if digits == 0 || len(rest) > 0 && rest[0] != ';' || !isValue(string(rest)) {
		return errChunk
	}
	return nil
}

// Close gives the connection back if the body has ended, or its end is in the
// buffer already; else it closes it.
func (b *body) Close() error {
	if b.closed {
		return nil
	}
	for b.failure == nil && b.keep {
		switch {
		case b.state != inLength && b.state != chunkData:
			b.failure = b.step(false)
		case b.left > int64(b.conn.buffered()):
			b.failure = errNotYet
		default:
			b.conn.r += int(b.left)
			b.whole()
		}
	}
	b.closed = true
	if b.failure == io.EOF && b.keep && b.conn.buffered() == 0 { //nolint:errorlint // step returns it bare
		b.client.put(b.conn, time.Now())
		return nil
	}
	return b.conn.Close()
}
