package keyset

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Remote says where an issuer publishes its keys.
type Remote struct {
	// URL is the key set's: https, or http on loopback, without user and
	// fragment. With Discovery it is the issuer's, and may be left empty when
	// Issuer is that URL.
	URL string
	// Discovery finds the key set through the issuer's metadata (OpenID Connect
	// Discovery 1.0 §4, else RFC 8414 §3).
	Discovery bool
	// Issuer must equal the metadata's issuer byte for byte (RFC 8414 §3.3). It
	// is needed with Discovery only.
	Issuer string
	// CA verifies the servers. Nil: the system's roots.
	CA *x509.CertPool
	// Logger hears of skipped keys, of failures and of recoveries. Nil: nobody.
	Logger *slog.Logger
	// Now is the clock that ages are taken from. Nil: time.Now. Waits use
	// timers of their own.
	Now func() time.Time
}

// NewRemote validates and gives a Source that has no keys until Run or Refetch
// has fetched them. It does no I/O.
func NewRemote(r Remote) (*Source, error) {
	if r.Discovery && r.Issuer == "" {
		return nil, errors.New("discovery without an issuer: name the issuer that the metadata must show")
	}
	if r.Discovery && r.URL == "" {
		r.URL = r.Issuer
	}
	u, err := parseURL(r.URL, true)
	if err != nil {
		return nil, fmt.Errorf("key set URL %s: %w", redact(r.URL), err)
	}
	if r.Discovery && u.RawQuery != "" {
		return nil, fmt.Errorf("key set URL %s: an issuer has no query (RFC 8414 §2); write the key set's own URL instead", redact(r.URL))
	}
	if r.Logger == nil {
		r.Logger = slog.New(slog.DiscardHandler)
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	s := &Source{
		kind: kindRemote, remote: r, now: r.Now, name: redact(r.URL),
		missing: missing{}, warned: map[string]bool{},
	}
	s.fetcher = newFetcher(u, r)
	s.state.Store(&state{
		err:      fmt.Errorf("%w: the keys from %s were not fetched yet", ErrUnavailable, s.name),
		replaced: make(chan struct{}),
	})
	return s, nil
}

// parseURL accepts https, and http to a loopback host where plain allows it.
// Its errors never repeat the input, which may hold a password.
func parseURL(raw string, plain bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Hostname() == "" {
		return nil, errors.New("not an absolute URL; write https://HOST/PATH")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("holds a user name or password; key sets are public, leave it out")
	case strings.Contains(u.Hostname(), "%"):
		return nil, errors.New("has an address with a zone, which only link-local ones need; give a URL that leads to the issuer itself")
	case u.Fragment != "":
		return nil, errors.New("has a fragment; leave it out")
	case u.Scheme == "http" && !plain:
		return nil, errors.New("leads to http, where anybody can put keys of their own; only https is followed")
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		return nil, errors.New("http is accepted on loopback only; write https://")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("neither https nor http on loopback; write https://HOST/PATH")
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && forbidden(addr) {
		return nil, forbiddenError{addr}
	}
	return u, nil
}

// redact shows a URL without what may be secret: user, query and fragment.
func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "(not a URL)"
	}
	return shorten((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
}

// shorten keeps text from outside from filling a log.
func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
