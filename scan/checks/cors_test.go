package checks

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

const appOrigin = "https://app.example.com"

// crossOriginAPI is an API with one protected path, whose CORS headers are made
// by allow: it gets the origin and returns what is allowed.
func crossOriginAPI(token string, credentials, vary bool, allow func(origin string) string) http.Handler {
	api := guarded(token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			if a := allow(origin); a != "" {
				w.Header().Set("Access-Control-Allow-Origin", a)
				if credentials {
					w.Header().Set("Access-Control-Allow-Credentials", "true")
				}
			}
		}
		if vary {
			w.Header().Add("Vary", "Accept-Encoding, origin")
		}
		if r.URL.Path != "/me" {
			http.NotFound(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

func corsFixture(t testing.TB, credentials, vary bool, allow func(string) string) *fixture {
	t.Helper()
	token := goodToken(t)
	f := serve(t, server{Handler: crossOriginAPI(token, credentials, vary, allow), Token: token})
	f.Config.Protected = []string{"/me"}
	f.Config.Origin = appOrigin
	return f
}

func exactly(origin string) string {
	if origin == appOrigin {
		return origin
	}
	return ""
}
func reflected(origin string) string { return origin }
func wildcard(string) string         { return "*" }

// strictCORS allows one origin and says that answers differ.
func strictCORS(t testing.TB) *fixture { return corsFixture(t, true, true, exactly) }

func TestCORSWildcard(t *testing.T) {
	t.Parallel()
	mustFind(t, corsFixture(t, false, true, wildcard), corsWildcard, "Access-Control-Allow-Origin: \"*\"", "genuine token", "curl")
	mustPass(t, strictCORS(t), corsWildcard)
	mustBeUnsure(t, corsFixture(t, false, true, wildcard), corsWildcard)
	// A star on refusals alone is no finding, and no pass either.
	f := corsFixture(t, false, true, wildcard)
	f.Config.Token = text("")
	if v := look(t, f, corsWildcard); v.Outcome != scan.Inconclusive {
		t.Errorf("without a token: got %s, want inconclusive", describe(v))
	}
}

func TestCORSReflectedOrigin(t *testing.T) {
	t.Parallel()
	e := mustFind(t, corsFixture(t, true, true, reflected), corsReflectedOrigin, ".invalid", "Allow-Credentials: true")
	if e[0].Severity != catalog.Medium {
		t.Errorf("got severity %q where no cookie is the credential, want medium", e[0].Severity)
	}
	mustFind(t, corsFixture(t, false, true, reflected), corsReflectedOrigin, ".invalid")
	mustPass(t, strictCORS(t), corsReflectedOrigin)
	mustPass(t, corsFixture(t, false, true, wildcard), corsReflectedOrigin)
	mustBeUnsure(t, corsFixture(t, true, true, reflected), corsReflectedOrigin)
}

func TestCORSReflectedOriginWithCookies(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	api := crossOriginAPI(token, true, true, reflected)
	f := serve(t, server{Token: token, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			http.SetCookie(w, &http.Cookie{Name: "access_token", Value: token, Path: "/"})
			answer(w, http.StatusOK, `{"ok":true}`)
			return
		}
		if c, err := r.Cookie("access_token"); err == nil {
			r.Header.Set("Authorization", "Bearer "+c.Value)
		}
		api.ServeHTTP(w, r)
	})})
	f.Config.Token = text("")
	f.Config.Protected = []string{"/me"}
	f.Config.LoginURL, f.Config.LoginData = "/login", "username=alice&password=x"
	if e := mustFind(t, f, corsReflectedOrigin, "genuine token"); e[0].Severity != "" {
		t.Errorf("got severity %q with a cookie, want the catalog's", e[0].Severity)
	}
}

func TestCORSNullOrigin(t *testing.T) {
	t.Parallel()
	null := func(origin string) string {
		if origin == "null" {
			return "null"
		}
		return exactly(origin)
	}
	mustFind(t, corsFixture(t, true, true, null), corsNullOrigin, "Origin: null", "genuine token")
	mustPass(t, strictCORS(t), corsNullOrigin)
	mustBeUnsure(t, corsFixture(t, true, true, null), corsNullOrigin)
}

