package lab

import (
	"fmt"
	"slices"
)

// Flaw is one weakness of the lab. Its text is the id of the scanner's check
// that finds it, but for those of Unchecked.
type Flaw string

// The flaws. Each can be had alone, and mended alone.
const (
	NoTLS                 Flaw = "transport.no-tls"
	TokenOverHTTP         Flaw = "transport.token-over-http"
	NoHTTPSRedirect       Flaw = "transport.no-https-redirect"
	RedirectDowngrade     Flaw = "transport.redirect-downgrade"
	RedirectLeaksToken    Flaw = "transport.redirect-leaks-token"
	ForwardedProtoTrusted Flaw = "transport.forwarded-proto-trusted"
	NoHSTS                Flaw = "transport.no-hsts"
	WeakHSTS              Flaw = "transport.weak-hsts"
	CleartextReference    Flaw = "transport.cleartext-reference"
	WebSocketCleartext    Flaw = "transport.websocket-cleartext"

	HostUnvalidated Flaw = "host.unvalidated"
	HostReflected   Flaw = "host.reflected"

	AlgNone             Flaw = "jwt.alg-none"
	SignatureUnverified Flaw = "jwt.signature-unverified"
	NullSignature       Flaw = "jwt.null-signature"
	BlankSecret         Flaw = "jwt.blank-secret"
	PsychicSignature    Flaw = "jwt.psychic-signature"
	AlgConfusion        Flaw = "jwt.alg-confusion"
	EmbeddedKey         Flaw = "jwt.embedded-key"
	KeyFetch            Flaw = "jwt.key-fetch"
	KidInjection        Flaw = "jwt.kid-injection"
	WeakSecret          Flaw = "jwt.weak-secret"
	WeakAlgorithm       Flaw = "jwt.weak-algorithm"
	ExpiredAccepted     Flaw = "jwt.expired-accepted"
	NotBeforeIgnored    Flaw = "jwt.not-before-ignored"
	NoExpiry            Flaw = "jwt.no-expiry"
	LongLived           Flaw = "jwt.long-lived"
	MissingClaims       Flaw = "jwt.missing-claims"
	IssuerUnchecked     Flaw = "jwt.issuer-unchecked"
	AudienceUnchecked   Flaw = "jwt.audience-unchecked"
	TypeConfusion       Flaw = "jwt.type-confusion"
	SensitiveClaims     Flaw = "jwt.sensitive-claims"
	PredictableID       Flaw = "jwt.predictable-id"
	TokenInURL          Flaw = "jwt.token-in-url"
	NotRevoked          Flaw = "jwt.not-revoked"

	RefreshReuse       Flaw = "refresh.reuse-accepted"
	RefreshPredictable Flaw = "refresh.predictable"
	RefreshNotRotated  Flaw = "refresh.not-rotated"

	JWKSWeakKey      Flaw = "jwks.weak-key"
	JWKSPrivateKey   Flaw = "jwks.private-key-exposed"
	JWKSInconsistent Flaw = "jwks.inconsistent"

	CookieNotSecure   Flaw = "cookie.not-secure"
	CookieNotHTTPOnly Flaw = "cookie.not-httponly"
	CookieSameSite    Flaw = "cookie.same-site"

	CORSWildcard        Flaw = "cors.wildcard"
	CORSReflectedOrigin Flaw = "cors.reflected-origin"
	CORSNullOrigin      Flaw = "cors.null-origin"
	CORSWeakOriginMatch Flaw = "cors.weak-origin-match"
	CORSBroadMethods    Flaw = "cors.broad-methods"
	CORSMissingVary     Flaw = "cors.missing-vary"

	TokenEcho      Flaw = "leak.token-echo"
	StackTrace     Flaw = "leak.stack-trace"
	CacheableToken Flaw = "leak.cacheable-token"
	ServerVersion  Flaw = "leak.server-version"
	DebugEndpoint  Flaw = "leak.debug-endpoint"
	KeyFile        Flaw = "leak.key-file"

	AuthMissing     Flaw = "auth.missing"
	MethodBypass    Flaw = "auth.method-bypass"
	EncodedPassword Flaw = "auth.encoded-password"
	NoRateLimit     Flaw = "auth.no-rate-limit"

	VulnerableVersion Flaw = "supply.vulnerable-version"
	DocsExposed       Flaw = "supply.docs-exposed"
)

