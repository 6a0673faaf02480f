package scan

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wiretight/wiretight/internal/redact"
)

// How often a scan may log in.
const (
	maxLogins = 30
	maxBad    = 12
	maxFailed = 3 // of the user's own, in a row: more could lock the account
	minToken  = 8 // characters; what is shorter is a word of the answer
)

// logins counts.
type logins struct {
	mu              sync.Mutex
	made, bad, fail int
	grant           bool // the target wants grant_type
	refresh         int  // 1 + index of the way to refresh that worked
	stranger        string
}

var (
	loginPath   = regexp.MustCompile(`(?i)/(login|signin|sign-in|token|authenticate|session|sessions|auth)/?$`)
	refreshPath = regexp.MustCompile(`(?i)refresh`)
	logoutPath  = regexp.MustCompile(`(?i)/(log-?out|sign-?out|revoke|end-?session)/?$`)
)

// CanLogin tells whether Login has what it needs.
func (t *Target) CanLogin() bool {
	return (t.config.LoginData != "" || t.config.LoginJSON != "") && t.loginURL() != ""
}

// loginURL is the one that was given, or that of the description.
func (t *Target) loginURL() string {
	if t.config.LoginURL != "" {
		return t.onTarget(t.config.LoginURL)
	}
	spec := t.surface.spec
	if spec == nil {
		return ""
	}
	for _, s := range spec.Schemes {
		if at := t.near(spec.URL, s.TokenURL); s.Password && s.TokenURL != "" && at != "" {
			return at
		}
	}
	return t.specURL(loginPath)
}

// specURL is the POST operation of the description whose path matches.
func (t *Target) specURL(path *regexp.Regexp) string {
	for _, o := range t.surface.operations {
		if o.Method == "POST" && path.MatchString(o.Path) {
			return o.URL
		}
	}
	return ""
}

// onTarget completes a path that the user gave.
func (t *Target) onTarget(path string) string {
	u, err := t.base.Parse(path)
	if err != nil {
		return ""
	}
	return u.String()
}

// near resolves a URL of a document; another host's is none of ours.
func (t *Target) near(document, ref string) string {
	from := t.Base()
	if u, err := url.Parse(document); err == nil && u.Host != "" {
		from = u
	}
	u, err := from.Parse(ref)
	if err != nil || !strings.EqualFold(u.Hostname(), t.Host()) {
		return ""
	}
	return u.String()
}

// LoginURL is where logins go. Empty: nowhere.
func (t *Target) LoginURL() string { return t.loginURL() }

// loginRequest is the request of a login with JSON or a form, as the user's data
// is. replace gets the name and value of each field and returns its value.
func (t *Target) loginRequest(replace func(name string, value string) string) (Request, error) {
	r := Request{Method: "POST", URL: t.loginURL(), Header: http.Header{}, credential: true}
	if t.config.LoginJSON != "" {
		fields, ok := decodeObject([]byte(t.config.LoginJSON))
		if !ok {
			return r, errors.New("the data of --login-json is no JSON object")
		}
		for k, v := range fields {
			if s, ok := v.(string); ok {
				fields[k] = replace(k, s)
			}
		}
		body, err := json.Marshal(fields)
		r.Body = body
		r.Header["Content-Type"] = []string{"application/json"}
		return r, err
	}
	form, err := url.ParseQuery(t.config.LoginData)
	if err != nil {
		return r, fmt.Errorf("the data of --login-data is no form: %w", err)
	}
	for k, list := range form {
		for i, v := range list {
			list[i] = replace(k, v)
		}
	}
	t.logins.mu.Lock()
	if t.logins.grant {
		form.Set("grant_type", "password")
	}
	t.logins.mu.Unlock()
	r.Body = []byte(form.Encode())
	r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
	return r, nil
}

// Login logs in once more with the user's data: JSON, a form, or the OAuth
// password grant. Thirty logins are the most of a scan (ErrLogins). A login that
// is refused is an error, and after three of those there are no more.
func (t *Target) Login(ctx context.Context) (Session, error) {
	if !t.CanLogin() {
		return Session{}, fmt.Errorf("log in: %w", ErrAbsent)
	}
	if err := t.countLogin(); err != nil {
		return Session{}, err
	}
	r, err := t.loginRequest(func(_, v string) string { return v })
	if err != nil {
		return Session{}, err
	}
	res, err := t.Do(ctx, r)
	if err == nil && (res.Status == 400 || res.Status == 422) && bytes.Contains(res.Body, []byte("grant_type")) && t.config.LoginJSON == "" {
		t.logins.mu.Lock()
		t.logins.grant = true
		t.logins.mu.Unlock()
		if r, err = t.loginRequest(func(_, v string) string { return v }); err == nil {
			res, err = t.Do(ctx, r)
		}
	}
	if errors.Is(err, ErrExposed) {
		return Session{}, fmt.Errorf("log in: %s: %w", t.exposure(), err)
	}
	if err != nil {
		return Session{}, fmt.Errorf("log in: %w", err)
	}
	s, ok := t.readSession(res)
	t.logins.mu.Lock()
	defer t.logins.mu.Unlock()
	if !ok {
		t.logins.fail++
		return s, fmt.Errorf("log in at %s: no token came, status %d", t.loginURL(), res.Status)
	}
	t.logins.fail = 0
	return s, nil
}

