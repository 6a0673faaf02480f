package redact

import (
	"errors"
	"io"
)

// emptyReads is how many reads in a row may bring neither data nor an error.
const emptyReads = 100

// scrubReader is the reading twin of Scrubber.
type scrubReader struct {
	src    io.Reader
	stream *stream
	in     []byte
	// out[next:] is still to be read. err comes after it.
	out  []byte
	next int
	err  error
}

// NewScrubReader returns a reader of src in which secrets are replaced as by a
// Scrubber. It is for one goroutine, and reads no further ahead than it must
// for the next byte. When src ends with an error other than io.EOF, what was
// held back is dropped, as it may be the beginning of a secret.
func NewScrubReader(src io.Reader, secrets ...string) io.Reader {
	return &scrubReader{src: src, stream: newStream(secrets), in: make([]byte, pieceMax)}
}

// Read fills p with what is decided, and waits for src only when nothing is.
func (r *scrubReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for empty := 0; r.next == len(r.out) && r.err == nil; {
		n, err := r.src.Read(r.in)
		r.out, r.next, r.err = r.stream.take(r.out[:0], r.in[:n]), 0, err
		switch {
		case errors.Is(err, io.EOF):
			r.out = r.stream.finish(r.out)
		case n > 0:
			empty = 0
		default:
			if empty++; err == nil && empty == emptyReads {
				r.err = io.ErrNoProgress
			}
		}
	}
	n := copy(p, r.out[r.next:])
	r.next += n
	if r.next < len(r.out) {
		return n, nil
	}
	return n, r.err
}
