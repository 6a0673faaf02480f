package guard

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/wiretight/wiretight/internal/redact"
)

// scrubHeader redacts tokens in the header of an error.
func (a *answer) scrubHeader(h http.Header) {
	for _, values := range h {
		for i, v := range values {
			if strings.Contains(v, "eyJ") || a.x.holdsSecret(v) {
				values[i] = a.x.withoutSecrets(v)
			}
		}
	}
}

// secrets is what came as the request's credentials: whatever stood behind the
// scheme in Authorization, and the token of another source.
type secrets [2]string

// minSecret is how long a secret must be to be looked for in texts. Shorter
// ones guard nothing, and would take ordinary words with them.
const minSecret = 8

func (s *secrets) note(i int, secret string) {
	if len(secret) >= minSecret {
		s[i] = secret
	}
}

// holdsSecret reports whether a text holds a credential of the request, or the
// signature of one, as it came.
func (x *exchange) holdsSecret(s string) bool {
	for _, secret := range x.secrets {
		signature := secret[strings.LastIndexByte(secret, '.')+1:]
		if signature != "" && strings.Contains(s, signature) {
			return true
		}
	}
	return false
}

// withoutSecrets redacts tokens and the request's credentials in a text that is
// all there, as what an upstream or a handler says of its failure.
func (x *exchange) withoutSecrets(s string) string {
	var out strings.Builder
	scrubber := redact.NewScrubber(&out, x.secrets[:]...)
	_, _ = scrubber.Write([]byte(s)) // never fails (strings.Builder)
	_ = scrubber.Close()
	return out.String()
}

// scrub sends the body that follows through the scrubber, opened first where
// the upstream has compressed it.
func (a *answer) scrub() {
	h := a.Header()
	for _, name := range []string{"Content-Length", "Etag", "Content-Md5", "Digest", "Content-Digest", "Repr-Digest", "Accept-Ranges"} {
		delete(h, name)
	}
	coding := strings.ToLower(strings.TrimSpace(strings.Join(h["Content-Encoding"], ",")))
	delete(h, "Content-Encoding")
	if a.x.r.Method == http.MethodHead {
		return
	}
	scrubber := redact.NewScrubber(a.w, a.x.secrets[:]...)
	switch coding {
	case "", "identity":
		a.body, a.closer = scrubber, func(bool) error { return scrubber.Close() }
	case "gzip", "x-gzip", "deflate":
		o := a.open(scrubber, coding == "deflate")
		a.body, a.closer = o.w, o.close
	default:
		// Nobody asked for this coding, and what cannot be read is not passed on.
		a.body = io.Discard
		a.closer = func(bool) error {
			_, err := io.WriteString(a.w, redact.Redacted)
			return err
		}
	}
}

// opened is a body that is decompressed on its way. Expansion is not bounded
// in all, only in memory: it streams.
type opened struct {
	w    *io.PipeWriter
	done chan error
}

// open returns what takes compressed bytes and writes plain ones to scrubber.
func (a *answer) open(scrubber *redact.Scrubber, deflated bool) opened {
	r, w := io.Pipe()
	o := opened{w, make(chan error, 1)}
	stream := a.x.flight.stream.Load()
	go func() {
		err := inflate(inflated{a, scrubber, stream}, r, deflated)
		if err == nil {
			_, _ = io.Copy(io.Discard, r) // what stands behind the end means nothing
			err = scrubber.Close()
		}
		r.CloseWithError(err)
		o.done <- err
	}()
	return o
}

// errCut tells the decompressor that the rest will not come.
var errCut = errors.New("answer was cut")

// close waits until all that came is written. An answer whose end is missing
// is not whole.
func (o opened) close(whole bool) error {
	if whole {
		_ = o.w.Close() // never fails (io.PipeWriter)
	} else {
		_ = o.w.CloseWithError(errCut)
	}
	return <-o.done
}

// inflated takes what was decompressed.
type inflated struct {
	a        *answer
	scrubber *redact.Scrubber
	stream   bool
}

func (i inflated) Write(p []byte) (int, error) {
	i.a.x.flight.active.Store(i.a.x.guard.now().UnixNano())
	n, err := i.scrubber.Write(p)
	if err == nil && i.stream {
		err = i.scrubber.Flush()
	}
	return n, err
}

// inflate decompresses gzip, or what goes by the name of deflate: zlib's format
// (RFC 1950), as the name has it, or bare (RFC 1951), as some servers do. No
// body at all is one of no length.
func inflate(dst io.Writer, src io.Reader, deflated bool) error {
	in := bufio.NewReader(src)
	head, err := in.Peek(2)
	if len(head) == 0 {
		return eofIsEnd(err)
	}
	var plain io.Reader
	switch {
	case !deflated:
		plain, err = gzip.NewReader(in)
	case len(head) == 2 && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0:
		plain, err = zlib.NewReader(in)
	default:
		plain, err = flate.NewReader(in), nil
	}
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(dst, plain, make([]byte, 8<<10))
	return err
}

func eofIsEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