func (t *Target) countLogin() error {
	t.logins.mu.Lock()
	defer t.logins.mu.Unlock()
	if t.logins.made >= maxLogins || t.logins.fail >= maxFailed {
		return ErrLogins
	}
	t.logins.made++
	return nil
}

var (
	userField     = regexp.MustCompile(`(?i)user|login|mail|name|ident|account`)
	passwordField = regexp.MustCompile(`(?i)pass|pwd|secret|pin`)
)

// BadLogin tries to log in as a user who does not exist, always the same one, with
// a random password. Twelve are the most of a scan (ErrLogins). It does not back off.
func (t *Target) BadLogin(ctx context.Context) (*Response, error) {
	if !t.CanLogin() {
		return nil, fmt.Errorf("log in: %w", ErrAbsent)
	}
	t.logins.mu.Lock()
	over := t.logins.bad >= maxBad
	if !over {
		t.logins.bad++
	}
	if t.logins.stranger == "" {
		t.logins.stranger = "wt-" + Random(6)
	}
	stranger := t.logins.stranger
	t.logins.mu.Unlock()
	if over {
		return nil, ErrLogins
	}
	r, err := t.loginRequest(func(name, v string) string {
		switch {
		case passwordField.MatchString(name):
			return "wt-" + Random(12)
		case strings.Contains(v, "@"):
			return stranger + "@example.invalid"
		case userField.MatchString(name):
			return stranger
		}
		return v
	})
	if err != nil {
		return nil, err
	}
	r.credential, r.NoRetry = false, true
	return t.Do(ctx, r)
}

// Session is what the first login of the scan gave. ok is false when there was
// none.
func (t *Target) Session() (s Session, ok bool) {
	if t.surface.session == nil {
		return Session{}, false
	}
	return *t.surface.session, true
}

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

// readSession finds the tokens in an answer, and remembers them as secrets.
func (t *Target) readSession(r *Response) (Session, bool) {
	s := Session{Response: r, Cookies: (&http.Response{Header: r.Header}).Cookies()}
	if !r.OK() && r.Status != http.StatusFound && r.Status != http.StatusSeeOther {
		return s, false
	}
	fields := tokenFields(r.Body)
	pick := func(names ...string) redact.Text {
		for _, n := range names {
			if v := fields[n]; len(v) >= minToken {
				t.secrets.keep(v)
				return redact.NewText(v)
			}
		}
		return redact.Text{}
	}
	s.Access = pick("accesstoken", "token", "jwt", "authtoken", "bearertoken", "bearer", "access", "idtoken")
	s.Refresh, s.IDToken = pick("refreshtoken", "refresh"), pick("idtoken")
	s.ExpiresIn = seconds(fields["expiresin"])
	for _, c := range s.Cookies {
		t.secrets.keep(c.Value)
		t.fromCookie(&s, c)
	}
	return s, !s.Access.Empty()
}

var (
	accessCookie = regexp.MustCompile(`(?i)access|session|sess|jwt|token|auth|sid`)
	noCredential = regexp.MustCompile(`(?i)csrf|xsrf|fingerprint|fpt|locale|lang|theme|consent`)
)

// fromCookie takes a cookie for a token, if it looks like one and the body had
// none.
func (t *Target) fromCookie(s *Session, c *http.Cookie) {
	switch {
	case c.Value == "" || c.MaxAge < 0 || noCredential.MatchString(c.Name):
	case refreshPath.MatchString(c.Name):
		if s.Refresh.Empty() {
			s.Refresh, s.RefreshCookie = redact.NewText(c.Value), c.Name
		}
	case s.Access.Empty() && (accessCookie.MatchString(c.Name) || ReadToken(c.Value).JWT):
		s.Access, s.AccessCookie = redact.NewText(c.Value), c.Name
	}
}

// tokenFields collects the strings and numbers of a JSON text by the names of
// their members, without case, - and _; outer ones first.
func tokenFields(body []byte) map[string]string {
	fields := map[string]string{}
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if len(body) > 64<<10 || d.Decode(&v) != nil {
		return fields
	}
	level := []any{v}
	if s, ok := v.(string); ok && ReadToken(s).JWT {
		fields["token"] = s
	}
	for depth := 0; depth < 5 && len(level) > 0; depth++ {
		var next []any
		for _, e := range level {
			o, _ := e.(map[string]any)
			for _, k := range slices.Sorted(maps.Keys(o)) {
				name := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(k))
				switch v := o[k].(type) {
				case string:
					if fields[name] == "" {
						fields[name] = v
					}
				case json.Number:
					if fields[name] == "" {
						fields[name] = v.String()
					}
				default:
					next = append(next, v)
				}
			}
		}
		level = next
	}
	return fields
}

func seconds(s string) time.Duration {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n < 0 || n > 1e9 {
		return 0
	}
	return time.Duration(n * float64(time.Second))
}
