package scan

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// waysToRefresh are tried in this order, until one is understood.
var waysToRefresh = []string{"cookie", "json", "form", "bearer"}

// Refresh uses the session's refresh token at the refresh URL that was given or
// found: as the OAuth grant, in JSON, or by its cookie. A refusal is an error
// with the answer in Session.Response; ErrAbsent says that there is no such URL
// or no refresh token.
func (t *Target) Refresh(ctx context.Context, s Session) (Session, error) {
	at := t.refreshURL()
	if at == "" || s.Refresh.Empty() {
		return Session{}, fmt.Errorf("refresh: %w", ErrAbsent)
	}
	t.logins.mu.Lock()
	known := t.logins.refresh
	t.logins.mu.Unlock()
	var last *Response
	for i, way := range waysToRefresh {
		if known > 0 && known != i+1 || way == "cookie" && s.RefreshCookie == "" {
			continue
		}
		res, err := t.Do(ctx, refreshRequest(at, way, s))
		if err != nil {
			return Session{}, fmt.Errorf("refresh: %w", err)
		}
		last = res
		if next, ok := t.readSession(res); ok {
			t.logins.mu.Lock()
			t.logins.refresh = i + 1
			t.logins.mu.Unlock()
			next.keepCookies(s)
			return next, nil
		}
		if res.Status == 429 {
			break
		}
	}
	if last.Status == http.StatusNotFound && known == 0 {
		return Session{Response: last}, fmt.Errorf("refresh at %s: status 404: %w", at, ErrAbsent)
	}
	return Session{Response: last}, fmt.Errorf("refresh at %s: refused with status %d", at, last.Status)
}

// keepCookies takes over the cookies of the session before that this answer has
// not replaced, as a browser would.
func (s *Session) keepCookies(before Session) {
	for _, c := range before.Cookies {
		if !slices.ContainsFunc(s.Cookies, func(n *http.Cookie) bool { return n.Name == c.Name }) {
			s.Cookies = append(s.Cookies, c)
		}
	}
}

func refreshRequest(at, way string, s Session) Request {
	token := string(s.Refresh.Reveal())
	r := Request{Method: "POST", URL: at, Header: http.Header{}, credential: true, NoRetry: true}
	if c := cmp.Or(map[bool]string{true: s.all()}[way == "cookie"], s.companions()); c != "" {
		r.Header["Cookie"] = []string{c}
	}
	switch way {
	case "json":
		r.Body, _ = json.Marshal(map[string]string{"refresh_token": token}) // strings always marshal
		r.Header["Content-Type"] = []string{"application/json"}
	case "form":
		r.Body = []byte(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}.Encode())
		r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
	case "bearer":
		r.Header["Authorization"] = []string{"Bearer " + token}
	}
	return r
}

// refreshURL is the one that was given, or that of the description, or a sibling
// of the login.
func (t *Target) refreshURL() string {
	if t.config.RefreshURL != "" {
		return t.onTarget(t.config.RefreshURL)
	}
	if at := t.specURL(refreshPath); at != "" {
		return at
	}
	if spec := t.surface.spec; spec != nil {
		for _, s := range spec.Schemes {
			if at := t.near(spec.URL, s.RefreshURL); s.RefreshURL != "" && at != "" {
				return at
			}
		}
		if strings.Contains(t.config.LoginData, "grant_type") {
			return t.loginURL()
		}
		return ""
	}
	return t.sibling("refresh")
}

func (t *Target) sibling(name string) string {
	login := t.loginURL()
	i := strings.LastIndexByte(login, '/')
	if login == "" || i < len("https://") {
		return ""
	}
	return login[:i+1] + name
}

// RefreshURL is where refreshes go. Empty: nowhere.
func (t *Target) RefreshURL() string { return t.refreshURL() }

// LogoutURL is where logouts go. Empty: nowhere.
func (t *Target) LogoutURL() string {
	if t.config.LogoutURL != "" {
		return t.onTarget(t.config.LogoutURL)
	}
	if at := t.specURL(logoutPath); at != "" || t.surface.spec != nil {
		return at
	}
	return t.sibling("logout")
}

// Logout ends the session at the logout URL that was given or found, with its
// token and cookies, and, where the URL says revoke, the token in a form (RFC
// 7009). ErrAbsent says that there is no such URL.
func (t *Target) Logout(ctx context.Context, s Session) (*Response, error) {
	at := t.LogoutURL()
	if at == "" {
		return nil, fmt.Errorf("log out: %w", ErrAbsent)
	}
	r := Request{Method: "POST", URL: at, Header: http.Header{}, credential: true}
	if s.AccessCookie == "" {
		r.Header["Authorization"] = []string{"Bearer " + string(s.Access.Reveal())}
	}
	if c := s.all(); c != "" {
		r.Header["Cookie"] = []string{c}
	}
	switch {
	case strings.Contains(strings.ToLower(at), "revoke"):
		r.Body = []byte(url.Values{"token": {string(s.Access.Reveal())}}.Encode())
		r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
	case !s.Refresh.Empty() && s.RefreshCookie == "":
		r.Body, _ = json.Marshal(map[string]string{"refresh_token": string(s.Refresh.Reveal())})
		r.Header["Content-Type"] = []string{"application/json"}
	}
	res, err := t.Do(ctx, r)
	if err == nil && res.Status == http.StatusNotFound {
		return res, fmt.Errorf("log out at %s: status 404: %w", at, ErrAbsent)
	}
	return res, err
}
