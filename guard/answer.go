package guard

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/wiretight/wiretight/internal/redact"
)

// answer guards what goes back to the client: headers when they are written,
// and the body of an error, in which tokens are redacted while it streams.
type answer struct {
	x *exchange
	w http.ResponseWriter

	wrote   bool
	status  int
	bytes   int64
	refused *refusal
	aborted string
	body    io.Writer    // set when the body takes a way round
	closer  func() error // ends body
	refusal bool         // the body was replaced by a refusal of our own

	mu  sync.Mutex
	cut func() // ends the connection to the client or to the upstream
}

func (a *answer) init(x *exchange, w http.ResponseWriter) { a.x, a.w = x, w }

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.w.Header() }

// Unwrap lets http.ResponseController reach what this type does not change.
func (a *answer) Unwrap() http.ResponseWriter { return a.w }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.wrote {
		return
	}
	if status >= 100 && status < 200 {
		if status != http.StatusSwitchingProtocols {
			a.informational(status)
			return
		}
	}
	if a.refused == nil {
		if reason := a.guardHeader(a.Header(), status); reason != "" {
			a.instead(&refusal{rule: RuleTransport, kind: kindBadGateway, reason: reason})
			return
		}
	}
	a.wrote, a.status = true, status
	a.own(a.Header())
	if status >= 400 && a.refused == nil && a.x.local == nil {
		a.scrub()
	}
	a.w.WriteHeader(status)
}

// informational forwards a 1xx answer, less what it must not say.
func (a *answer) informational(status int) {
	h := a.Header()
	for _, name := range unwanted {
		delete(h, name)
	}
	delete(h, "Set-Cookie")
	a.w.WriteHeader(status)
}

// instead answers with a refusal in the place of what the upstream said.
func (a *answer) instead(f *refusal) {
	clear(a.Header())
	a.refused, a.refusal = f, true
	f.write(a, a.x.r.Method, a.x.id)
	a.body = io.Discard
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if !a.wrote {
		a.WriteHeader(http.StatusOK)
	}
	a.x.flight.active.Store(time.Now().UnixNano())
	a.bytes += int64(len(p))
	if a.body != nil {
		return a.body.Write(p)
	}
	return a.w.Write(p)
}

// FlushError implements the flush of http.ResponseController.
func (a *answer) FlushError() error {
	if !a.wrote {
		a.WriteHeader(http.StatusOK)
	}
	if a.body != nil {
		if f, ok := a.body.(interface{ Flush() error }); ok {
			if err := f.Flush(); err != nil {
				return err
			}
		} else {
			return nil
		}
	}
	return http.NewResponseController(a.w).Flush()
}

// Flush implements http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// Hijack hands over the connection after a switch of protocols, still counted
// and still cut when the token ends.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(a.w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	a.own(a.Header())
	a.wrote, a.status = true, http.StatusSwitchingProtocols
	a.x.flight.stream.Store(true)
	_ = conn.SetDeadline(time.Time{})
	a.severable(func() { _ = conn.Close() })
	return &watchedConn{Conn: conn, x: a.x}, rw, nil
}

// severable notes what ends the exchange early.
func (a *answer) severable(cut func()) {
	a.mu.Lock()
	a.cut = cut
	a.mu.Unlock()
}

// sever ends the exchange early, where its context does not.
func (a *answer) sever() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cut != nil {
		a.cut()
	}
}

// watchedConn notes that something moves.
type watchedConn struct {
	net.Conn
	x *exchange
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.x.flight.active.Store(time.Now().UnixNano())
	return n, err
}

func (c *watchedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.x.flight.active.Store(time.Now().UnixNano())
	c.x.answer.bytes += int64(n)
	return n, err
}

// CloseWrite passes on the half close that ends one direction of a tunnel.
func (c *watchedConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Close()
}

