package checks

import (
	"net/http"
	"testing"

	"github.com/wiretight/wiretight/scan"
)

// A service that refuses whatever comes in clear has shown neither that it takes
// any Host, nor that it never slows logins.
func TestBlanketRefusalDecidesNothing(t *testing.T) {
	t.Parallel()
	refuse := func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusForbidden, `{"detail":"HTTPS required"}`)
	}
	all := func() *fixture {
		f := serve(t, server{Insecure: true, Handler: http.HandlerFunc(refuse)})
		f.Config.Protected = []string{"/items"}
		f.Config.LoginURL, f.Config.LoginData = "/token", "username=alice&password=x"
		return f
	}
	for _, c := range []scan.Check{hostUnvalidated, authNoRateLimit} {
		if v := look(t, all(), c); v.Outcome != scan.Inconclusive {
			t.Errorf("%s: got %s, want inconclusive", c.ID, describe(v))
		}
	}
	// A 403 for one path alone is the application's own.
	some := serve(t, server{Insecure: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/items" || r.URL.Path == "/token" {
			answer(w, http.StatusForbidden, `{"detail":"Forbidden"}`)
			return
		}
		http.NotFound(w, r)
	})})
	some.Config.Protected = []string{"/items"}
	some.Config.LoginURL, some.Config.LoginData = "/token", "username=alice&password=x"
	mustFind(t, some, hostUnvalidated, "/items")
	mustFind(t, some, authNoRateLimit, "403")
}
