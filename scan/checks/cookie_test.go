package checks

import (
	"net/http"
	"testing"
	"time"

	"github.com/wiretight/wiretight/scan"
)

// cookieAPI is an API whose login sets the given cookie, to the token.
func cookieAPI(t testing.TB, c http.Cookie) *fixture {
	t.Helper()
	token := goodToken(t)
	api := guarded(token)
	f := serve(t, server{Token: token, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			set := c
			if set.Value == "" {
				set.Value = token
			}
			http.SetCookie(w, &set)
			answer(w, http.StatusOK, `{"access_token":"`+token+`","token_type":"bearer"}`)
		case "/me":
			api.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	})})
	f.Config.Token = text("")
	f.Config.Protected = []string{"/me"}
	f.Config.LoginURL, f.Config.LoginJSON = "/login", `{"username":"alice","password":"x"}`
	return f
}

// hardened is a cookie as it should be.
var hardened = http.Cookie{Name: "access_token", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}

func with(change func(*http.Cookie)) http.Cookie {
	c := hardened
	change(&c)
	return c
}

func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		check scan.Check
		bad   http.Cookie
	}{
		{"not secure", cookieNotSecure, with(func(c *http.Cookie) { c.Secure = false })},
		{"not HttpOnly", cookieNotHTTPOnly, with(func(c *http.Cookie) { c.HttpOnly = false })},
		{"no SameSite", cookieSameSite, with(func(c *http.Cookie) { c.SameSite = 0 })},
		{"SameSite=None", cookieSameSite, with(func(c *http.Cookie) { c.SameSite = http.SameSiteNoneMode })},
		{"by name alone", cookieNotSecure, http.Cookie{Name: "sessionid", Value: "k3jh45kjh345k", Path: "/", HttpOnly: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mustFind(t, cookieAPI(t, tt.bad), tt.check, tt.bad.Name, "Set-Cookie: ")
			mustPass(t, cookieAPI(t, hardened), tt.check)
			mustNotDecideDead(t, cookieAPI(t, tt.bad), tt.check)
		})
	}
}

func TestCookiesThatCarryNoCredential(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]http.Cookie{
		"deleted by age":      {Name: "session", Value: "gone-and-forgotten", MaxAge: -1},
		"deleted by date":     {Name: "session", Value: "gone-and-forgotten", Expires: time.Unix(0, 0)},
		"double submit":       {Name: "csrftoken", Value: "k3jh45kjh345k"},
		"language":            {Name: "lang", Value: "de-AT-1996"},
		"too short to be one": {Name: "session", Value: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, check := range cookieChecks() {
				mustPass(t, cookieAPI(t, c), check)
			}
		})
	}
}

func TestCookiesWithoutLogin(t *testing.T) {
	t.Parallel()
	mustSkip(t, serve(t, server{Handler: guarded("x")}), cookieNotSecure)
}