// Flaws that have no check of their own.
const (
	// UnknownAlgorithm takes tokens whose algorithm it does not know without
	// looking at their signature. It is one way to have jwt.signature-unverified.
	UnknownAlgorithm Flaw = "lab.unknown-algorithm"
	// LenientForm repairs what a strict parser refuses: line breaks, padding,
	// duplicate members, unknown critical extensions.
	LenientForm Flaw = "lab.lenient-form"
	// BindingIgnored overlooks cnf: who stole a bound token can use it.
	BindingIgnored Flaw = "lab.binding-ignored"
	// CrossSiteCookie takes the session cookie from requests of other sites.
	CrossSiteCookie Flaw = "lab.cross-site-cookie"
	// LaxPath serves paths with dot segments, empty segments and encoded slashes.
	LaxPath Flaw = "lab.lax-path"
	// HeaderIdentity believes X-Auth-Subject and its like, whoever sends them.
	HeaderIdentity Flaw = "lab.header-identity"
	// TwoCredentials takes the first of two Authorization headers.
	TwoCredentials Flaw = "lab.two-credentials"
)

// Unchecked lists the flaws that are no check's id.
func Unchecked() Flaws {
	return Flaws{UnknownAlgorithm, LenientForm, BindingIgnored, CrossSiteCookie, LaxPath, HeaderIdentity, TwoCredentials}
}

// Flaws is a set of weaknesses. Nil has none: the lab is then as strict as it
// can be.
type Flaws []Flaw

// Mended is the lab without a flaw.
func Mended() Flaws { return nil }

// All has every flaw. Some hide others: where no signature is verified, it does
// not show that unsigned tokens pass.
func All() Flaws {
	return append(Flaws{
		NoTLS, TokenOverHTTP, NoHTTPSRedirect, RedirectDowngrade, RedirectLeaksToken, ForwardedProtoTrusted, NoHSTS,
		WeakHSTS, CleartextReference, WebSocketCleartext, HostUnvalidated, HostReflected,
		AlgNone, SignatureUnverified, NullSignature, BlankSecret, PsychicSignature, AlgConfusion, EmbeddedKey, KeyFetch,
		KidInjection, WeakSecret, WeakAlgorithm, ExpiredAccepted, NotBeforeIgnored, NoExpiry, LongLived, MissingClaims,
		IssuerUnchecked, AudienceUnchecked, TypeConfusion, SensitiveClaims, PredictableID, TokenInURL, NotRevoked,
		RefreshReuse, RefreshPredictable, RefreshNotRotated, JWKSWeakKey, JWKSPrivateKey, JWKSInconsistent,
		CookieNotSecure, CookieNotHTTPOnly, CookieSameSite,
		CORSWildcard, CORSReflectedOrigin, CORSNullOrigin, CORSWeakOriginMatch, CORSBroadMethods, CORSMissingVary,
		TokenEcho, StackTrace, CacheableToken, ServerVersion, DebugEndpoint, KeyFile,
		AuthMissing, MethodBypass, EncodedPassword, NoRateLimit, VulnerableVersion, DocsExposed,
	}, Unchecked()...)
}

// Weak is what the demonstration runs: every flaw that hides no other.
func Weak() Flaws {
	return All().Without(
		SignatureUnverified, // hides every other forgery
		NullSignature,       // hides AlgNone
		MissingClaims,       // hides IssuerUnchecked and AudienceUnchecked
		JWKSInconsistent,    // makes every look another one
		CORSWildcard,        // CORSReflectedOrigin goes further
		WeakHSTS,            // NoHSTS goes further
	)
}

// Has reports whether f is in the set.
func (fs Flaws) Has(f Flaw) bool { return slices.Contains(fs, f) }

// With is the set and more.
func (fs Flaws) With(more ...Flaw) Flaws { return append(slices.Clone(fs), more...) }

// Without is the set less those that are mended.
func (fs Flaws) Without(mended ...Flaw) Flaws {
	return slices.DeleteFunc(slices.Clone(fs), func(f Flaw) bool { return slices.Contains(mended, f) })
}

// check refuses names that are no flaw's, so that no test is about nothing.
func (fs Flaws) check() error {
	all := All()
	for _, f := range fs {
		if !all.Has(f) {
			return fmt.Errorf("the lab has no flaw %q; see lab.All", f)
		}
	}
	return nil
}
