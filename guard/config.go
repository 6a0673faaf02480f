package guard

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/store"
)

// Config says what a Guard protects and how. A zero field is the strictest
// setting that can work, or an error of New; it is never "off". New validates
// and copies: later changes to a Config have no effect.
type Config struct {
	// Mode is Enforce (the zero value) or Observe, which lets pass and counts
	// what Enforce would refuse. A token on plain HTTP is never proxied.
	Mode Mode
	// Observe puts single rules on trial while the others are enforced.
	Observe []Rule
	// Hosts are the names that requests may carry, with or without a port. A
	// name without a port matches any port.
	Hosts []string
	// TrustedProxies are the peers whose Forwarded and X-Forwarded-* are
	// believed. Empty: none.
	TrustedProxies []netip.Prefix
	// TrustedPeers are the proxies that may ask Authorize. Empty: none.
	TrustedPeers []netip.Prefix
	// AcceptRisk names, by the ids of the scanner's checks, the weaknesses
	// that this configuration opens on purpose.
	AcceptRisk []string

	// PlaintextToken says what becomes of a valid token that arrived over
	// plain HTTP: Burn (zero value) or Refuse.
	PlaintextToken PlaintextToken
	// RedirectPort is the port of the https URL that plain requests are sent
	// to. Zero: 443.
	RedirectPort int

	HSTS      HSTS
	Tokens    Tokens
	Upstreams []Upstream
	Routes    []Route
	// CORS of nil: no CORS header is ever sent.
	CORS      *CORS
	RateLimit RateLimit
	Limits    Limits

	// Local is an endpoint that the guard serves itself, as the issuer's.
	Local []Local

	// Store holds replays and revocations. Nil: in memory, this process only.
	Store store.Store
	// StoreStaleness is how old the copy of the revocations may become before
	// every token is refused. Zero: 5 s.
	StoreStaleness time.Duration

	// Logger receives one record a request and one a refusal. Nil: none.
	Logger *slog.Logger
	// Metrics counts. Nil: not counted.
	Metrics *Metrics
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Mode is what happens to a request that a rule refuses.
type Mode string

// The modes of a Guard.
const (
	Enforce     Mode = "enforce"
	ObserveOnly Mode = "observe"
)

// PlaintextToken is the fate of a token that was sent in clear.
type PlaintextToken string

// The fates.
const (
	Burn   PlaintextToken = "burn"
	Refuse PlaintextToken = "refuse"
)

// Rule names one protection in logs, metrics and Config.Observe.
type Rule string

// The rules, in the order in which they are asked.
const (
	RuleTransport Rule = "transport"
	RuleHost      Rule = "host"
	RulePath      Rule = "path"
	RuleHeaders   Rule = "headers"
	RuleCORS      Rule = "cors"
	RuleMethod    Rule = "method"
	RuleCrossSite Rule = "cross_site"
	RuleRate      Rule = "rate"
	RuleToken     Rule = "token"
	RuleExpired   Rule = "expired"
	RuleIssuer    Rule = "issuer"
	RuleAudience  Rule = "audience"
	RuleRevoked   Rule = "revoked"
	RuleBinding   Rule = "binding"
	RuleScopes    Rule = "scopes"
	RuleReplay    Rule = "replay"
)

// Rules lists every rule in the order in which they are asked.
func Rules() []Rule {
	return []Rule{
		RuleTransport, RuleHost, RulePath, RuleHeaders, RuleCORS, RuleMethod,
		RuleCrossSite, RuleRate, RuleToken, RuleExpired, RuleIssuer,
		RuleAudience, RuleRevoked, RuleBinding, RuleScopes, RuleReplay,
	}
}

// HSTS is the Strict-Transport-Security header (RFC 6797) of every HTTPS answer.
type HSTS struct {
	// MaxAge of zero means one year. It cannot be turned off.
	MaxAge            time.Duration
	IncludeSubdomains bool
	Preload           bool
}

// Tokens says where tokens are read, who may have issued them, and what the
// upstream sees of them.
type Tokens struct {
	// Sources are "header", "cookie:NAME", or, at an accepted risk,
	// "query:NAME". Empty: header.
	Sources []string
	// Leeway is the clock skew allowed for exp, nbf and iat. Zero: none.
	Leeway time.Duration
	// MaxSize is the longest token in bytes. Zero: 8 KiB.
	MaxSize int
	// Cache is how many verified tokens are remembered. Zero: none.
	Cache   int
	Issuers []Issuer
	Binding Binding
	// DPoPNonce demands a nonce from this guard in every DPoP proof (RFC 9449 §9).
	DPoPNonce bool
	Forward   Forward
}

// Binding says whether tokens must be bound to the client that shows them.
type Binding string

// The bindings. Zero: BindingOptional, which checks whatever binding the token claims.
const (
	BindingOff      Binding = "off"
	BindingOptional Binding = "optional"
	BindingRequired Binding = "required"
)

// Forward is what the upstream learns of the caller.
type Forward string

// The ways to forward an identity. Zero: ForwardToken.
const (
	ForwardToken    Forward = "token"
	ForwardClaims   Forward = "claims"
	ForwardInternal Forward = "internal"
	ForwardNone     Forward = "none"
)

// Issuer is one party whose tokens are accepted, bound to its own keys.
type Issuer struct {
	// Issuer is compared with iss byte for byte.
	Issuer    string
	Audiences []string
	// Algorithms is the allowlist. Empty: RS256, PS256, ES256 and EdDSA, or
	// HS256 alone where the key is a Secret.
	Algorithms []string

	// One of the following gives the keys.
	JWKSURL   string
	Discovery bool
	JWKS      []byte
	Secret    []byte
	Keys      *keyset.Source // an issuer in this process

	// JWKSCA verifies JWKSURL and discovery. Nil: the system's roots.
	JWKSCA *x509.CertPool

	// Require lists claims that must be there. Nil: exp, iss, aud, sub.
	Require []string
	// Types lists the accepted typ headers. Nil: at+jwt and JWT.
	Types []string
	// MaxLifetime bounds exp-iat and exp-now. Zero: one hour.
	MaxLifetime time.Duration
}

// Upstream is a server that requests are forwarded to.
type Upstream struct {
	Name string
	// URL is http://, https://, h2c:// or unix:///path.
	URL string
	// CA verifies the upstream. Nil: the system's roots.
	CA *x509.CertPool
	// Certificate is shown to the upstream. Nil: none.
	Certificate *tls.Certificate
	// Timeout bounds the wait for the answer's header. Zero: 30 s.
	Timeout time.Duration
	// Audience is the aud of the internal token. Empty: Name.
	Audience string
	// Insecure permits plain text off loopback and an unverified certificate,
	// if AcceptRisk names them too.
	Insecure bool
}

// Route is the policy of a path. What no route names needs a valid token.
type Route struct {
	// Path is exact (and covers a trailing slash), or ends in /* and covers
	// all below.
	Path string
	// Methods lists what is allowed. Empty: all.
	Methods []string
	// Public routes need no token.
	Public bool
	// Scopes must all be in the token.
	Scopes []string
	// Issuers limits whose tokens are good here. Empty: all.
	Issuers []string
	// Binding overrides Tokens.Binding for this route. Empty: as there.
	Binding Binding
	// Once makes a token good for a single request.
	Once bool
	// Upstream names where requests go. Empty: the first upstream.
	Upstream string
}

// CORS is the cross-origin policy. Origins are exact.
type CORS struct {
	Origins         []string
	Credentials     bool
	Methods         []string
	RequestHeaders  []string
	ResponseHeaders []string
	MaxAge          time.Duration
}

// RateLimit bounds failures by the peer's address.
type RateLimit struct {
	// AuthFailures is how many refused tokens a minute one address may show.
	// The zero value means 20 a minute.
	AuthFailures Rate
}

// Rate is a number of events in a time.
type Rate struct {
	Count int
	Per   time.Duration
}

// Limits bound what one request may cost.
type Limits struct {
	// MaxBody is the longest request body in bytes. Zero: 4 GiB. Negative: no bound.
	MaxBody int64
	// IdleStream is how long a stream may stay silent. Zero: 5 min.
	IdleStream time.Duration
}

// Local is a path that is answered in this process. It passes every rule that
// comes before the route's.
type Local struct {
	// Paths are as in Route.
	Paths   []string
	Handler http.Handler
}
