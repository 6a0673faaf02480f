package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/extauthz"
)

// trial is a proxy under test: what is sent to it and what it answers.
type trial struct {
	url    *url.URL
	path   string // without the slash at its end
	token  string // empty: none
	client *http.Client
	id     string
	local  netip.Addr // whence the proxy sees us come
	sent   []shot
}

// shot is one marked request and its answer.
type shot struct {
	mark, method, target string
	header               http.Header
	body                 string

	status   int
	answered http.Header
	text     string
}

// The names that no client may use, and what a shot writes there.
var faked = map[string]string{
	"X-Forwarded-Method": "DELETE", "X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "fake.wiretight.invalid",
	"X-Forwarded-Uri": "/fake-by-wiretight", "X-Forwarded-For": "192.0.2.77",
}

// passedOn are headers of clients that decisions need, with values by which they
// are known again.
var passedOn = [...][2]string{
	{"Authorization", "Bearer wiretight-probe"},
	{"Dpop", "wiretight-probe-proof"},
	{"Cookie", "wiretight-probe=1"},
	{"Origin", "https://probe.wiretight.invalid"},
	{"Sec-Fetch-Site", "cross-site"},
	{"Access-Control-Request-Method", "GET"},
	{"Sec-Websocket-Key", "d2lyZXRpZ2h0LXByb2JlIQ=="},
}

// spoof is what a client writes into headers of identity. Whoever finds it
// behind the proxy has believed it.
const spoof = "spoofed-by-wiretight"

// connect makes the client, which follows nothing and speaks HTTP/1.1, so that
// every request arrives as it is written here.
func (t *trial) connect(roots *x509.CertPool, dialTo string) {
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Protocols: new(http.Protocols), DisableCompression: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dialTo != "" {
				addr = dialTo
			}
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
	}
	tr.Protocols.SetHTTP1(true)
	t.client = &http.Client{Transport: tr, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// run sends everything.
func (t *trial) run(ctx context.Context) error {
	defer t.client.CloseIdleConnections()
	t.sent = t.shots()
	for i := range t.sent {
		if err := t.send(ctx, &t.sent[i]); err != nil {
			return err
		}
	}
	return nil
}

// shots are the requests of a trial.
func (t *trial) shots() []shot {
	at := func(tail, query, mark string) string {
		path := t.path + tail
		if path == "" {
			path = "/"
		}
		return path + "?" + query + extauthz.MarkParameter + "=" + t.id + "-" + mark
	}
	all := []shot{
		{mark: "get", method: http.MethodGet, target: at("", "", "get")},
		{mark: "post", method: http.MethodPost, target: at("", "", "post"), body: "wiretight"},
		{mark: "put", method: http.MethodPut, target: at("", "", "put"), body: "wiretight"},
		{mark: "head", method: http.MethodHead, target: at("", "", "head")},
		{mark: "query", method: http.MethodGet, target: at("/a%20b%C3%A9", "x=1&y=%2F..%2F%41&", "query")},
		{mark: "dots", method: http.MethodGet, target: at("/x/../y", "", "dots")},
		{mark: "slashes", method: http.MethodGet, target: at("/x//y", "", "slashes")},
		{mark: "refuse1", method: http.MethodGet, target: at("", "", "refuse1")},
	}
	fake := shot{mark: "fake", method: http.MethodGet, target: at("", "", "fake"), header: http.Header{}}
	for name, value := range faked {
		fake.header.Set(name, value)
	}
	pass := shot{mark: "pass", method: http.MethodGet, target: at("", "", "pass"), header: http.Header{}}
	for _, h := range passedOn {
		pass.header.Set(h[0], h[1])
	}
	spoofed := shot{mark: "spoof", method: http.MethodGet, target: at("", "", "spoof"), header: http.Header{
		"X-Auth-Subject": {spoof}, "X-Auth-Claims": {spoof}, "X_auth_subject": {spoof}, "X-Auth-Scopes": {spoof},
	}}
	if t.token != "" {
		spoofed.header.Set("Authorization", "Bearer "+t.token)
	}
	return append(all, fake, pass, spoofed)
}

// send sends one shot and keeps the answer.
func (t *trial) send(ctx context.Context, s *shot) error {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if a, ok := c.Conn.LocalAddr().(*net.TCPAddr); ok {
			t.local = a.AddrPort().Addr().Unmap().WithZone("")
		}
	}})
	var body io.Reader
	if s.body != "" {
		body = strings.NewReader(s.body)
	}
	r, err := http.NewRequestWithContext(ctx, s.method, t.url.Scheme+"://"+t.url.Host+"/", body)
	if err != nil {
		return err
	}
	r.URL.Path, r.URL.Opaque = "", s.target // sent as it is
	for name, values := range s.header {
		r.Header[name] = values
	}
	r.Header.Set(extauthz.MarkHeader, t.id+"-"+s.mark)
	res, err := t.client.Do(r)
	if err != nil {
		return fmt.Errorf("%s %s: %w", s.method, t.url.Redacted(), unwrapURL(err))
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the answer to %s %s: %w", s.method, t.url.Redacted(), err)
	}
	s.status, s.answered, s.text = res.StatusCode, res.Header, string(text)
	return nil
}

// unwrapURL leaves the URL out of an error, which holds the mark.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
