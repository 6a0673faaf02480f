package issuer

import (
	"strings"
	"time"
)

// accessClaims is the payload of an access token (RFC 9068 §2.2).
type accessClaims struct {
	Issuer       string        `json:"iss"`
	Subject      string        `json:"sub"`
	Audience     string        `json:"aud"`
	Expiry       int64         `json:"exp"`
	IssuedAt     int64         `json:"iat"`
	NotBefore    int64         `json:"nbf"`
	ID           string        `json:"jti"`
	ClientID     string        `json:"client_id"`
	Scope        string        `json:"scope,omitempty"`
	SessionID    string        `json:"sid,omitempty"`
	Confirmation *confirmation `json:"cnf,omitempty"`
}

// grant is what an access token is made of.
type grant struct {
	subject string
	client  string // empty: first party
	scopes  []string
	sid     string
	bound   bound
	ends    time.Time // of the session; zero: none
}

// access is an access token as the client gets it.
type access struct {
	token string
	life  time.Duration
}

// mint signs an access token. It does not outlive its session.
func (c *call) mint(g grant) (access, *failure) {
	signer, err := c.ring.signer()
	if err != nil {
		return access{}, unavailable(err)
	}
	life := c.cfg.AccessTTL
	if !g.ends.IsZero() {
		life = min(life, g.ends.Sub(c.at))
	}
	iat := c.at.Unix()
	life = life.Truncate(time.Second)
	if life <= 0 {
		return access{}, invalidGrant("Token expired", "session ends within a second")
	}
	client := g.client
	if client == "" {
		client = firstParty
	}
	raw, err := signer.Sign("at+jwt", accessClaims{
		Issuer: c.cfg.URL, Subject: g.subject, Audience: c.cfg.Audience,
		Expiry: iat + int64(life/time.Second), IssuedAt: iat, NotBefore: iat, ID: randomText(16),
		ClientID: client, Scope: strings.Join(g.scopes, " "), SessionID: g.sid, Confirmation: g.bound.confirmation(),
	})
	if err != nil {
		return access{}, &failure{status: 500, detail: "Internal error", code: "server_error", reason: err.Error()}
	}
	return access{token: raw, life: life}, nil
}

// tokenAnswer is RFC 6749 §5.1.
type tokenAnswer struct {
	AccessToken  string `json:"access_token,omitempty"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

// deliver answers with an access token, and with the refresh token in its body
// or, for cookies, as one.
func (c *call) deliver(a access, g grant, refresh string, cookies bool) {
	c.w.Header().Set("Pragma", "no-cache") // RFC 6749 §5.1
	ans := tokenAnswer{AccessToken: a.token, TokenType: g.bound.tokenType(), ExpiresIn: int64(a.life / time.Second), Scope: strings.Join(g.scopes, " ")}
	if !cookies {
		ans.RefreshToken = refresh
		c.answer(200, ans)
		return
	}
	c.setCookie(cookieRefresh, refresh, g.ends.Sub(c.at))
	if c.cfg.AccessCookie {
		c.setCookie(cookieAccess, a.token, a.life)
		ans.AccessToken = ""
	}
	c.answer(200, ans)
}
