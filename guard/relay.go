package guard

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"sync"
	"time"

	"github.com/wiretight/wiretight/internal/origin"
)

// Handler protects the configured upstreams.
func (g *Guard) Handler() http.Handler { return g.handler(nil) }

// relay carries the exchange to its upstream and the answer back.
func (x *exchange) relay() {
	if x.route.upstream == nil {
		x.answer.instead(&refusal{rule: RuleMethod, kind: kindNotFound, reason: "no upstream is configured"})
		return
	}
	x.answer.relayed = true
	if x.r.ContentLength > x.policy.maxBody {
		x.upstreamFailed(&http.MaxBytesError{Limit: x.policy.maxBody})
		return
	}
	out := x.outgoing()
	// What goes directly is cut at its connection and needs no context, unless
	// the server may still turn out to want another way.
	direct := x.route.upstream.transport.takesDirectly(out)
	ctx, cancel := x.r.Context(), context.CancelFunc(func() {})
	if !direct || x.route.upstream.scheme == "https" {
		ctx, cancel = context.WithCancel(ctx)
	}
	defer cancel()
	x.flight.stream.Store(out.ContentLength < 0 || isGRPC(out.Header))
	x.guard.inflight.enter(x, cancel)
	defer x.guard.inflight.leave(x)
	res, err := x.roundTrip(ctx, out, direct)
	if err != nil {
		x.upstreamFailed(err)
		return
	}
	body := res.Body // which a tunnel takes out of res
	defer func() {
		x.answer.severable(nil) // the connection may be another's from here on
		_ = body.Close()        // the answer is out, or cut
	}()
	x.flight.stream.Store(isStream(res))
	if res.StatusCode == http.StatusSwitchingProtocols {
		x.tunnel(ctx, out, res)
		return
	}
	if res.StatusCode < 200 {
		x.upstreamFailed(fmt.Errorf("answers with status %03d", res.StatusCode))
		return
	}
	removeNamed(res.Header)
	h := x.w.Header()
	for name, values := range res.Header {
		if !hopByHop(name) && !unwanted(name) {
			h[name] = values
		}
	}
	announced := announceTrailers(h, res.Trailer)
	x.w.WriteHeader(res.StatusCode)
	if x.answer.replaced {
		return // by a refusal, and the rest concerns nobody
	}
	err = x.copyBody(res)
	if err == nil {
		err = x.answer.endBody(true)
	}
	if err != nil {
		x.answer.aborted = x.withoutSecrets(err.Error())
		panic(http.ErrAbortHandler) // the client must not take it for the end
	}
	x.copyTrailers(h, res, announced)
}

// outgoing makes the upstream's request from the canonical one. It takes over
// the header, which has nothing left to tell us.
func (x *exchange) outgoing() *http.Request {
	h := x.r.Header
	if x.hops {
		upgrade := isWebSocket(x.r)
		trailers := hasToken(h["Te"], "trailers")
		removeHops(h)
		if upgrade {
			h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
		}
		if trailers {
			h["Te"] = []string{"trailers"}
		}
	}
	delete(h, "Content-Length") // whoever sends the body says how long it is
	up := x.route.upstream
	room := new(struct { // both in one piece
		request http.Request
		url     url.URL
	})
	out, target := &room.request, &room.url
	*out = http.Request{Method: x.r.Method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Host: x.r.Host, ContentLength: x.r.ContentLength}
	*target = *x.r.URL
	target.Scheme, target.Host, target.User, target.Fragment = up.scheme, up.host, nil, ""
	if x.policy.forward != ForwardToken {
		x.hideQueryToken()
	}
	x.path.write(target)
	out.URL = target
	if x.r.ContentLength != 0 && x.r.Body != nil {
		out.Body = x.upload()
	}
	x.forwardAddress(h)
	acceptOnly(h)
	if err := x.forwardIdentity(h, up); err != nil {
		// Unreachable for a verified token; without an identity no upstream
		// takes the request for somebody's.
		x.removeToken(h)
	}
	return out
}

// upload is the request's body, bounded and watched.
func (x *exchange) upload() io.ReadCloser {
	x.flight.upload.Store(true)
	return &requestBody{ReadCloser: http.MaxBytesReader(x.w, x.r.Body, x.policy.maxBody), x: x}
}

// requestBody notes that an upload moves, how fast, and what became of it. It leaves
// closing to the server: Transport closes what it could not send, and the
// server would then read all of it first.
type requestBody struct {
	io.ReadCloser
	x *exchange
}

