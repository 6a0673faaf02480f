package issuer

import (
	"net/http"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// introspection is RFC 7662 §2.2. A token that is no good, or is none of the
// caller's business, is only not active.
type introspection struct {
	Active       bool          `json:"active"`
	Scope        string        `json:"scope,omitempty"`
	ClientID     string        `json:"client_id,omitempty"`
	Username     string        `json:"username,omitempty"`
	TokenType    string        `json:"token_type,omitempty"`
	Expiry       int64         `json:"exp,omitempty"`
	IssuedAt     int64         `json:"iat,omitempty"`
	NotBefore    int64         `json:"nbf,omitempty"`
	Subject      string        `json:"sub,omitempty"`
	Audience     string        `json:"aud,omitempty"`
	Issuer       string        `json:"iss,omitempty"`
	ID           string        `json:"jti,omitempty"`
	SessionID    string        `json:"sid,omitempty"`
	Confirmation *confirmation `json:"cnf,omitempty"`
}

// introspect answers POST /auth/introspect.
func (c *call) introspect() *failure {
	form, f := c.readForm()
	if f != nil {
		return f
	}
	text := form["token"]
	if text == "" {
		return badRequest("token is missing", "token is missing")
	}
	a, f := c.caller(form)
	if f != nil {
		return f
	}
	var said introspection
	if strings.HasPrefix(text, refreshPrefix) {
		said, f = c.introspectRefresh(a, text)
	} else {
		said, f = c.introspectAccess(a, text)
	}
	if f != nil {
		return f
	}
	c.answer(http.StatusOK, said)
	return nil
}

func (c *call) introspectAccess(a caller, text string) (introspection, *failure) {
	b, reason, f := c.examine(text)
	if f != nil || reason != "" || !a.owns(b.claims.ClientID, b.family) {
		return introspection{}, f
	}
	k := &b.claims
	return introspection{
		Active: true, Scope: strings.Join(k.Scopes, " "), ClientID: k.ClientID, Subject: k.Subject, Issuer: k.Issuer,
		Audience: c.cfg.Audience, ID: k.ID, SessionID: k.SessionID, TokenType: boundTo(&k.Confirmation).tokenType(),
		Expiry: k.Expiry.Unix(), IssuedAt: k.IssuedAt.Unix(), NotBefore: k.NotBefore.Unix(), Confirmation: boundTo(&k.Confirmation).confirmation(),
	}, nil
}

func boundTo(c *token.Confirmation) bound {
	return bound{JKT: c.JKT, Certificate: c.X5TS256, Fingerprint: c.Fingerprint}
}

func (c *call) introspectRefresh(a caller, text string) (introspection, *failure) {
	t, fam, f := c.familyOf(text)
	if f != nil {
		if f.status >= 500 {
			return introspection{}, f
		}
		return introspection{}, nil
	}
	if !a.owns(fam.Client, &t.family) || fam.Ended != "" || t.number < fam.Number || !c.at.Before(time.UnixMilli(fam.Expires)) {
		return introspection{}, nil
	}
	ctx, cancel := c.storeContext()
	defer cancel()
	revoked, err := c.Issuer.sessions.revokedSince(ctx, t.family.sid(), fam.Subject, time.UnixMilli(fam.Created))
	if err != nil {
		return introspection{}, unavailable(err)
	}
	reason, err := c.accountGone(ctx, fam)
	if err != nil {
		return introspection{}, unavailable(err)
	}
	if revoked || reason != "" {
		return introspection{}, nil
	}
	client := fam.Client
	if client == "" {
		client = firstParty
	}
	return introspection{
		Active: true, Scope: strings.Join(fam.Scopes, " "), ClientID: client, Subject: fam.Subject, Issuer: c.cfg.URL,
		TokenType: "refresh_token", SessionID: t.family.sid(), Expiry: fam.Expires / 1000, IssuedAt: fam.Created / 1000, Confirmation: fam.Bound.confirmation(),
	}, nil
}
