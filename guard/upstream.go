package guard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"
)

// upstream is an Upstream made ready.
type upstream struct {
	cfg       Upstream
	name      string
	audience  string
	scheme    string // of the URL that the transport sees
	host      string
	transport *transport
}

// transport holds the connections to one upstream. A reload that changes
// nothing about the upstream keeps it.
type transport struct {
	http *http.Transport
	h2c  *http.Transport // for gRPC over a plain connection; nil with TLS
}

const (
	dialTimeout = 5 * time.Second
	// idleUpstream is shorter than uvicorn's five seconds, so that it is we
	// who end an idle connection and no request is lost to a closing one.
	idleUpstream = 4 * time.Second
	maxIdle      = 512
	maxAnswer    = 1 << 20 // bytes of header in an answer
)

func newUpstream(c *Upstream, risks []string) (*upstream, error) {
	target, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	u := &upstream{cfg: *c, name: c.Name, audience: c.Audience, scheme: target.Scheme, host: target.Host}
	if u.audience == "" {
		u.audience = c.Name
	}
	dial := (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	if target.Scheme == "unix" {
		u.scheme, u.host = "http", "localhost"
		dial = dialUnix(target.Path)
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	newTransport := func(protocols *http.Protocols) *http.Transport {
		return &http.Transport{
			DialContext:            dial,
			TLSClientConfig:        upstreamTLS(c, risks),
			TLSHandshakeTimeout:    dialTimeout,
			ResponseHeaderTimeout:  timeout,
			ExpectContinueTimeout:  time.Second,
			IdleConnTimeout:        idleUpstream,
			MaxIdleConns:           0,
			MaxIdleConnsPerHost:    maxIdle,
			MaxResponseHeaderBytes: maxAnswer,
			DisableCompression:     true,
			WriteBufferSize:        4 << 10,
			ReadBufferSize:         4 << 10,
			Protocols:              protocols,
		}
	}
	both, clear := new(http.Protocols), new(http.Protocols)
	both.SetHTTP1(true)
	both.SetHTTP2(true)
	clear.SetUnencryptedHTTP2(true)
	u.transport = &transport{http: newTransport(both)}
	switch u.scheme {
	case "http":
		u.transport.h2c = newTransport(clear)
	case "h2c":
		u.scheme = "http"
		u.transport.http = newTransport(clear)
	}
	return u, nil
}

func dialUnix(path string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		d := net.Dialer{Timeout: dialTimeout}
		return d.DialContext(ctx, "unix", path)
	}
}

// upstreamTLS always verifies, unless both the upstream and the configuration
// as a whole say that they accept the risk.
func upstreamTLS(c *Upstream, risks []string) *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.CA}
	if c.Certificate != nil {
		cfg.Certificates = []tls.Certificate{*c.Certificate}
	}
	cfg.InsecureSkipVerify = c.Insecure && accepted(risks, riskUnverifiedCA)
	return cfg
}

// inherit takes over the connections of the same upstream.
func (u *upstream) inherit(was *upstream) {
	a, b := u.cfg, was.cfg
	samePool := a.CA == b.CA || a.CA != nil && b.CA != nil && a.CA.Equal(b.CA)
	a.CA, b.CA = nil, nil
	a.Audience, b.Audience = "", ""
	if samePool && reflect.DeepEqual(a, b) &&
		u.transport.http.TLSClientConfig.InsecureSkipVerify == was.transport.http.TLSClientConfig.InsecureSkipVerify {
		u.transport = was.transport
	}
}

func (u *upstream) closeIdle() {
	u.transport.http.CloseIdleConnections()
	if u.transport.h2c != nil {
		u.transport.h2c.CloseIdleConnections()
	}
}

// RoundTrip sends a request that Rewrite has made, and measures the wait for
// the answer's header.
func (g *Guard) roundTrip(out *http.Request) (*http.Response, error) {
	x := exchangeOf(out.Context())
	up := x.route.upstream
	t := up.transport.http
	if up.transport.h2c != nil && isGRPC(out.Header) {
		t = up.transport.h2c
	}
	x.upstreamStart = time.Now()
	res, err := t.RoundTrip(out)
	x.upstreamTook = time.Since(x.upstreamStart)
	return res, err
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func isGRPC(h http.Header) bool {
	ct := h["Content-Type"]
	return len(ct) == 1 && strings.HasPrefix(ct[0], "application/grpc")
}

func exchangeOf(ctx context.Context) *exchange {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		panic("guard: an upstream handler outside of a Guard")
	}
	return x
}

