package scan

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// message is a request as it goes out.
type message struct {
	end    endpoint
	method string
	url    string // for the Response
	bytes  []byte
	fresh  bool
	// genuine says that the bytes hold a credential which must not be shown.
	genuine bool
	body    int64 // the most that is read of the answer's body
	timeout time.Duration
}

// exchange sends m and reads the answer. However the peer behaves, it returns
// within m.timeout and holds no more than the limits.
func (w *wire) exchange(ctx context.Context, m message) (*Response, error) {
	deadline := time.Now().Add(m.timeout)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	for {
		c, err := w.get(ctx, m.end, m.fresh)
		if err != nil {
			return nil, err
		}
		if m.genuine && !c.private {
			c.Close()
			return nil, ErrExposed
		}
		_ = c.SetDeadline(deadline) // a connection that cannot have one fails when it is used
		stop := context.AfterFunc(ctx, func() { c.Close() })
		r, silent, err := c.converse(m)
		// A server may close an idle connection just when it is used again.
		if err != nil && c.reused && silent && ctx.Err() == nil {
			stop()
			c.Close()
			continue
		}
		if keep := stop() && err == nil && r.reusable && !m.fresh; keep {
			w.put(c)
		} else {
			c.Close()
		}
		if err != nil {
			return nil, cause(ctx, err)
		}
		return r.Response, nil
	}
}

func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return err
}

// answer is a Response and whether the connection can carry another.
type answer struct {
	*Response
	reusable bool
}

// converse writes m and reads the answer. silent says that the peer has not
// answered with a single byte.
func (c *connection) converse(m message) (a answer, silent bool, err error) {
	began := time.Now()
	// A server that refuses may hang up before it has read all, and its answer
	// is still there to be read.
	_, werr := c.Write(m.bytes)
	c.limit.N = maxHeader
	if _, err := c.reader.Peek(1); err != nil {
		if werr != nil {
			err = werr
		}
		return a, true, fmt.Errorf("read the answer: %w", err)
	}
	for interim := 0; ; interim++ {
		res, err := http.ReadResponse(c.reader, &http.Request{Method: m.method})
		switch {
		case err != nil && c.limit.N <= 0:
			return a, false, errHeaderSize
		case err != nil:
			return a, false, fmt.Errorf("read the answer: %w", err)
		case res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols:
			a := c.finish(res, m, began)
			return a, false, nil
		case interim == 4:
			return a, false, errors.New("read the answer: one interim answer after another")
		}
	}
}

// finish reads the body, as far as there is one to wait for.
func (c *connection) finish(res *http.Response, m message, began time.Time) answer {
	r := &Response{
		Status: res.StatusCode, Proto: res.Proto, Header: res.Header,
		TLS: c.state, Method: m.method, URL: m.url,
	}
	media := mediaType(res.Header)
	endless := res.StatusCode == http.StatusSwitchingProtocols || media == "text/event-stream" || strings.HasPrefix(media, "multipart/x-mixed")
	ended := false
	if !endless {
		c.limit.N = m.body + maxOverhead // chunks and trailers have their price
		r.Body, ended = readBody(res, m.body)
		r.Truncated = !ended
	}
	r.Took = time.Since(began)
	r.Class = classOf(r, media)
	return answer{r, ended && !res.Close && c.reader.Buffered() == 0}
}

// readBody reads at most limit bytes, inflated. ended tells whether that was all.
func readBody(res *http.Response, limit int64) (body []byte, ended bool) {
	src, err := inflate(res.Header.Get("Content-Encoding"), res.Body)
	if err != nil {
		return nil, false
	}
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(src, limit+1))
	if int64(b.Len()) > limit {
		return b.Bytes()[:limit], false
	}
	if err == nil {
		// The compressed stream may end before the body does.
		_, err = io.CopyN(io.Discard, res.Body, 1)
		return b.Bytes(), errors.Is(err, io.EOF)
	}
	return b.Bytes(), false
}

// inflate undoes the encodings that the standard library knows. Others are left
// as they are.
func inflate(encoding string, r io.Reader) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "gzip", "x-gzip":
		var first [1]byte
		n, err := io.ReadFull(r, first[:])
		if n == 0 && errors.Is(err, io.EOF) {
			return r, nil // as of a HEAD
		}
		return gzip.NewReader(io.MultiReader(bytes.NewReader(first[:n]), r))
	case "deflate":
		var head [2]byte
		n, _ := io.ReadFull(r, head[:])
		all := io.MultiReader(bytes.NewReader(head[:n]), r)
		if n == 2 && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
			return zlib.NewReader(all)
		}
		return flate.NewReader(all), nil
	}
	return r, nil
}

func mediaType(h http.Header) string {
	v := h.Get("Content-Type")
	media, _, err := mime.ParseMediaType(v)
	if err != nil {
		media, _, _ = strings.Cut(v, ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	return media
}

// retryAfter reads how long a 429 or 503 asks to wait. Zero: it does not say.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseFloat(v, 64); err == nil && s >= 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
