package guard

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// token returns the verified token, parsing it again when it was remembered.
func (x *exchange) token() (*token.Token, error) {
	if x.parsed == nil {
		t, err := token.Parse(x.credential.raw, x.policy.limits)
		if err != nil {
			return nil, err
		}
		x.parsed = t
	}
	return x.parsed, nil
}

// forwardIdentity sets on out, from which every client form of these headers
// was removed before, what the upstream is to know of the caller.
func (x *exchange) forwardIdentity(out http.Header, up *upstream) error {
	mode := x.policy.forward
	removeCookie(out, ownCookieNames...)
	if mode == ForwardToken || !x.verified || x.tried {
		if mode != ForwardToken && x.credential.source != sourceNone {
			x.removeToken(out)
		}
		return nil
	}
	x.removeToken(out)
	if mode == ForwardNone {
		return nil
	}
	t, err := x.token()
	if err != nil {
		return err
	}
	if mode == ForwardInternal {
		raw, err := x.guard.internal.sign(x, t, up.audience)
		if err != nil {
			return err
		}
		out["Authorization"] = []string{"Bearer " + raw}
		return nil
	}
	set := func(name, value string) {
		if value != "" {
			out[name] = []string{headerSafe(value)}
		}
	}
	set("X-Auth-Subject", t.Claims.Subject)
	set("X-Auth-Issuer", t.Claims.Issuer)
	set("X-Auth-Scopes", strings.Join(t.Claims.Scopes, " "))
	set("X-Auth-Client", t.Claims.ClientID)
	set("X-Auth-Claims", payloadSegment(x.credential.raw))
	return nil
}

// hideQueryToken takes the token out of the query, where that is its place and
// the upstream is not to have it.
func (x *exchange) hideQueryToken() {
	if x.credential.source != sourceQuery {
		return
	}
	var kept []string
	for pair := range strings.SplitSeq(x.path.query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if n, err := url.QueryUnescape(name); err != nil || n != x.credential.name {
			kept = append(kept, pair)
		}
	}
	x.path.query = strings.Join(kept, "&")
	x.path.hasQuery = len(kept) > 0
}

// removeToken takes the client's own credential out of a request.
func (x *exchange) removeToken(out http.Header) {
	delete(out, "Authorization")
	delete(out, "Dpop")
	if len(x.policy.sources.cookie) > 0 {
		removeCookie(out, x.policy.sources.cookie...)
	}
}

// headerSafe makes a claim fit for a header: bytes that could end or forge one,
// those that servers decode differently, and the percent sign, become percent
// escapes. No two claims make the same header.
func headerSafe(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '%' {
			return headerEscape(s)
		}
	}
	if s != strings.TrimSpace(s) {
		return headerEscape(s)
	}
	return s
}

