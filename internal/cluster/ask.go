package cluster

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The paths that the load asks for.
const (
	pathItems   = "/items"
	pathOpen    = "/open"
	pathPay     = "/pay" // takes each token once
	pathLogin   = "/auth/login"
	pathRefresh = "/auth/refresh"
	pathLogout  = "/auth/logout"
)

// answer is what a guard said.
type answer struct {
	status  int // 0: nothing, see err
	detail  string
	access  string // token given out
	cookies map[string]string
	sent    time.Time
	took    time.Duration
	err     error
}

// session is what a browser holds.
type session struct {
	access      string
	refresh     string
	fingerprint string
}

// get asks for a path with a token and the cookie that it may be bound to.
func (g *Guard) get(ctx context.Context, path, raw, fingerprint string) answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+path, nil)
	if err != nil {
		return answer{err: err}
	}
	if raw != "" {
		req.Header.Set("Authorization", "Bearer "+raw)
	}
	if fingerprint != "" {
		req.AddCookie(&http.Cookie{Name: "__Host-fingerprint", Value: fingerprint})
	}
	return g.do(req)
}

// post sends a form with a session's cookies.
func (g *Guard) post(ctx context.Context, path string, s session, form url.Values) answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+host+path, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if s.refresh != "" {
		req.AddCookie(&http.Cookie{Name: "__Host-refresh", Value: s.refresh})
	}
	if s.fingerprint != "" {
		req.AddCookie(&http.Cookie{Name: "__Host-fingerprint", Value: s.fingerprint})
	}
	return g.do(req)
}

func (g *Guard) do(req *http.Request) (a answer) {
	a.sent = time.Now()
	defer func() { a.took = time.Since(a.sent) }()
	res, err := g.client.Do(req)
	if err != nil {
		return answer{sent: a.sent, err: err}
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return answer{sent: a.sent, err: err}
	}
	var said struct {
		Detail string `json:"detail"`
		Access string `json:"access_token"`
	}
	_ = json.Unmarshal(body, &said) // the upstream's answers are no JSON
	a.status, a.detail, a.access, a.cookies = res.StatusCode, said.Detail, said.Access, map[string]string{}
	for _, c := range res.Cookies() {
		a.cookies[c.Name] = c.Value
	}
	return a
}

// opened is the session that a login or a refresh answered with.
func (a answer) opened(before session) session {
	s := session{access: a.access, refresh: a.cookies["__Host-refresh"], fingerprint: before.fingerprint}
	if f := a.cookies["__Host-fingerprint"]; f != "" {
		s.fingerprint = f
	}
	return s
}

// Token is one that an issuer elsewhere has given out.
type Token struct{ Raw, ID string }

// Token mints one that is good for ten minutes.
func (c *Cluster) Token() Token {
	raw, jti := c.mint.token()
	return Token{raw, jti}
}

// Items asks a guard with a token, and returns the status; 0: no answer.
func (g *Guard) Items(ctx context.Context, raw string) int {
	return g.get(ctx, pathItems, raw, "").status
}

// Pay presents a token where it is good once.
func (g *Guard) Pay(ctx context.Context, raw string) int {
	return g.get(ctx, pathPay, raw, "").status
}

// Session is a login as the browser holds it.
type Session struct{ s session }

// Login opens a session of one of the users. The status tells whether it did.
func (g *Guard) Login(ctx context.Context) (Session, int) {
	a := g.post(ctx, pathLogin, session{}, url.Values{"username": {users[0]}, "password": {password}})
	return Session{a.opened(session{})}, a.status
}

// Refresh renews a session. Unless the status is 200 it is as it was.
func (g *Guard) Refresh(ctx context.Context, s Session) (Session, int) {
	a := g.post(ctx, pathRefresh, s.s, nil)
	if a.status != http.StatusOK {
		return s, a.status
	}
	return Session{a.opened(s.s)}, a.status
}

// ItemsOf asks with a session's access token.
func (g *Guard) ItemsOf(ctx context.Context, s Session) int {
	return g.get(ctx, pathItems, s.s.access, s.s.fingerprint).status
}
