package config

// File is what users write in wiretight.yaml. The comments of its fields are
// the descriptions of the JSON Schema, and the enum and required tags hold for
// both the schema and the parser.
type File struct {
	// Address of the TLS listener, as host:port. Default: every address, port 8443.
	Listen Addr `yaml:"listen"`
	// Address of the plain HTTP listener, which refuses, redirects and burns, and never proxies. Default: none.
	Plaintext Addr `yaml:"plaintext"`
	// Address of health, metrics and console. Without a host it means loopback. Default: none.
	Admin Addr `yaml:"admin"`
	// What becomes of a request that a rule refuses. Default: enforce.
	Mode string `yaml:"mode" jsonschema:"enum=enforce,enum=observe"`
	// Rules on trial: what they would refuse is let pass, logged and counted. A token on plain HTTP is never proxied.
	Observe []string `yaml:"observe" jsonschema:"enum=transport,enum=host,enum=path,enum=method,enum=headers,enum=cors,enum=cross_site,enum=token,enum=expired,enum=issuer,enum=audience,enum=scopes,enum=binding,enum=replay,enum=revoked,enum=rate"`
	// Names that requests may carry. One without a port matches any port. Default: the names in the certificates.
	Hosts []string `yaml:"hosts" jsonschema:"minItems=1"`
	// Networks (CIDR) whose Forwarded and X-Forwarded-* headers are believed. Default: none.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Checks, by id, of the weaknesses that this file opens on purpose.
	AcceptRisk []string `yaml:"accept_risk" jsonschema:"enum=jwt.audience-unchecked,enum=jwt.issuer-unchecked,enum=jwt.no-expiry,enum=jwt.long-lived,enum=jwt.weak-secret,enum=jwt.token-in-url,enum=cors.wildcard,enum=transport.token-over-http,enum=tls.cert-untrusted"`
	// Port in the https URL that plain requests are sent to. Default: the port of listen.
	RedirectPort int `yaml:"redirect_port" jsonschema:"minimum=1,maximum=65535"`
	// Names besides loopback under which the console answers. Default: none.
	AdminHosts []string `yaml:"admin_hosts"`
	// Certificates and the terms of TLS.
	TLS *TLSFile `yaml:"tls"`
	// Servers that requests are forwarded to. The first is the default.
	Upstreams []UpstreamFile `yaml:"upstreams"`
	// Where tokens are read and whose tokens are good.
	Tokens *TokensFile `yaml:"tokens"`
	// Policies by path; the most specific path wins. What no route names needs a valid token.
	Routes []RouteFile `yaml:"routes"`
	// Cross-origin policy. Default: no CORS header is ever sent.
	CORS *CORSFile `yaml:"cors"`
	// What becomes of a valid token that arrived over plain HTTP. Default: burn, which revokes it.
	PlaintextToken string `yaml:"plaintext_token" jsonschema:"enum=burn,enum=refuse"`
	// How often one address may fail.
	RateLimit *RateLimitFile `yaml:"rate_limit"`
	// The embedded token issuer. Default: off.
	Issuer *IssuerFile `yaml:"issuer"`
	// Listeners on which other proxies ask for decisions. Default: none.
	Authorizer *AuthorizerFile `yaml:"authorizer"`
	// Where replays, revocations and sessions are kept: bolt://FILE, redis://HOST, rediss://HOST (docs/store.md has their options) or memory:. Default: bolt://wiretight-data/state.db.
	Store string `yaml:"store"`
	// How old the copy of the revocations may get before every token is refused. Default: 5s.
	StoreStaleness *Duration `yaml:"store_staleness"`
	// The log on stderr.
	Log *LogFile `yaml:"log"`
}

// TLSFile is the tls section. Exactly one of certificates, acme and dev says
// where certificates come from.
type TLSFile struct {
	// Certificate files, chosen by the name that the client asks for; the first is the default.
	Certificates []CertificateFile `yaml:"certificates" jsonschema:"minItems=1"`
	// Certificates from an ACME authority, for every name of hosts.
	ACME *ACMEFile `yaml:"acme"`
	// Certificates from a development CA of this machine's own.
	Dev bool `yaml:"dev"`
	// Oldest version of TLS that is spoken. Default: 1.2.
	MinVersion string `yaml:"min_version"`
	// File with the CAs of client certificates (mutual TLS). Default: none is asked for.
	ClientCA string `yaml:"client_ca"`
	// Whether clients without a certificate are turned away.
	RequireClientCert bool `yaml:"require_client_cert"`
	// Strict-Transport-Security of every answer over HTTPS. It cannot be turned off.
	HSTS *HSTSFile `yaml:"hsts"`
}

// CertificateFile is one certificate with its key.
type CertificateFile struct {
	// PEM file with the certificate and its intermediates, leaf first.
	Cert string `yaml:"cert" jsonschema:"required"`
	// PEM file with the private key.
	Key string `yaml:"key" jsonschema:"required"`
}

// ACMEFile is an account at an ACME authority (RFC 8555).
type ACMEFile struct {
	// Address that the authority may write to.
	Email string `yaml:"email"`
	// URL of the authority's directory. Default: Let's Encrypt.
	Directory string `yaml:"directory"`
}

