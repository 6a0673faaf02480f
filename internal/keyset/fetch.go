package keyset

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	fetchTimeout = 5 * time.Second // for a fetch in all
	maxBody      = 1 << 20         // bytes of a key set, or of metadata
	maxRedirects = 3
	maxETag      = 1 << 10 // bytes; longer ones are not remembered
)

// fetcher asks one issuer for its keys. It is immutable.
type fetcher struct {
	url              *url.URL
	discovery        bool
	issuer           string
	secure, loopback http.RoundTripper
}

func newFetcher(u *url.URL, r Remote) *fetcher {
	return &fetcher{
		url:       u,
		discovery: r.Discovery,
		issuer:    r.Issuer,
		secure:    newTransport(r, false),
		loopback:  newTransport(r, true),
	}
}

func tlsConfig(ca *x509.CertPool) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca}
}

// fetch gets the key set. known, which may be nil, is the last good answer; it
// spares the body where the issuer says that nothing has changed. ctx bounds
// everything.
func (f *fetcher) fetch(ctx context.Context, known *answer) (*answer, error) {
	at := f.url
	if f.discovery {
		var err error
		if at, err = f.discover(ctx); err != nil {
			return nil, err
		}
	}
	got, err := f.get(ctx, at, known)
	if err != nil {
		return nil, err
	}
	if got.status == http.StatusNotModified {
		return known.renewed(got.header), nil
	}
	a, err := parseAnswer(got.body)
	if err != nil {
		return nil, fmt.Errorf("key set at %s: %w", redact(got.url), err)
	}
	a.url = got.url
	a.pace, _ = pace(got.header)
	if tag := got.header.Get("ETag"); len(tag) <= maxETag {
		a.etag = tag
	}
	return a, nil
}

// reply is what a URL, after its redirects, has answered: 200 with a body, or
// 304 without.
type reply struct {
	url    string
	status int
	header http.Header
	body   []byte
}

// get follows redirects itself, because each hop must pass the rules that the
// first URL has passed, and stricter ones.
func (f *fetcher) get(ctx context.Context, u *url.URL, known *answer) (reply, error) {
	for hop := 0; ; hop++ {
		got, next, err := f.hop(ctx, u, known)
		if err != nil {
			return reply{}, fmt.Errorf("get %s: %w", redact(u.String()), err)
		}
		if next == "" {
			return got, nil
		}
		if hop == maxRedirects {
			return reply{}, fmt.Errorf("get %s: more than %d redirects", redact(f.url.String()), maxRedirects)
		}
		to, err := u.Parse(next)
		if err != nil {
			return reply{}, fmt.Errorf("get %s: redirects to something that is not a URL", redact(u.String()))
		}
		if u, err = parseURL(to.String(), false); err != nil {
			return reply{}, fmt.Errorf("redirect to %s: %w", redact(to.String()), err)
		}
	}
}

// hop makes one request. next is where it was redirected to, if it was.
func (f *fetcher) hop(ctx context.Context, u *url.URL, known *answer) (got reply, next string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return reply{}, "", errors.New("not a URL")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	req.Header.Set("User-Agent", "wiretight")
	asked := known != nil && known.etag != "" && known.url == u.String()
	if asked {
		req.Header.Set("If-None-Match", known.etag)
	}
	transport := f.secure
	if u.Scheme == "http" {
		transport = f.loopback
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return reply{}, "", err
	}
	defer func() { _ = resp.Body.Close() }() // everything that is used was read by then
	got = reply{url: u.String(), status: resp.StatusCode, header: resp.Header}
	switch resp.StatusCode {
	case http.StatusOK:
		got.body, err = readBody(resp.Body)
		return got, "", err
	case http.StatusNotModified:
		if !asked {
			return reply{}, "", errors.New("answers 304 Not Modified to a request without condition")
		}
		return got, "", nil
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if next = resp.Header.Get("Location"); next == "" {
			return reply{}, "", fmt.Errorf("answers %d without Location", resp.StatusCode)
		}
		return reply{}, next, nil
	}
	return reply{}, "", statusError(resp.StatusCode)
}

func readBody(r io.Reader) ([]byte, error) {
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(r, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if n > maxBody {
		return nil, fmt.Errorf("body is longer than %d bytes", maxBody)
	}
	return buf.Bytes(), nil
}

// statusError is an answer other than 200.
type statusError int

func (e statusError) Error() string {
	if text := http.StatusText(int(e)); text != "" {
		return fmt.Sprintf("answers %d %s", int(e), text)
	}
	return fmt.Sprintf("answers %d", int(e))
}