func headerEscape(s string) string {
	var b []byte
	for i := range len(s) {
		edge := s[i] == ' ' && (i == 0 || i == len(s)-1)
		if s[i] < ' ' || s[i] > '~' || s[i] == '%' || edge {
			b = appendEscape(b, s[i])
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// forwardAddress sets X-Forwarded-* and Forwarded (RFC 7239). They replace
// what came, unless it came from a trusted proxy.
func (x *exchange) forwardAddress(out http.Header) {
	peer := x.peerText()
	chain := peer
	node := peer
	if x.peer.Is6() {
		node = `"[` + peer + `]"`
	}
	forwarded := "for=" + node + `;host="` + x.r.Host + `";proto=https`
	if prior := x.forwarded["X-Forwarded-For"]; len(prior) > 0 {
		chain = strings.Join(prior, ", ") + ", " + peer
	}
	if prior := x.forwarded["Forwarded"]; len(prior) > 0 {
		forwarded = strings.Join(prior, ", ") + ", " + forwarded
	}
	host := x.r.Host
	if prior := x.forwarded["X-Forwarded-Host"]; len(prior) == 1 {
		// A proxy that asks under another name says which one the client used.
		if _, ok := x.policy.hosts.allows(prior[0]); ok {
			host = prior[0]
		}
	}
	out["X-Forwarded-For"] = x.one(chain)
	out["X-Forwarded-Proto"] = x.one("https")
	out["X-Forwarded-Host"] = x.one(host)
	out["Forwarded"] = x.one(forwarded)
	out["X-Request-Id"] = x.one(x.id)
}

// peerText is the peer's address. Usually it is part of what the server said
// of the connection, and costs nothing.
func (x *exchange) peerText() string {
	if !x.peer.IsValid() {
		return "unknown"
	}
	if i := strings.IndexByte(x.r.RemoteAddr, ':'); i > 0 && x.peer.Is4() && x.r.RemoteAddr[0] != '[' {
		return x.r.RemoteAddr[:i] // netip takes IPv4 in one form only
	}
	return x.peer.String()
}

// forwardedHTTPS reports whether a trusted proxy in front of a handler without
// TLS of its own says that the client came over HTTPS.
func (x *exchange) forwardedHTTPS() bool {
	if len(x.policy.trusted) == 0 || !x.peerTrusted() {
		return false
	}
	proto := x.r.Header["X-Forwarded-Proto"]
	return len(proto) == 1 && strings.EqualFold(proto[0], "https")
}

// forwardedAddr reads an address with or without a port.
func forwardedAddr(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a, true
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr(), err == nil
}

// believeClient takes the client's address from X-Forwarded-For, from the
// right, past the proxies that are trusted.
func (x *exchange) believeClient() {
	values := strings.Split(strings.Join(x.r.Header["X-Forwarded-For"], ","), ",")
	for i := len(values) - 1; i >= 0; i-- {
		a, ok := forwardedAddr(strings.TrimSpace(values[i]))
		if !ok {
			return
		}
		x.client = a.Unmap().WithZone("")
		trusted := false
		for _, p := range x.policy.trusted {
			trusted = trusted || p.Contains(x.client)
		}
		if !trusted {
			return
		}
	}
}

// internalIssuer signs the tokens of ForwardInternal with a key of this process.
type internalIssuer struct {
	signer *token.Signer
	jwks   []byte
}

// internalLife is how long an internal token is good.
const internalLife = 60 * time.Second

func newInternalIssuer() (*internalIssuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	kid := newRequestID()
	signer, err := token.NewSigner("ES256", kid, key)
	if err != nil {
		return nil, err
	}
	jwks, err := json.Marshal(map[string]any{"keys": []json.RawMessage{signer.JWK()}})
	if err != nil {
		return nil, err
	}
	return &internalIssuer{signer: signer, jwks: jwks}, nil
}

// internalClaims is the payload of an internal token.
type internalClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub,omitempty"`
	Audience string `json:"aud"`
	Expiry   int64  `json:"exp"`
	IssuedAt int64  `json:"iat"`
	ID       string `json:"jti"`
	Scope    string `json:"scope,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	// Origin is who issued the token that this one stands for.
	Origin string `json:"origin_iss,omitempty"`
}

// InternalIssuer is the iss of the tokens of ForwardInternal.
const InternalIssuer = "wiretight"

func (n *internalIssuer) sign(x *exchange, t *token.Token, audience string) (string, error) {
	expiry := x.now.Add(internalLife)
	if !t.Claims.Expiry.IsZero() && t.Claims.Expiry.Before(expiry) {
		expiry = t.Claims.Expiry
	}
	return n.signer.Sign("at+jwt", internalClaims{
		Issuer: InternalIssuer, Subject: t.Claims.Subject, Audience: audience, Expiry: expiry.Unix(), IssuedAt: x.now.Unix(),
		ID: newRequestID(), Scope: strings.Join(t.Claims.Scopes, " "), ClientID: t.Claims.ClientID, Origin: t.Claims.Issuer,
	})
}

// InternalJWKS serves the keys that verify the tokens of ForwardInternal.
func (g *Guard) InternalJWKS() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = w.Write(g.internal.jwks)
	})
}

// The cookies of the issuer and the guard. They never reach an upstream, and
// no upstream sets them.
var (
	ownCookieNames = []string{"__Host-refresh", "__Host-access", fingerprintCookie}
	ownCookies     = set(ownCookieNames...)
)
