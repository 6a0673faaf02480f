package checks

import (
	"net/http"
	"slices"
	"testing"
)

// mendedD has, for each check of list_d.go, the server on which it found
// something, mended. No check of any area may find anything there.
var mendedD = map[string]func(testing.TB) *fixture{
	"refresh.predictable":    sessionAPI{}.start,
	"refresh.not-rotated":    sessionAPI{}.start,
	"refresh.reuse-accepted": sessionAPI{rotation: "grace"}.start,
	"cookie.not-secure":      cookieMended,
	"cookie.not-httponly":    cookieMended,
	"cookie.same-site":       sessionAPI{cookie: true}.start,
	"cors.wildcard":          strictCORS,
	"cors.reflected-origin":  strictCORS,
	"cors.null-origin":       strictCORS,
	"cors.weak-origin-match": strictCORS,
	"cors.broad-methods": func(t testing.TB) *fixture {
		f := preflights(t, http.StatusNoContent, exactly, "GET, POST", "authorization")
		f.Config.Origin = appOrigin
		return f
	},
	"cors.missing-vary": strictCORS,
	"leak.token-echo": func(t testing.TB) *fixture {
		return site{token: goodToken(t)}.start(t)
	},
	"leak.stack-trace": func(t testing.TB) *fixture {
		return site{token: goodToken(t), mishap: func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("limit") != "wt" {
				return false
			}
			answer(w, http.StatusUnprocessableEntity, `{"detail":[{"loc":["query","limit"],"msg":"value is not a valid integer"}]}`)
			return true
		}}.start(t)
	},
	"leak.cacheable-token": sessionAPI{}.start,
	"leak.server-version": site{otherwise: canned{
		status: 404, body: `{"detail":"Not Found"}`,
		header: http.Header{"Server": {"uvicorn"}, "Via": {"1.1 proxy"}},
	}}.start,
	"leak.debug-endpoint": site{at: map[string]canned{
		"/metrics": {status: 401, body: `{"detail":"Not authenticated"}`},
		"/config":  {status: 200, body: `{"theme":"dark","auth_url":"https://id.example/"}`},
	}}.start,
	// Whatever the path, a page for browsers.
	"leak.key-file": site{otherwise: canned{200, "text/html", `<!doctype html><div id="root"></div>`, nil}}.start,
	"auth.missing":  gate{security: bearerOnly}.start,
	"auth.method-bypass": gate{security: bearerOnly, before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return false
		}
		w.Header().Set("Allow", "GET, HEAD")
		answer(w, http.StatusMethodNotAllowed, `{"detail":"Method Not Allowed"}`)
		return true
	}}.start,
	"auth.encoded-password": site{otherwise: canned{
		status: 401, body: `{"detail":"Not authenticated"}`,
		header: http.Header{"Www-Authenticate": {`Bearer realm="api"`}},
	}}.start,
	"auth.no-rate-limit":        sessionAPI{}.start,
	"supply.vulnerable-version": site{otherwise: canned{status: 404, body: `{"detail":"Not Found"}`, header: http.Header{"Server": {"Werkzeug"}}}}.start,
	"supply.docs-exposed": site{at: map[string]canned{
		"/docs": {status: 401, body: `{"detail":"Not authenticated"}`},
	}}.start,
}

// cookieMended logs in by form fields that are no user's own, and keeps the login
// bounded as the rest of it is.
func cookieMended(t testing.TB) *fixture {
	return sessionAPI{cookie: true, opaque: true}.start(t)
}

func TestMendedD(t *testing.T) {
	t.Parallel()
	checks := slices.Concat(refreshChecks(), cookieChecks(), corsChecks(), leakChecks(), authChecks(), supplyChecks())
	passMended(t, checks, mendedD)
}
