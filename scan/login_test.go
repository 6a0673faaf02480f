package scan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/scan"
)

// sessions is an API with a login. It takes one form of it only.
type sessions struct {
	form    string // json, form, oauth or cookie
	refresh string // json, form, cookie or bearer
	mu      sync.Mutex
	live    map[string]bool // refresh tokens
	good    atomic.Int64
	bad     atomic.Int64
	users   sync.Map
}

func (s *sessions) answer(w http.ResponseWriter) {
	token := "refresh-" + scan.Random(12)
	s.mu.Lock()
	s.live[token] = true
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if s.refresh == "cookie" {
		http.SetCookie(w, &http.Cookie{Name: "__Host-refresh", Value: token, Path: "/", Secure: true, HttpOnly: true})
		token = ""
	}
	if s.form == "cookie" {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: aliceToken(), Path: "/"})
		fmt.Fprint(w, `{"ok":true}`)
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"access_token": aliceToken(), "refresh_token": token, "expires_in": 300})
}

func (s *sessions) serve(w http.ResponseWriter, r *http.Request) bool {
	switch r.URL.Path {
	case "/auth/login":
		s.login(w, r)
	case "/auth/refresh":
		s.renew(w, r)
	case "/auth/logout":
		w.WriteHeader(http.StatusNoContent)
	default:
		return false
	}
	return true
}

func (s *sessions) login(w http.ResponseWriter, r *http.Request) {
	var user, password string
	switch isJSON := r.Header.Get("Content-Type") == "application/json"; {
	case s.form == "json" || s.form == "cookie":
		var v map[string]string
		json.NewDecoder(r.Body).Decode(&v)
		user, password = v["username"], v["password"]
	case isJSON:
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	case s.form == "oauth" && r.FormValue("grant_type") != "password":
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"detail":[{"loc":["body","grant_type"],"msg":"field required"}]}`)
		return
	default:
		user, password = r.FormValue("username"), r.FormValue("password")
	}
	s.users.Store(user, true)
	if user != "alice" || password != "wonderland" {
		s.bad.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.good.Add(1)
	s.answer(w)
}

func (s *sessions) renew(w http.ResponseWriter, r *http.Request) {
	token := ""
	switch s.refresh {
	case "json":
		var v map[string]string
		json.NewDecoder(r.Body).Decode(&v)
		token = v["refresh_token"]
	case "form":
		if r.FormValue("grant_type") == "refresh_token" {
			token = r.FormValue("refresh_token")
		}
	case "cookie":
		if c, err := r.Cookie("__Host-refresh"); err == nil {
			token = c.Value
		}
	case "bearer":
		token = bearer(r)
	}
	s.mu.Lock()
	ok := s.live[token]
	delete(s.live, token)
	s.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.answer(w)
}

func TestLoginForms(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"json", "form", "oauth", "cookie"} {
		for _, refresh := range []string{"json", "form", "cookie", "bearer"} {
			if form == "cookie" && refresh != "cookie" {
				continue
			}
			t.Run(form+" and "+refresh, func(t *testing.T) {
				t.Parallel()
				s := &sessions{form: form, refresh: refresh, live: map[string]bool{}}
				a := &api{extra: s.serve}
				a.items = func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					c, err := r.Cookie("session")
					if !signed(bearer(r)) && (err != nil || !signed(c.Value)) {
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					fmt.Fprint(w, `{"user":"alice"}`)
				}
				c, _ := a.start(t)
				c.Token = redact.Text{}
				c.LoginURL, c.RefreshURL, c.LogoutURL = "/auth/login", "/auth/refresh", "/auth/logout"
				if form == "json" || form == "cookie" {
					c.LoginJSON = `{"username":"alice","password":"wonderland"}`
				} else {
					c.LoginData = "username=alice&password=wonderland"
				}
				look(t, c, func(ctx context.Context, target *scan.Target) {
					first, ok := target.Session()
					if token, have := target.Token(); !ok || !have || !token.JWT || token.Subject != "alice" {
						t.Fatalf("got session %v, token %v: %s", ok, have, target.Unprotected())
					}
					if len(target.Protected()) == 0 {
						t.Fatalf("got no protected operation: %s", target.Unprotected())
					}
					if (form == "cookie") != (target.Protected()[0].Cookie == "session") {
						t.Errorf("got cookie %q", target.Protected()[0].Cookie)
					}
					second, err := target.Refresh(ctx, first)
					if err != nil || second.Access.Empty() || second.Refresh.Equal(first.Refresh) {
						t.Fatalf("refresh: got %+v, %v", second, err)
					}
					if again, err := target.Refresh(ctx, first); err == nil || again.Response.Status != http.StatusUnauthorized {
						t.Errorf("the old refresh token again: got %v, want a refusal", err)
					}
					if r, err := target.Logout(ctx, second); err != nil || r.Status != http.StatusNoContent {
						t.Errorf("logout: got %+v, %v", r, err)
					}
				})
			})
		}
	}
}

func TestLoginLimits(t *testing.T) {
	t.Parallel()
	s := &sessions{form: "json", refresh: "json", live: map[string]bool{}}
	c, _ := (&api{extra: s.serve}).start(t)
	c.LoginURL, c.LoginJSON = "/auth/login", `{"username":"alice","password":"wonderland"}`
	look(t, c, func(ctx context.Context, target *scan.Target) {
		var err error
		for range 40 {
			if _, err = target.Login(ctx); err != nil {
				break
			}
		}
		if !errors.Is(err, scan.ErrLogins) || s.good.Load() != 30 {
			t.Errorf("got %v after %d logins, want ErrLogins after 30", err, s.good.Load())
		}
		for range 20 {
			_, err = target.BadLogin(ctx)
		}
		if !errors.Is(err, scan.ErrLogins) || s.bad.Load() != 12 {
			t.Errorf("got %v after %d bad logins, want ErrLogins after 12", err, s.bad.Load())
		}
	})
	n := 0
	s.users.Range(func(user, _ any) bool {
		n++
		if user != "alice" && !strings.HasPrefix(user.(string), "wt-") {
			t.Errorf("got a bad login as %v", user)
		}
		return true
	})
	if n != 2 {
		t.Errorf("got %d users, want alice and one who does not exist", n)
	}
}

func TestLoginRefused(t *testing.T) {
	t.Parallel()
	s := &sessions{form: "json", live: map[string]bool{}}
	c, _ := (&api{extra: s.serve}).start(t)
	c.Token = redact.Text{}
	c.LoginURL, c.LoginJSON = "/auth/login", `{"username":"alice","password":"wrong-password"}`
	r := within(t, c, func(ctx context.Context, target *scan.Target) scan.Verdict {
		for range 10 {
			target.Login(ctx)
		}
		return scan.Skip(target.Unprotected())
	})
	if got := s.bad.Load(); got != 3 {
		t.Errorf("got %d failed logins of the user's own, want 3 at most", got)
	}
	if !strings.Contains(r.Incomplete, "log in") || strings.Contains(r.Incomplete, "wrong-password") {
		t.Errorf("got incomplete %q, want the refused login", r.Incomplete)
	}
}