// unwanted are answer headers that tell what runs behind, or speak for the
// guard.
var unwanted = []string{
	"Server", "X-Powered-By", "X-Aspnet-Version", "X-Aspnetmvc-Version", "X-Generator", "X-Runtime", "X-Version",
	"Strict-Transport-Security", "Alt-Svc", "Public-Key-Pins", "X-Request-Id",
}

// own puts the guard's own headers on every answer.
func (a *answer) own(h http.Header) {
	h["Strict-Transport-Security"] = a.x.one(a.x.policy.hsts)
	h["X-Request-Id"] = a.x.one(a.x.id)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // what the upstream did not name is not guessed
	}
	if len(h["X-Content-Type-Options"]) == 0 {
		h["X-Content-Type-Options"] = a.x.one("nosniff")
	}
	a.x.setCORS(h)
}

// guardHeader guards the header of an answer that the upstream, or the wrapped
// handler, has made. A reason means that the answer must not go out.
func (a *answer) guardHeader(h http.Header, status int) (reason string) {
	for _, name := range unwanted {
		delete(h, name)
	}
	if reason := a.guardLocations(h); reason != "" {
		return reason
	}
	if len(h["Set-Cookie"]) > 0 {
		a.guardCookies(h)
	}
	if a.x.credentialed && len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = a.x.one("no-store")
	}
	if status >= 400 {
		a.scrubHeader(h)
	}
	return ""
}

// scrubHeader redacts tokens in the header of an error.
func (a *answer) scrubHeader(h http.Header) {
	for _, values := range h {
		for i, v := range values {
			if strings.Contains(v, "eyJ") || a.x.credential.raw != "" && strings.Contains(v, a.x.credential.raw) {
				values[i] = scrubbed(v, a.x.credential.raw)
			}
		}
	}
}

// scrubbed redacts tokens in a text that is all there.
func scrubbed(s, secret string) string {
	var out strings.Builder
	scrubber := redact.NewScrubber(&out, secret)
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
	secrets := []string{}
	if a.x.credential.raw != "" {
		secrets = append(secrets, a.x.credential.raw)
	}
	scrubber := redact.NewScrubber(a.w, secrets...)
	codings := strings.ToLower(strings.TrimSpace(strings.Join(h["Content-Encoding"], ",")))
	switch codings {
	case "", "identity":
		a.body, a.closer = scrubber, scrubber.Close
		return
	case "gzip", "x-gzip", "deflate":
		delete(h, "Content-Encoding")
		a.body, a.closer = openInto(scrubber, codings == "deflate")
	default:
		// Nobody asked for this coding, and what cannot be read is not passed on.
		delete(h, "Content-Encoding")
		a.body = io.Discard
		a.closer = func() error {
			_, err := io.WriteString(a.w, redact.Redacted)
			return err
		}
	}
}

// openInto returns a writer that takes compressed bytes and writes plain ones
// to the scrubber. Expansion is not bounded in all, only in memory: it streams.
func openInto(scrubber io.WriteCloser, deflated bool) (io.Writer, func() error) {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := inflate(scrubber, r, deflated)
		r.CloseWithError(errOr(err, io.ErrClosedPipe))
		done <- errors.Join(err, scrubber.Close())
	}()
	return w, func() error {
		_ = w.Close() // never fails (io.PipeWriter)
		return <-done
	}
}

func inflate(dst io.Writer, src io.Reader, deflated bool) error {
	var plain io.Reader
	if deflated {
		plain = flate.NewReader(src)
	} else {
		z, err := gzip.NewReader(src)
		if err != nil {
			return err
		}
		plain = z
	}
	_, err := io.CopyBuffer(onlyWriter{dst}, plain, make([]byte, 8<<10))
	return err
}

type onlyWriter struct{ io.Writer }

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// finish ends the body's way round.
func (a *answer) finish(whole bool) {
	if a.closer == nil {
		return
	}
	if err := a.closer(); err != nil && whole {
		a.aborted = "scrub the answer: " + err.Error()
	}
}