func (b *requestBody) Read(p []byte) (int, error) {
	begin := b.x.guard.now().UnixNano()
	b.x.flight.pace.since.Store(begin)
	n, err := b.ReadCloser.Read(p)
	end := b.x.guard.now().UnixNano()
	b.x.flight.active.Store(end)
	b.x.flight.pace.note(n, end-begin)
	if err != nil {
		b.x.flight.upload.Store(false)
		if !errors.Is(err, io.EOF) {
			b.x.flight.broken.CompareAndSwap(nil, &err)
		}
	}
	return n, err
}

func (b *requestBody) Close() error { return nil }

// roundTrip sends out and waits for the header of the answer.
func (x *exchange) roundTrip(ctx context.Context, out *http.Request, direct bool) (*http.Response, error) {
	t := x.route.upstream.transport
	start := time.Now()
	defer func() { x.upstreamTook = time.Since(start) }()
	if direct {
		res, err := t.direct.Do(ctx, out, x.answer.severable, x.informed)
		if !errors.Is(err, origin.ErrHTTP2) {
			x.keepsNothing() // Transport would
			return res, err
		}
		t.other.Store(true)
	}
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = []string{""} // else Transport sends its own
	}
	if t.h2c != nil && isGRPC(out.Header) {
		return t.h2c.RoundTrip(out.WithContext(ctx))
	}
	hints := &hints{x: x}
	defer hints.end()
	return t.http.RoundTrip(out.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: hints.got})))
}

// informed passes on what an upstream says before it answers. 100 Continue is
// the server's to say, when the body is asked for.
func (x *exchange) informed(status int, header http.Header) {
	if status == http.StatusContinue || status == http.StatusSwitchingProtocols {
		return
	}
	h := x.w.Header()
	if links := header["Link"]; len(links) > 0 {
		h["Link"] = links
	}
	x.w.WriteHeader(status)
	delete(h, "Link")
}

// hints takes 1xx answers from Transport, which tells of them on a goroutine of
// its own, maybe when the request has been given up already.
type hints struct {
	x  *exchange
	mu sync.Mutex
	n  int
}

// maxHints is how many 1xx answers may come before the answer.
const maxHints = 5

func (h *hints) got(status int, header textproto.MIMEHeader) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n++; h.n > maxHints {
		return errors.New("sends 1xx answers without end")
	}
	h.x.informed(status, http.Header(header))
	return nil
}

func (h *hints) end() {
	h.mu.Lock()
	h.n = maxHints
	h.mu.Unlock()
}

// copyBody sends the answer's body on, at once where it is a stream.
func (x *exchange) copyBody(res *http.Response) error {
	if res.ContentLength == 0 && len(res.Trailer) == 0 || res.Body == http.NoBody {
		return nil
	}
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	stream := x.flight.stream.Load()
	if stream {
		if err := x.answer.FlushError(); err != nil {
			return err
		}
	}
	for {
		n, err := res.Body.Read(buf[:])
		if n > 0 {
			if _, werr := x.w.Write(buf[:n]); werr != nil {
				return werr
			}
			if stream {
				if ferr := x.answer.FlushError(); ferr != nil {
					return ferr
				}
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// upstreamFailed answers when there is no answer to forward.
func (x *exchange) upstreamFailed(err error) {
	if x.answer.wrote {
		panic(http.ErrAbortHandler)
	}
	f := &refusal{kind: kindBadGateway, reason: "upstream " + x.route.upstream.name + ": " + x.withoutSecrets(err.Error())}
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	var unknown x509.UnknownAuthorityError
	cut, broken := x.flight.cut.p.Load(), x.flight.broken.Load()
	if broken != nil {
		err = errors.Join(*broken, err)
	}
	switch {
	case errors.As(err, &tooLarge):
		f = &refusal{kind: kindTooLarge, reason: "request body over the limit"}
	case broken != nil && malformed(*broken):
		f = &refusal{rule: RuleHeaders, kind: kindMalformed, reason: (*broken).Error()}
	case cut != nil && cut.kind != nil:
		f = &refusal{rule: cut.rule, kind: cut.kind, reason: cut.reason, close: true}
	case x.r.Context().Err() != nil:
		x.answer.aborted = clientGone.reason
		panic(http.ErrAbortHandler)
	case broken != nil:
		f = &refusal{kind: kindInvalidRequest, reason: "request body: " + (*broken).Error(), close: true}
	case errors.As(err, &unknown):
		f.reason += " (give its CA as upstreams.ca)"
	case errors.As(err, &timeout) && timeout.Timeout():
		f.kind = kindGatewayTimeout
	}
	clear(x.w.Header())
	x.answer.refused = f
	f.write(x.w, x.r.Method, x.id)
}

// malformed reports errors of a body that mean that it is none, over HTTP/2
// alone: then its stream has been reset, and looks like one whose client is gone.
func malformed(err error) bool {
	var what interface{ Malformed() }
	return errors.As(err, &what)
}
