package scan

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"sync"
	"time"
)

// Errors of a Target's methods, for errors.Is. Whatever the error, a check that
// needed the answer is inconclusive.
var (
	// ErrBudget says that the scan has used up its requests.
	ErrBudget = errors.New("the budget of requests is used up")
	// ErrGone says that the target stopped answering.
	ErrGone = errors.New("the target stopped answering")
	// ErrExposed says that the request would show a genuine credential to anybody
	// on the path: it is plain HTTP, or the certificate is not trusted, and the
	// target is not on loopback.
	ErrExposed = errors.New("the request would show a genuine credential on the wire")
	// ErrLogins says that no more logins are allowed.
	ErrLogins = errors.New("the scan has made all the logins that it may")
	// ErrAbsent says that the scan was not given, or did not find, what is needed.
	ErrAbsent = errors.New("not available to this scan")
)

// Target is what a scan knows of an API, and the only way to reach it. Every
// request counts towards one budget and one rate. It is safe for concurrent use.
type Target struct {
	config Config
	base   url.URL
	addr   string // host:port of base
	life   context.Context
	wire   *wire
	// outside is for documents on other hosts.
	outside *wire
	budget  *budget

	secrets secrets
	surface surface
	logins  logins
	oracle  oracle
	results results
	memo    memo

	listening sync.Mutex
	callback  *Callback
	done      sync.WaitGroup // what the scan has started
}

// Base is the URL that is scanned. The caller owns it.
func (t *Target) Base() *url.URL {
	u := t.base
	return &u
}

// HTTPS tells whether the scanned URL is https.
func (t *Target) HTTPS() bool { return t.base.Scheme == "https" }

// Loopback tells whether the target is on loopback and the scan is not strict.
func (t *Target) Loopback() bool {
	return !t.config.Strict && (loopbackName(t.Host()) || t.surface.loopback)
}

// Host is the target's name or address, without the port.
func (t *Target) Host() string { return t.base.Hostname() }

// Config is what the scan was asked for. Token, Secret and the login's data in it
// are secrets.
func (t *Target) Config() Config { return t.config }

func (t *Target) now() time.Time {
	if t.config.Now != nil {
		return t.config.Now()
	}
	return time.Now()
}

func (t *Target) timeout() time.Duration { return cmp.Or(t.config.Timeout, defaultTimeout) }

const defaultTimeout = 5 * time.Second

// Root is the answer to a plain GET of the scanned URL without a credential.
func (t *Target) Root() *Response { return t.surface.root }

// NotFound is the answer to a path that nobody has. Nil: none came.
func (t *Target) NotFound() *Response { return t.surface.notFound }
