package redact

import (
	"errors"
	"io"
)

// pieceMax bounds what is worked on at once, in bytes.
const pieceMax = 32 << 10

// errClosed is the answer to a Write after Close.
var errClosed = errors.New("write to a closed scrubber")

// Scrubber passes a stream on to a writer and replaces secrets on the way by
// "[redacted]": the given ones, literally or with any of their characters
// written as percent-encoding, JSON escape or HTML character reference; of a
// compact token also its first two parts and its signature alone; and anything
// of the shape of a JWT, whoever it belongs to.
//
// All but possible beginnings of a secret is passed on at once. At most 64 KiB
// are held back; a candidate that grows longer is replaced as well. How the
// stream is cut into calls makes no difference to what comes out. Where a find
// is followed by more characters of a token, they go with it.
//
// A Scrubber is for one goroutine. After an error it only repeats that error.
type Scrubber struct {
	dst    io.Writer
	stream *stream
	out    []byte
	err    error
}

// NewScrubber returns a Scrubber that writes to dst. Empty secrets are ignored;
// very short ones are taken at their word and will redact ordinary text.
func NewScrubber(dst io.Writer, secrets ...string) *Scrubber {
	return &Scrubber{dst: dst, stream: newStream(secrets)}
}

// Write takes the next piece of the stream.
func (s *Scrubber) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) && s.err == nil {
		piece := p[done:min(done+pieceMax, len(p))]
		s.pass(s.stream.take(s.out[:0], piece))
		if s.err == nil {
			done += len(piece)
		}
	}
	return done, s.err
}

// Flush flushes dst if it can be flushed. It does not force out what is held
// back, for that may be the beginning of a secret.
func (s *Scrubber) Flush() error {
	if s.err != nil {
		return s.err
	}
	switch dst := s.dst.(type) {
	case interface{ FlushError() error }:
		s.err = dst.FlushError()
	case interface{ Flush() error }:
		s.err = dst.Flush()
	case interface{ Flush() }:
		dst.Flush()
	}
	return s.err
}

// Close passes on what was held back and turned out to be no secret. It does
// not close dst. Calls after the first do nothing.
func (s *Scrubber) Close() error {
	if errors.Is(s.err, errClosed) {
		return nil
	}
	if s.err == nil {
		s.pass(s.stream.finish(s.out[:0]))
	}
	if s.err != nil {
		return s.err
	}
	s.err = errClosed
	return nil
}

// pass writes out to dst and keeps its memory for the next time.
func (s *Scrubber) pass(out []byte) {
	s.out = out
	if len(out) == 0 {
		return
	}
	n, err := s.dst.Write(out)
	if err == nil && n < len(out) {
		err = io.ErrShortWrite
	}
	s.err = err
}