// HSTSFile is the Strict-Transport-Security header (RFC 6797).
type HSTSFile struct {
	// How long browsers remember to use HTTPS. Default: 8760h, one year.
	MaxAge *Duration `yaml:"max_age"`
	// Whether it holds for all names below.
	IncludeSubdomains bool `yaml:"include_subdomains"`
	// Consent to the browsers' preload list; needs include_subdomains and a year.
	Preload bool `yaml:"preload"`
}

// UpstreamFile is a server that requests are forwarded to.
type UpstreamFile struct {
	// Name that routes refer to.
	Name string `yaml:"name" jsonschema:"required"`
	// https://, http://, h2c:// or unix:///path. Plain text is for loopback and unix sockets.
	URL string `yaml:"url" jsonschema:"required"`
	// PEM file with the CAs that verify the upstream. Default: the system's.
	CA string `yaml:"ca"`
	// PEM file with the client certificate that the upstream is shown.
	Cert string `yaml:"cert"`
	// PEM file with the key of cert.
	Key string `yaml:"key"`
	// How long the upstream may take until its answer begins. Default: 30s.
	Timeout *Duration `yaml:"timeout"`
	// The aud of the internal token. Default: the name.
	Audience string `yaml:"audience"`
	// Permits what accept_risk names: plain text off loopback (transport.token-over-http) or an unverified certificate (tls.cert-untrusted).
	Insecure bool `yaml:"insecure"`
}

// TokensFile is the tokens section.
type TokensFile struct {
	// Where a token may be: header, or cookie:NAME. Default: header.
	Sources []string `yaml:"sources" jsonschema:"minItems=1"`
	// Clock skew allowed for exp, nbf and iat, at most 5m. Default: 30s.
	Leeway *Duration `yaml:"leeway"`
	// Longest token. Default: 8KiB.
	MaxSize Size `yaml:"max_size"`
	// How many verified tokens are remembered; 0 turns it off. Default: 100000.
	Cache *int `yaml:"cache" jsonschema:"minimum=0,maximum=10000000"`
	// Those whose tokens are accepted, each bound to its own keys.
	Issuers []TokenIssuerFile `yaml:"issuers"`
	// Whether tokens must be bound to the client: DPoP, mutual TLS or fingerprint cookie. Default: optional, which checks whatever binding a token claims.
	Binding string `yaml:"binding" jsonschema:"enum=off,enum=optional,enum=required"`
	// Whether every DPoP proof must carry a nonce of this guard (RFC 9449).
	DPoPNonce bool `yaml:"dpop_nonce"`
	// What the upstream gets to know of the caller. Default: token.
	Forward string `yaml:"forward" jsonschema:"enum=token,enum=claims,enum=internal,enum=none"`
}

// TokenIssuerFile is one party whose tokens are accepted. Exactly one of
// jwks_url, discovery, jwks_file and secret_file gives its keys.
type TokenIssuerFile struct {
	// The iss of its tokens, compared byte for byte.
	Issuer string `yaml:"issuer"`
	// Values of aud that are meant for this service; a token needs one of them.
	Audiences []string `yaml:"audiences"`
	// Algorithms that its tokens may use. Default: RS256, PS256, ES256 and EdDSA, or HS256 with secret_file.
	Algorithms []Algorithm `yaml:"algorithms" jsonschema:"minItems=1"`
	// URL of its key set: https, or http on loopback.
	JWKSURL string `yaml:"jwks_url"`
	// Whether its key set is found through its metadata document.
	Discovery bool `yaml:"discovery"`
	// File with its key set.
	JWKSFile string `yaml:"jwks_file"`
	// File with the HMAC secret: the bytes less a final newline, or base64: and the encoded bytes.
	SecretFile string `yaml:"secret_file"`
	// PEM file with the CAs that verify jwks_url or discovery. Default: the system's.
	JWKSCA string `yaml:"jwks_ca"`
	// Claims that must be there. Default: exp, iss, aud, sub.
	Require []string `yaml:"require"`
	// Accepted typ headers. Default: at+jwt and JWT.
	Types []string `yaml:"types" jsonschema:"minItems=1"`
	// Longest life of a token, from iat and from now. Default: 1h.
	MaxLifetime *Duration `yaml:"max_lifetime"`
}

// RouteFile is the policy of a path.
type RouteFile struct {
	// Exact path, which covers a trailing slash too, or a path that ends in /* and covers all below.
	Path string `yaml:"path" jsonschema:"required"`
	// Allowed methods; GET includes HEAD. Default: all.
	Methods []string `yaml:"methods" jsonschema:"minItems=1"`
	// Whether requests need no token here.
	Public bool `yaml:"public"`
	// Scopes that a token must have, all of them.
	Scopes []string `yaml:"scopes"`
	// Issuers whose tokens are good here. Default: all.
	Issuers []string `yaml:"issuers" jsonschema:"minItems=1"`
	// As tokens.binding, for this route.
	Binding string `yaml:"binding" jsonschema:"enum=off,enum=optional,enum=required"`
	// Whether a token is good for one request only.
	Once bool `yaml:"once"`
	// Name of the upstream that requests go to. Default: the first.
	Upstream string `yaml:"upstream"`
}

