package scan

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const userAgent = "wiretight-scan"

// Do sends one request within the budget and the rate. It backs off at 429 and
// 503 and tries again, unless r says no. An error means that no usable answer
// came.
func (t *Target) Do(ctx context.Context, r Request) (*Response, error) {
	u, err := t.resolve(r)
	if err != nil {
		return nil, err
	}
	if _, err := url.Parse("http://x" + r.Path); err != nil && r.RawTarget == "" && r.URL == "" {
		r.RawTarget = r.Path // odd paths are what some checks are about
	}
	for hop := 0; ; hop++ {
		res, err := t.send(ctx, r, u, maxBody)
		if err != nil || hop >= r.Follow {
			return res, err
		}
		next, ok := t.redirect(r, u, res)
		if !ok {
			return res, nil
		}
		if res.Status == http.StatusSeeOther || (res.Status < 307 && r.Method != "HEAD") {
			r.Method, r.Body = "GET", nil
		}
		u, r.RawTarget = next, ""
	}
}

// resolve finds the URL that r means.
func (t *Target) resolve(r Request) (*url.URL, error) {
	if r.URL == "" {
		u := t.Base()
		if r.Path != "" {
			if p, err := url.Parse("http://x" + r.Path); err == nil {
				u.Path, u.RawPath, u.RawQuery = p.Path, p.RawPath, p.RawQuery
			}
		}
		return t.port(u, r), nil
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, fmt.Errorf("read the URL of a request: %w", err)
	}
	if !strings.EqualFold(u.Hostname(), t.base.Hostname()) {
		return nil, fmt.Errorf("%q is not on the target's host", u.Host)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is neither http nor https", r.URL)
	}
	return t.port(u, r), nil
}

// port applies Plain and Port.
func (t *Target) port(u *url.URL, r Request) *url.URL {
	if r.Plain && u.Scheme == "https" {
		u.Scheme = "http"
		if u.Port() == "443" {
			u.Host = hostPort(u.Hostname(), "")
		}
	}
	if r.Port > 0 {
		u.Host = hostPort(u.Hostname(), strconv.Itoa(r.Port))
	}
	return u
}

func hostPort(host, port string) string {
	if port == "" {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, port)
}

// redirect tells where a redirect leads, if it may be followed.
func (t *Target) redirect(r Request, from *url.URL, res *Response) (*url.URL, bool) {
	if res.Status < 301 || res.Status > 308 || res.Header.Get("Location") == "" {
		return nil, false
	}
	u, err := from.Parse(res.Header.Get("Location"))
	if err != nil || !strings.EqualFold(u.Hostname(), from.Hostname()) || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, false
	}
	if from.Scheme == "https" && u.Scheme == "http" && (r.credential || t.genuine(encode(r, u)) || hasCredential(r.Header)) {
		return nil, false
	}
	return u, true
}

func hasCredential(h http.Header) bool {
	for k := range h {
		if strings.EqualFold(k, "Authorization") || strings.EqualFold(k, "Cookie") {
			return true
		}
	}
	return false
}

// send makes one request, and the same again after a pause that the target asks
// for. No more than limit bytes of the answer's body are kept.
func (t *Target) send(ctx context.Context, r Request, u *url.URL, limit int64) (*Response, error) {
	if err := sendable(r, u); err != nil {
		return nil, err
	}
	text := encode(r, u)
	m := message{
		method: cmp.Or(r.Method, "GET"), url: u.String(), bytes: text, fresh: r.NoKeepAlive || r.HTTP10,
		genuine: r.credential || t.genuine(text), body: limit, timeout: t.timeout(), end: t.endpoint(r, u),
	}
	m.end.credential = m.genuine
	ordinary := m.end.addr == t.addr && m.end.tls == t.HTTPS() && r.SNI == "" && limit <= maxBody
	for try := 0; ; try++ {
		if err := t.budget.take(ctx); err != nil {
			return nil, err
		}
		res, err := t.wire.exchange(ctx, m)
		t.budget.give()
		if err != nil {
			if ordinary && ctx.Err() == nil && !errors.Is(err, ErrExposed) {
				t.budget.heard(0, err)
			}
			return nil, err
		}
		t.budget.heard(res.Status, nil)
		if r.NoRetry || try == 2 || (res.Status != http.StatusTooManyRequests && res.Status != http.StatusServiceUnavailable) {
			return res, nil
		}
		if !t.budget.pause(cmp.Or(retryAfter(res.Header, t.now()), time.Duration(200<<try)*time.Millisecond)) {
			return res, nil
		}
	}
}

func (t *Target) endpoint(r Request, u *url.URL) endpoint {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	e := endpoint{addr: net.JoinHostPort(u.Hostname(), port), tls: u.Scheme == "https"}
	if e.tls {
		e.sni = cmp.Or(r.SNI, u.Hostname())
	}
	return e
}

// sendable refuses what would end a line early: that is another request, and not
// this one.
func sendable(r Request, u *url.URL) error {
	bad := func(s string) bool { return strings.ContainsAny(s, "\r\n\x00") }
	switch {
	case bad(r.Method) || strings.Contains(r.Method, " "):
		return fmt.Errorf("the method %q cannot be sent", r.Method)
	case bad(r.RawTarget) || bad(r.Host):
		return errors.New("a request line or host with a line break cannot be sent")
	}
	for k, list := range r.Header {
		for _, v := range list {
			if bad(k) || bad(v) {
				return fmt.Errorf("a value of the header %q has a line break or NUL and cannot be sent", k)
			}
		}
	}
	return nil
}

// encode writes the request as it goes over the wire.
func encode(r Request, u *url.URL) []byte {
	var b bytes.Buffer
	target := cmp.Or(r.RawTarget, requestTarget(u))
	version := "HTTP/1.1"
	if r.HTTP10 {
		version = "HTTP/1.0"
	}
	fmt.Fprintf(&b, "%s %s %s\r\n", cmp.Or(r.Method, "GET"), target, version)
	field := func(name, value string) {
		for k := range r.Header {
			if strings.EqualFold(k, name) {
				return
			}
		}
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	field("Host", cmp.Or(r.Host, u.Host))
	field("User-Agent", userAgent)
	field("Accept", "*/*")
	names := make([]string, 0, len(r.Header))
	for k := range r.Header {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		for _, v := range r.Header[k] {
			fmt.Fprintf(&b, "%s: %s\r\n", k, v)
		}
	}
	if len(r.Body) > 0 || slices.Contains([]string{"POST", "PUT", "PATCH"}, r.Method) {
		field("Content-Length", strconv.Itoa(len(r.Body)))
	}
	if r.NoKeepAlive {
		field("Connection", "close")
	}
	b.WriteString("\r\n")
	b.Write(r.Body)
	return b.Bytes()
}

func requestTarget(u *url.URL) string {
	if s := u.RequestURI(); u.Path == "" || strings.HasPrefix(u.Path, "/") {
		return s
	}
	return u.Path
}

// Dial opens a connection to the target's port. It counts as a request.
func (t *Target) Dial(ctx context.Context) (net.Conn, error) {
	if err := t.budget.take(ctx); err != nil {
		return nil, err
	}
	defer t.budget.give()
	ctx, cancel := context.WithTimeout(ctx, t.timeout())
	defer cancel()
	return t.wire.dial(ctx, "tcp", t.addr)
}
