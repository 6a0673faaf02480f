package guard

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"strings"
	"time"
)

// Claims is what a verified token says of its bearer.
type Claims struct {
	Issuer    string
	Subject   string
	ID        string // jti
	SessionID string // sid
	ClientID  string
	Audience  []string
	Scopes    []string
	IssuedAt  time.Time
	Expiry    time.Time
	// Raw is the whole payload as the issuer wrote it. Its values are data of
	// the issuer's making: verified, but never safe to print or to expand.
	Raw json.RawMessage
}

// ClaimsFrom returns the claims of the request that ctx belongs to. It is
// false where no token was verified: on public routes without a token, and
// behind rules that are only observed.
func ClaimsFrom(ctx context.Context) (Claims, bool) {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok || !x.verified || x.tried {
		return Claims{}, false
	}
	c, err := x.token()
	if err != nil {
		return Claims{}, false
	}
	return Claims{
		Issuer: c.Claims.Issuer, Subject: c.Claims.Subject, ID: c.Claims.ID, SessionID: c.Claims.SessionID,
		ClientID: c.Claims.ClientID, Audience: c.Claims.Audience, Scopes: c.Claims.Scopes,
		IssuedAt: c.Claims.IssuedAt, Expiry: c.Claims.Expiry, Raw: c.Payload(),
	}, true
}

// RequestIDFrom returns the id that logs and refusals carry for the request
// that ctx belongs to, or nothing outside a Guard.
func RequestIDFrom(ctx context.Context) string {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x.id
	}
	return ""
}

// ClientFrom returns the client's address for the request that ctx belongs to:
// the connection's peer, or what trusted proxies say. The zero Addr is unknown.
func ClientFrom(ctx context.Context) netip.Addr {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x.client
	}
	return netip.Addr{}
}

// payloadSegment is the middle part of a compact token: its claims as
// base64url JSON.
func payloadSegment(raw string) string {
	_, rest, _ := strings.Cut(raw, ".")
	payload, _, _ := strings.Cut(rest, ".")
	if _, err := base64.RawURLEncoding.DecodeString(payload); err != nil {
		return ""
	}
	return payload
}
