package scan

import (
	"context"
	"errors"
	"net"
	"net/url"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/internal/tlsprobe"
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
type Target struct{}

// Base is the URL that is scanned. The caller owns it.
func (t *Target) Base() *url.URL { return &url.URL{} }

// HTTPS tells whether the scanned URL is https.
func (t *Target) HTTPS() bool { return false }

// Loopback tells whether the target is on loopback and the scan is not strict.
func (t *Target) Loopback() bool { return false }

// Host is the target's name or address, without the port.
func (t *Target) Host() string { return "" }

// Config is what the scan was asked for. Token, Secret and the login's data in it
// are secrets.
func (t *Target) Config() Config { return Config{} }

// Root is the answer to a plain GET of the scanned URL without a credential.
func (t *Target) Root() *Response { return nil }

// Operations are those of the description and those that the user named, in a
// stable order. Operations that are not Safe are among them, and are to be called
// only if Config().Intrusive.
func (t *Target) Operations() []Operation { return nil }

// Protected are the operations whose baselines are eligible for the oracle, at
// most three. It is empty where there is no token; Unprotected says why.
func (t *Target) Protected() []Protected { return nil }

// Unprotected says why Protected is empty, for Skip.
func (t *Target) Unprotected() string { return "" }

// Baseline asks for an operation's baselines, once in a scan. Only safe
// operations have any; others are an error, unless the scan is intrusive.
func (t *Target) Baseline(ctx context.Context, o Operation) (Protected, error) {
	return Protected{}, ErrAbsent
}

// Spec is the API's description. Nil: none was found.
func (t *Target) Spec() *Spec { return nil }

// Discovery are the issuer's metadata documents that were found.
func (t *Target) Discovery() []Document { return nil }

// JWKS are the published keys that were found, on the target and where its
// metadata points to.
func (t *Target) JWKS() []KeySetDoc { return nil }

// Stack is what the answers tell of the software behind them. Framework is one of
// FastAPI, Starlette, Flask, Django, Express, Spring, Go, or empty.
func (t *Target) Stack() Stack { return Stack{} }

// Do sends one request within the budget and the rate. It backs off at 429 and
// 503 and tries again, unless r says no. An error means that no usable answer
// came.
func (t *Target) Do(ctx context.Context, r Request) (*Response, error) { return nil, ErrAbsent }

// Dial opens a connection to the target's port. It counts as a request.
func (t *Target) Dial(ctx context.Context) (net.Conn, error) { return nil, ErrAbsent }

// Probe asks the target's TLS through Dial. It is nil where the URL is http.
func (t *Target) Probe() *tlsprobe.Probe { return nil }

// Token is the user's token, or what the login gave. ok is false when there is
// neither.
func (t *Target) Token() (token Token, ok bool) { return Token{}, false }

// CanLogin tells whether Login has what it needs.
func (t *Target) CanLogin() bool { return false }

// Login logs in once more with the user's data: JSON, a form, or the OAuth
// password grant. Thirty logins are the most of a scan (ErrLogins). A login that
// is refused is an error.
func (t *Target) Login(ctx context.Context) (Session, error) { return Session{}, ErrAbsent }

// BadLogin tries to log in as a user who does not exist, with a random password.
// Twelve are the most of a scan (ErrLogins). It does not back off.
func (t *Target) BadLogin(ctx context.Context) (*Response, error) { return nil, ErrAbsent }

// Refresh uses the session's refresh token at the refresh URL that was given or
// found: as the OAuth grant, in JSON, or by its cookie. A refusal is an error
// with the answer in Session.Response; ErrAbsent says that there is no such URL
// or no refresh token.
func (t *Target) Refresh(ctx context.Context, s Session) (Session, error) {
	return Session{}, ErrAbsent
}

// Logout ends the session at the logout URL that was given or found. ErrAbsent
// says that there is none.
func (t *Target) Logout(ctx context.Context, s Session) (*Response, error) { return nil, ErrAbsent }

// Accepted decides whether the target takes token for p: its answer is in the
// class of the genuine token's in two of two tries, and the genuine token is
// still good afterwards. A refused token costs one request.
func (t *Target) Accepted(ctx context.Context, p Protected, token string) (Acceptance, error) {
	return Acceptance{}, ErrAbsent
}

// Material is what an attacker knows: the token, the published keys, and the
// secret if it was given or guessed. CallbackURL is that of a Callback, where
// there can be one.
func (t *Target) Material(ctx context.Context) attack.Material { return attack.Material{} }

// Secret is the secret that signs the target's tokens: the user's, or the one
// that was guessed. It is guessed once in a scan, without asking the target, and
// Guessed tells which it was.
func (t *Target) Secret(ctx context.Context) (secret Secret, known bool) { return Secret{}, false }

// Secret is an HMAC secret of the target's.
type Secret struct {
	Value redact.Text
	// Guessed says that it was not given by the user. Tried is how many
	// candidates were compared.
	Guessed bool
	Tried   int
}

// Callback is the listener to which tokens may point. The error says why there is
// none: the target could not reach it.
func (t *Target) Callback() (*Callback, error) { return nil, ErrAbsent }

// Callback is a listener of the scan's own. It serves the keys of package attack
// and remembers who came.
type Callback struct{}

// Trap makes a new URL that nobody can guess.
func (c *Callback) Trap() *Trap { return &Trap{} }

// Trap is one URL of a Callback.
type Trap struct{}

// URL is for Material.CallbackURL, or for a claim.
func (p *Trap) URL() string { return "" }

// Wait tells whether somebody fetched the URL, or anything below it. It waits for
// at most a second.
func (p *Trap) Wait(ctx context.Context) bool { return false }

// Hits are the requests so far, as "GET /path", at most 20.
func (p *Trap) Hits() []string { return nil }

// Mask replaces every credential of the scan and all that looks like one.
func (t *Target) Mask(s string) string { return redact.Mask(s) }

// Found tells whether a check has found something. It is settled for the checks
// of After; others may still be running.
func (t *Target) Found(id string) bool { return false }

// Memo shares an observation between checks: f runs once in a scan for each key
// and type, and all get its result. A key belongs to one f. f must not call Memo
// with the same key.
func Memo[T any](t *Target, key string, f func() (T, error)) (T, error) { return f() }