// CORSFile is the cross-origin policy.
type CORSFile struct {
	// Origins that may read answers, exact, as https://app.example.com.
	Origins []string `yaml:"origins" jsonschema:"required,minItems=1"`
	// Whether cookies and client certificates may go along.
	Credentials bool `yaml:"credentials"`
	// Methods that a preflight allows. Default: GET, HEAD and POST, which need none.
	Methods []string `yaml:"methods" jsonschema:"minItems=1"`
	// Request headers that a preflight allows.
	RequestHeaders []string `yaml:"request_headers"`
	// Answer headers that scripts may read.
	ResponseHeaders []string `yaml:"response_headers"`
	// How long browsers remember a preflight, at most 24h. Default: the browser's own 5s.
	MaxAge Duration `yaml:"max_age"`
}

// RateLimitFile bounds failures.
type RateLimitFile struct {
	// Refused tokens from one address. Default: 20/m.
	AuthFailures *Rate `yaml:"auth_failures"`
	// Failed logins by address and by user. Default: 10/m.
	Login *Rate `yaml:"login"`
}

// IssuerFile is the embedded issuer.
type IssuerFile struct {
	// Whether there is one.
	Enabled bool `yaml:"enabled"`
	// The iss of its tokens: the https origin that clients see. Default, with a development certificate: localhost.
	URL string `yaml:"url"`
	// The aud of its tokens. Default: the host of url.
	Audience string `yaml:"audience"`
	// How it signs. Default: ES256.
	Algorithm string `yaml:"algorithm" jsonschema:"enum=ES256,enum=EdDSA,enum=RS256"`
	// Life of an access token. Default: 5m.
	AccessTTL *Duration `yaml:"access_ttl"`
	// Life of a login, however often it is refreshed. Default: 24h.
	RefreshTTL *Duration `yaml:"refresh_ttl"`
	// Time within which a repeat of the same refresh gets the same successor. Default: 10s.
	RefreshGrace *Duration `yaml:"refresh_grace"`
	// Age at which a signing key is replaced. Default: 720h.
	RotateKeys *Duration `yaml:"rotate_keys"`
	// File with the key that encrypts the signing keys; made at the first start.
	KeyEncryptionFile string `yaml:"key_encryption_file"`
	// What its tokens are bound to. Default: fingerprint, a cookie.
	Binding string `yaml:"binding" jsonschema:"enum=none,enum=fingerprint,enum=dpop"`
	// Whether every DPoP proof must carry a nonce (RFC 9449).
	DPoPNonce bool `yaml:"dpop_nonce"`
	// Its cookies.
	Cookies *CookiesFile `yaml:"cookies"`
	// Who confirms passwords.
	Login *LoginFile `yaml:"login"`
	// Machine clients.
	Clients []ClientFile `yaml:"clients"`
}

// CookiesFile is the form of the issuer's cookies.
type CookiesFile struct {
	// SameSite of the cookies. Default: strict.
	SameSite string `yaml:"same_site" jsonschema:"enum=strict,enum=lax"`
	// Whether the access token goes into the cookie __Host-access, and not into the answer.
	AccessCookie bool `yaml:"access_cookie"`
}

// LoginFile says who confirms a password.
type LoginFile struct {
	// URL of the application that confirms it: https, or http on loopback. It gets username and password as JSON, and answers 200 with sub and scopes, or 401. Default: the issuer's own users.
	VerifyURL string `yaml:"verify_url" jsonschema:"minLength=0"`
}

// ClientFile is a machine that gets tokens for itself.
type ClientFile struct {
	// Its client_id.
	ID string `yaml:"id" jsonschema:"required"`
	// File with its secret: the bytes less a final newline, or base64: and the encoded bytes.
	SecretFile string `yaml:"secret_file" jsonschema:"required"`
	// Scopes that it may have.
	Scopes []string `yaml:"scopes"`
	// Grants that it may use. Default: client_credentials.
	Grants []string `yaml:"grants" jsonschema:"enum=client_credentials,enum=password,enum=refresh_token,minItems=1"`
	// Whether it may introspect and revoke the tokens of others.
	Introspect bool `yaml:"introspect"`
}

// AuthorizerFile is the external authorizer.
type AuthorizerFile struct {
	// Address for auth_request, ForwardAuth and forward_auth.
	HTTP Addr `yaml:"http"`
	// Address for Envoy's external authorization.
	GRPC Addr `yaml:"grpc"`
	// Networks (CIDR) of the proxies that may ask. Default: none, and every question is refused.
	TrustedPeers []string `yaml:"trusted_peers"`
}

// LogFile is the form of the log.
type LogFile struct {
	// Default: json.
	Format string `yaml:"format" jsonschema:"enum=json,enum=text"`
	// Default: info.
	Level string `yaml:"level" jsonschema:"enum=debug,enum=info,enum=warn,enum=error"`
}
