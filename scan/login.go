package scan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
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
