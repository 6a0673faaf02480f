package checks

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// forHost serves h to those who ask for a good host, and 421 to others.
func forHost(good func(r *http.Request) bool, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !good(r) {
			answer(w, http.StatusMisdirectedRequest, `{"detail":"Host not allowed"}`)
			return
		}
		h(w, r)
	}
}

func ownHost(r *http.Request) bool {
	host, _, _ := strings.Cut(r.Host, ":")
	return host == "127.0.0.1" || host == "api.test"
}

func TestHostUnvalidated(t *testing.T) {
	t.Parallel()
	bare := func(h http.HandlerFunc, protected ...string) *fixture {
		f := serve(t, server{Bare: true, Handler: h})
		f.Config.Protected = protected
		return f
	}
	mustFind(t, bare(list), hostUnvalidated, "control: ", "wt-", ".invalid", "-H 'Host: ")
	mustFind(t, bare(guarded("t"), "/items"), hostUnvalidated, "401")
	mustFind(t, serve(t, server{Insecure: true, Handler: http.HandlerFunc(list)}), hostUnvalidated)
	mustFind(t, bare(forHost(func(r *http.Request) bool { return ownHost(r) || r.Header.Get("X-Forwarded-Host") != "" }, list)), hostUnvalidated, "X-Forwarded-Host")
	// One part of it is behind no check of Host.
	mustFind(t, bare(forHost(func(r *http.Request) bool { return ownHost(r) || r.URL.Path == "/b" }, guarded("t")), "/a", "/b", "/c"), hostUnvalidated, "/b")

	mustPass(t, bare(forHost(ownHost, list)), hostUnvalidated)
	mustPass(t, bare(forHost(ownHost, guarded("t")), "/items"), hostUnvalidated)
	mustPass(t, bare(func(w http.ResponseWriter, r *http.Request) {
		if !ownHost(r) {
			answer(w, 200, `{"hello":"of the web server that nobody has set up"}`)
			return
		}
		list(w, r)
	}), hostUnvalidated)
	mustPass(t, bare(func(w http.ResponseWriter, r *http.Request) {
		if !ownHost(r) {
			panic(http.ErrAbortHandler) // hangs up, as 444 of nginx
		}
		list(w, r)
	}), hostUnvalidated)

	e := mustFind(t, bare(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			answer(w, 200, `{"status":"ok"}`)
			return
		}
		answer(w, 404, "{}")
	}, "/healthz"), hostUnvalidated, "/healthz")
	if e[0].Severity != catalog.Info {
		t.Errorf("health alone: got severity %q, want info", e[0].Severity)
	}
	if v := look(t, bare(http.NotFound), hostUnvalidated); v.Outcome != scan.Inconclusive {
		t.Errorf("nothing to compare: got %s, want inconclusive", describe(v))
	}
	mustBeUnsure(t, bare(list, "/x"), hostUnvalidated)
}

// mirrored answers /docs/ by a redirect, and / by a body, both made by f.
func mirrored(location, body func(r *http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/docs/" && location != nil:
			w.Header().Set("Location", location(r))
			w.WriteHeader(http.StatusTemporaryRedirect)
		case r.URL.Path == "/" && body != nil:
			answer(w, 200, body(r))
		default:
			answer(w, 404, `{"detail":"Not Found"}`)
		}
	}
}

func TestHostReflected(t *testing.T) {
	t.Parallel()
	header := func(name string) func(*http.Request) string {
		return func(r *http.Request) string {
			if v := r.Header.Get(name); v != "" {
				return "https://" + strings.TrimPrefix(v, "host=") + "/docs"
			}
			return "/docs"
		}
	}
	tests := []struct {
		name     string
		handler  http.HandlerFunc
		want     string
		severity catalog.Severity
	}{
		{"redirect by Host", mirrored(func(r *http.Request) string { return "https://" + r.Host + "/docs" }, nil), "the Location", ""},
		{"redirect without scheme", mirrored(func(r *http.Request) string { return "//" + r.Host + "/docs" }, nil), "the Location", ""},
		{"redirect by X-Forwarded-Host", mirrored(header("X-Forwarded-Host"), nil), "X-Forwarded-Host: wt-", ""},
		{"redirect by X-Host", mirrored(header("X-Host"), nil), "X-Host: wt-", ""},
		{"redirect by Forwarded", mirrored(header("Forwarded"), nil), "Forwarded: host=wt-", ""},
		{"link in a body", mirrored(nil, func(r *http.Request) string { return `{"self":"https://` + r.Host + `/"}` }), "a link in the body", ""},
		{"escaped link in a body", mirrored(nil, func(r *http.Request) string { return `{"self":"https:\/\/` + r.Host + `\/"}` }), "a link in the body", ""},
		{"word in a body", mirrored(nil, func(r *http.Request) string { return `{"you asked for":"` + r.Host + `"}` }), "not in a link", catalog.Low},
		{"cookie", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", "a=b; Domain="+r.Host)
			answer(w, 200, "{}")
		}, "Domain of a cookie", ""},
		{"Link", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", `<https://`+r.Host+`/?page=2>; rel="next"`)
			answer(w, 200, "{}")
		}, "the Link", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := mustFind(t, serve(t, server{Bare: true, Handler: tt.handler}), hostReflected, tt.want, "curl")
			if e[0].Severity != tt.severity {
				t.Errorf("got severity %q, want %q", e[0].Severity, tt.severity)
			}
		})
	}
	// Where the name is checked, only the port is the client's.
	ported := forHost(ownHost, mirrored(func(r *http.Request) string { return "https://" + r.Host + "/docs" }, nil))
	e := mustFind(t, serve(t, server{Bare: true, Handler: ported}), hostReflected, ":1337")
	if len(e) != 1 || e[0].Severity != catalog.Info {
		t.Errorf("got %d findings, the first of severity %q; want one of info", len(e), e[0].Severity)
	}
	mustPass(t, serve(t, server{Bare: true, Handler: mirrored(func(*http.Request) string { return "/docs" }, nil)}), hostReflected)
	mustPass(t, serve(t, server{Bare: true, Handler: mirrored(func(*http.Request) string { return "https://api.test/docs" }, nil)}), hostReflected)
	mustPass(t, serve(t, server{Handler: mirrored(func(r *http.Request) string { return "/docs" }, nil)}), hostReflected)
	mustBeUnsure(t, serve(t, server{Bare: true, Handler: http.HandlerFunc(list)}), hostReflected)
}

// Hosts that merely begin or end like the canary are not it.
func TestReflectionIsExact(t *testing.T) {
	t.Parallel()
	tests := []struct {
		location string
		want     bool
	}{
		{"https://wt-a.invalid/docs", true},
		{"https://WT-A.invalid/docs", true},
		{"//wt-a.invalid", true},
		{"https://api.test/?next=wt-a.invalid", false},
		{"https://wt-a.invalid.api.test/", false},
		{"/wt-a.invalid", false},
		{"", false},
		{"http://[", false},
	}
	for _, tt := range tests {
		if got := linksTo(tt.location, "wt-a.invalid"); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.location, got, tt.want)
		}
	}
}
