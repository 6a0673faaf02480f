package checks

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// described is a handler with a description of GET /items, a token needed, and
// /export of the same kind.
func described(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/openapi.json" {
			answer(w, 200, `{"openapi":"3.1.0","info":{"title":"T","version":"1"},"paths":{
				"/items":{"get":{"security":[{"b":[]}],"responses":{"200":{"description":"OK"}}}},
				"/export":{"get":{"security":[{"b":[]}],"responses":{"200":{"description":"OK"}}}}},
				"components":{"securitySchemes":{"b":{"type":"http","scheme":"bearer"}}}}`)
			return
		}
		next(w, r)
	}
}

// slashing answers /items as guarded does, and sends /items/ to location with
// the request's path and query.
func slashing(token string, location func(r *http.Request) string) http.HandlerFunc {
	return described(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/items/":
			w.Header().Set("Location", location(r))
			w.WriteHeader(http.StatusTemporaryRedirect)
		case "/items":
			guarded(token)(w, r)
		default:
			answer(w, http.StatusNotFound, `{"detail":"Not Found"}`)
		}
	})
}

func query(r *http.Request) string {
	if r.URL.RawQuery == "" {
		return ""
	}
	return "?" + r.URL.RawQuery
}

func TestTransportRedirectDowngrade(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	down := func(location func(r *http.Request) string) *fixture {
		return serve(t, server{Handler: slashing(token, location), Token: token})
	}
	mustFind(t, down(func(r *http.Request) string { return "http://" + r.Host + "/items" }), transportRedirectDowngrade, "/items/", "http://", "curl")
	mustFind(t, down(func(r *http.Request) string { return "HTTP://elsewhere.example/items" }), transportRedirectDowngrade, "elsewhere")
	mustPass(t, down(func(r *http.Request) string { return "https://" + r.Host + "/items" }), transportRedirectDowngrade)
	mustPass(t, down(func(r *http.Request) string { return "/items" }), transportRedirectDowngrade)
	mustPass(t, down(func(r *http.Request) string { return "/items/" }), transportRedirectDowngrade) // in circles

	chain := described(func(w http.ResponseWriter, r *http.Request) {
		next := map[string]string{"/docs/": "/a", "/a": "/b", "/b": "http://" + r.Host + "/c"}[r.URL.Path]
		if next == "" {
			answer(w, 404, "{}")
			return
		}
		w.Header().Set("Location", next)
		w.WriteHeader(http.StatusFound)
	})
	mustFind(t, serve(t, server{Handler: chain}), transportRedirectDowngrade, "/docs/", "/a", "/b")

	// Whoever has no credential is sent to a login in clear.
	login := described(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/items" && r.Header.Get("Authorization") == "" {
			w.Header().Set("Location", "http://"+r.Host+"/login")
			w.WriteHeader(http.StatusFound)
			return
		}
		answer(w, 404, "{}")
	})
	mustFind(t, serve(t, server{Handler: login}), transportRedirectDowngrade, "/items", "/login")

	// Only those who may call the operation are sent away.
	behind := described(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/export":
			answer(w, 404, "{}")
		case r.Header.Get("Authorization") != "Bearer "+token:
			answer(w, 401, "{}")
		default:
			w.Header().Set("Location", "http://files.example/export")
			w.WriteHeader(http.StatusFound)
		}
	})
	mustFind(t, serve(t, server{Handler: behind, Token: token}), transportRedirectDowngrade, "/export", "files.example")
	mustSkip(t, serve(t, server{Insecure: true, Handler: behind}), transportRedirectDowngrade)
}

func TestTransportRedirectLeaksToken(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	bearer := func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") }
	tests := []struct {
		name     string
		location func(r *http.Request) string
		want     scan.Outcome
	}{
		{"from the header into the URL", func(r *http.Request) string { return "/items?access_token=" + bearer(r) }, scan.Found},
		{"from the query to another host", func(r *http.Request) string { return "https://other.example/items" + query(r) }, scan.Found},
		{"into clear text is another check's", func(r *http.Request) string { return "http://" + r.Host + "/items" + query(r) }, scan.Passed},
		{"a token of the server's to another host", func(r *http.Request) string {
			return "https://other.example/#access_token=" + strings.Repeat("x", 20)
		}, scan.Found},
		{"an OAuth code to another host", func(r *http.Request) string { return "https://other.example/?code=" + strings.Repeat("x", 20) }, scan.Passed},
		{"the query stays on the host", func(r *http.Request) string { return "/items" + query(r) }, scan.Passed},
		{"nothing goes along", func(r *http.Request) string { return "https://other.example/items" }, scan.Passed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, server{Handler: slashing(token, tt.location), Token: token})
			if v := look(t, f, transportRedirectLeaksToken); v.Outcome != tt.want {
				t.Errorf("got %s, want outcome %v", describe(v), tt.want)
			}
		})
	}
	away := func(location string) http.HandlerFunc {
		return described(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path != "/export":
				answer(w, 404, "{}")
			case bearer(r) != token:
				answer(w, 401, "{}")
			default:
				w.Header().Set("Location", strings.ReplaceAll(location, "TOKEN", bearer(r)))
				w.WriteHeader(http.StatusFound)
			}
		})
	}
	named := func(location string) *fixture {
		return serve(t, server{Name: "api.example.com", Handler: away(location), Token: token})
	}
	mustFind(t, named("https://files.example.org/?t=TOKEN"), transportRedirectLeaksToken, "/export", "Authorization header", "$TOKEN")
	if e := mustFind(t, named("https://files.example.org/"), transportRedirectLeaksToken, "another site"); e[0].Severity != catalog.Low {
		t.Errorf("another site without a token: got severity %q, want low", e[0].Severity)
	}
	mustPass(t, named("https://files.example.com/"), transportRedirectLeaksToken)
	mustPass(t, serve(t, server{Handler: away("https://files.example.org/"), Token: token}), transportRedirectLeaksToken) // an address has no site
	mustSkip(t, serve(t, server{Handler: away("/")}), transportRedirectLeaksToken)
}
