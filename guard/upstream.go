package guard

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wiretight/wiretight/internal/origin"
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
	direct *origin.Client  // HTTP/1.1 with no request body or a small one
	http   *http.Transport // everything else
	h2c    *http.Transport // gRPC without TLS
	other  atomic.Bool     // the server chose HTTP/2, so that nothing goes directly
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
	below := dial
	if u.scheme == "https" {
		below = origin.UntilSaid(dial)
	}
	newTransport := func(protocols *http.Protocols) *http.Transport {
		return &http.Transport{
			DialContext:            below,
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
		fallthrough
	case "https":
		direct := origin.Config{
			Dial:          func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", hostPort(u.scheme, u.host)) },
			HeaderTimeout: timeout, IdleTimeout: idleUpstream, MaxIdle: maxIdle, MaxHeader: maxAnswer,
		}
		if u.scheme == "https" {
			direct.TLS = upstreamTLS(c, risks)
			direct.TLS.ServerName = target.Hostname()
		}
		u.transport.direct = origin.New(direct)
	case "h2c":
		u.scheme = "http"
		u.transport.http = newTransport(clear)
	}
	return u, nil
}

// hostPort adds the port that a scheme stands for.
func hostPort(scheme, host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), map[string]string{"http": "80", "https": "443"}[scheme])
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
	if u.transport.direct != nil {
		u.transport.direct.CloseIdle()
	}
	if u.transport.h2c != nil {
		u.transport.h2c.CloseIdleConnections()
	}
}

func isGRPC(h http.Header) bool {
	ct := h["Content-Type"]
	return len(ct) == 1 && strings.HasPrefix(ct[0], "application/grpc")
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

// copyBuffers lends the buffers that bodies are copied through.
var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

const copyBuffer = 32 << 10

// takesDirectly reports whether the lean client can carry a request.
func (t *transport) takesDirectly(out *http.Request) bool {
	return t.direct != nil && !t.other.Load() && !isGRPC(out.Header) && origin.Takes(out)
}
