package checks

import (
	"net/http"
	"testing"

	"github.com/wiretight/wiretight/scan"
)

// starUnlessCookies is an API that logs in by a cookie, and whose middleware
// answers a star, or where a cookie comes along the origin that allow makes of
// what asks.
func starUnlessCookies(t *testing.T, allow func(origin string) string) *fixture {
	t.Helper()
	token := goodToken(t)
	api := guarded(token)
	f := serve(t, server{Token: token, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		if r.Header.Get("Cookie") != "" {
			w.Header().Set("Access-Control-Allow-Origin", allow(r.Header.Get("Origin")))
		}
		if r.URL.Path == "/login" {
			http.SetCookie(w, &http.Cookie{Name: "visit", Value: "0123456789abcdef", Path: "/"})
			answer(w, http.StatusOK, `{"access_token":"`+token+`"}`)
			return
		}
		api.ServeHTTP(w, r)
	})})
	f.Config.Token = text("")
	f.Config.Protected = []string{"/me"}
	f.Config.LoginURL, f.Config.LoginData = "/login", "username=alice&password=x"
	return f
}

func TestCORSReflectedOnlyWithCookies(t *testing.T) {
	t.Parallel()
	e := mustFind(t, starUnlessCookies(t, reflected), corsReflectedOrigin, `Allow-Origin: "*"`, "with the session's cookies", ".invalid", "$COOKIES")
	if e[0].Severity != "" {
		t.Errorf("got severity %q, want the catalog's", e[0].Severity)
	}
	mustPass(t, starUnlessCookies(t, exactly), corsReflectedOrigin)
	mustPass(t, starUnlessCookies(t, wildcard), corsReflectedOrigin)
	mustFind(t, starUnlessCookies(t, exactly), corsWildcard, "genuine token")
	mustBeUnsure(t, starUnlessCookies(t, reflected), corsReflectedOrigin)
}

// A service that does not look at signatures leaves the oracle nothing to go by.
// Its answers are no less worth reading.
func TestCORSWildcardWhereSignaturesDoNotMatter(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	f := serve(t, server{Token: token, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if r.Header.Get("Authorization") == "" {
			answer(w, http.StatusUnauthorized, `{"detail":"Not authenticated"}`)
			return
		}
		answer(w, http.StatusOK, `{"items":[1]}`)
	})})
	f.Config.Protected = []string{"/me"}
	mustFind(t, f, corsWildcard, "genuine token")
	f.Config.Protected = []string{"/healthz"}
	f.Config.Token = text("")
	if v := look(t, f, corsWildcard); v.Outcome != scan.Inconclusive {
		t.Errorf("without a token: got %s, want inconclusive", describe(v))
	}
}