func TestCORSWeakOriginMatch(t *testing.T) {
	t.Parallel()
	for name, weak := range map[string]func(string) bool{
		"prefix": func(o string) bool { return strings.HasPrefix(o, appOrigin) },
		"suffix": func(o string) bool { return strings.HasSuffix(o, "app.example.com") },
		"scheme": func(o string) bool { return strings.HasSuffix(o, "://app.example.com") },
		"pattern": func(o string) bool {
			return len(o) == len(appOrigin) && strings.HasPrefix(o, "https://app") && strings.HasSuffix(o, "example.com")
		},
		"contains": func(o string) bool { return strings.Contains(o, "app.example.com") },
	} {
		allow := func(o string) string {
			if weak(o) {
				return o
			}
			return ""
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mustFind(t, corsFixture(t, true, true, allow), corsWeakOriginMatch, "no Access-Control-Allow-Origin", "Origin: ")
		})
	}
	mustPass(t, strictCORS(t), corsWeakOriginMatch)
	mustSkip(t, corsFixture(t, true, true, reflected), corsWeakOriginMatch)
	mustSkip(t, corsFixture(t, false, true, wildcard), corsWeakOriginMatch)
	mustBeUnsure(t, strictCORS(t), corsWeakOriginMatch)
	f := strictCORS(t)
	f.Config.Origin = "https://elsewhere.example"
	if v := look(t, f, corsWeakOriginMatch); v.Outcome != scan.Inconclusive {
		t.Errorf("with an origin that is not allowed: got %s, want inconclusive", describe(v))
	}
}

// preflights adds answers to preflights, with a status of one's choice.
func preflights(t testing.TB, status int, allow func(string) string, methods, headers string) *fixture {
	t.Helper()
	token := goodToken(t)
	api := crossOriginAPI(token, false, true, allow)
	f := serve(t, server{Token: token, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.Header().Set("Access-Control-Allow-Origin", allow(r.Header.Get("Origin")))
			w.Header().Set("Access-Control-Allow-Methods", methods)
			if headers == "echo" {
				headers = r.Header.Get("Access-Control-Request-Headers")
			}
			w.Header().Set("Access-Control-Allow-Headers", headers)
			w.WriteHeader(status)
			return
		}
		api.ServeHTTP(w, r)
	})})
	f.Config.Protected = []string{"/me"}
	return f
}

func TestCORSBroadMethods(t *testing.T) {
	t.Parallel()
	mustFind(t, preflights(t, 200, wildcard, "GET, POST, DELETE, PUT", "echo"), corsBroadMethods, "x-wt-probe", "curl", "DELETE")
	mustFind(t, preflights(t, 204, reflected, "*", "*"), corsBroadMethods)
	mustPass(t, preflights(t, 204, exactly, "*", "*"), corsBroadMethods)
	mustPass(t, preflights(t, 400, wildcard, "*", "*"), corsBroadMethods) // as Starlette refuses
	mustPass(t, preflights(t, 204, wildcard, "GET, POST", "authorization"), corsBroadMethods)
	mustPass(t, strictCORS(t), corsBroadMethods)
	mustBeUnsure(t, preflights(t, 200, wildcard, "*", "*"), corsBroadMethods)
}

func TestCORSMissingVary(t *testing.T) {
	t.Parallel()
	mustFind(t, corsFixture(t, true, false, exactly), corsMissingVary, "no Vary: Origin", appOrigin)
	mustFind(t, corsFixture(t, true, false, reflected), corsMissingVary, "no Vary: Origin")
	mustPass(t, corsFixture(t, false, false, wildcard), corsMissingVary) // the same for all
	mustPass(t, strictCORS(t), corsMissingVary)
	mustBeUnsure(t, corsFixture(t, true, false, exactly), corsMissingVary)
}

func TestLookAlikesAreOthers(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{appOrigin, "http://127.0.0.1:8000", "https://example.com:8443", "https://x"} {
		for _, fake := range lookAlikes(origin) {
			if fake == origin {
				t.Errorf("%s: is among its own look-alikes", origin)
			}
		}
	}
	if got := lookAlikes("not an origin"); got != nil {
		t.Errorf("got %v of no origin, want none", got)
	}
}