// Handler protects the configured upstreams.
func (g *Guard) Handler() http.Handler {
	return g.Wrap(&httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      roundTripper(g.roundTrip),
		ModifyResponse: modifyUpgrade,
		ErrorHandler:   upstreamFailed,
		BufferPool:     &copyBuffers{},
		ErrorLog:       log.New(io.Discard, "", 0), // each failure is in the request's own record
	})
}

// rewrite makes the upstream's request from the canonical one.
func rewrite(pr *httputil.ProxyRequest) {
	x := exchangeOf(pr.In.Context())
	up := x.route.upstream
	pr.Out.URL.Scheme, pr.Out.URL.Host = up.scheme, up.host
	pr.Out.URL.RawQuery, pr.Out.URL.ForceQuery = x.path.query, x.path.hasQuery && x.path.query == ""
	pr.Out.Host = pr.In.Host
	pr.Out.Trailer = nil
	x.forwardAddress(pr.Out.Header)
	acceptOnly(pr.Out.Header)
	if err := x.forwardIdentity(pr.Out.Header, up); err != nil {
		// Unreachable for a verified token; without an identity no upstream
		// takes the request for somebody's.
		x.removeToken(pr.Out.Header)
	}
}

// acceptOnly offers the upstream no compression that the guard cannot look
// into when it has to scrub an error answer.
func acceptOnly(h http.Header) {
	accept := h["Accept-Encoding"]
	if len(accept) == 0 {
		return
	}
	if len(accept) == 1 && (accept[0] == "gzip" || accept[0] == "identity") {
		return
	}
	for _, line := range accept {
		for coding := range strings.SplitSeq(line, ",") {
			name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") && !zeroWeight(weight) {
				h["Accept-Encoding"] = []string{"gzip"}
				return
			}
		}
	}
	h["Accept-Encoding"] = []string{"identity"}
}

func zeroWeight(parameter string) bool {
	q, ok := strings.CutPrefix(strings.ReplaceAll(parameter, " ", ""), "q=")
	return ok && strings.Trim(q, "0.") == ""
}

// modifyUpgrade guards the header of a 101, which does not pass WriteHeader.
func modifyUpgrade(res *http.Response) error {
	x := exchangeOf(res.Request.Context())
	x.flight.stream.Store(isStream(res))
	if res.StatusCode == http.StatusSwitchingProtocols {
		if reason := x.answer.guardHeader(res.Header, res.StatusCode); reason != "" {
			return errors.New(reason)
		}
	}
	return nil
}

// upstreamFailed answers when there is no answer to forward.
func upstreamFailed(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r.Context())
	if x.answer.wrote {
		panic(http.ErrAbortHandler)
	}
	f := &refusal{kind: kindBadGateway, reason: "upstream " + x.route.upstream.name + ": " + err.Error()}
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &tooLarge):
		f = &refusal{kind: kindTooLarge, reason: "request body over the limit"}
	case x.flight.cut.Load() != "":
		f = &refusal{rule: RuleExpired, kind: kindExpired, reason: x.flight.cut.Load()}
	case r.Context().Err() != nil:
		x.answer.aborted = "client went away"
		panic(http.ErrAbortHandler)
	case errors.As(err, &unknown):
		f.reason += " (give its CA as upstreams.ca)"
	case errors.As(err, &timeout) && timeout.Timeout():
		f.kind = kindGatewayTimeout
	}
	x.answer.refused = f
	f.write(w, r.Method, x.id)
}

// copyBuffers lends the buffers that bodies are copied through.
type copyBuffers struct{ pool sync.Pool }

const copyBuffer = 32 << 10

func (b *copyBuffers) Get() []byte {
	if p, ok := b.pool.Get().(*[copyBuffer]byte); ok {
		return p[:]
	}
	return make([]byte, copyBuffer)
}

func (b *copyBuffers) Put(buf []byte) {
	if len(buf) == copyBuffer {
		b.pool.Put((*[copyBuffer]byte)(buf))
	}
}
