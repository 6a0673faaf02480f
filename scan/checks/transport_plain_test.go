package checks

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// toHTTPS sends every request to HTTPS of the same host.
func toHTTPS(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", "https://"+r.Host+r.URL.RequestURI())
	w.WriteHeader(http.StatusMovedPermanently)
}

// list is a small API that needs no token.
func list(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		answer(w, http.StatusNotFound, `{"detail":"Not Found"}`)
		return
	}
	answer(w, http.StatusOK, `{"items":[1,2,3]}`)
}

func TestTransportNoTLS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		server   server
		severity catalog.Severity // of the finding; "pass" or "unsure" for others
	}{
		{"no HTTPS at all", server{Insecure: true, Handler: http.HandlerFunc(list)}, ""},
		{"no HTTPS, only demands for a token", server{Insecure: true, Handler: guarded("t")}, ""},
		{"HTTPS as well", server{Handler: http.HandlerFunc(list), Plain: http.HandlerFunc(list)}, catalog.Medium},
		{"HTTPS at 443 and plain HTTP at 80", server{Name: "api.test", Handler: guarded("t"), Plain: guarded("t")}, catalog.Medium},
		{"refused", server{Handler: http.HandlerFunc(list)}, "pass"},
		{"redirected", server{Handler: http.HandlerFunc(list), Plain: http.HandlerFunc(toHTTPS)}, "pass"},
		{"refused with the words that the API itself has for 403", server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, 403, `{"detail":"Not authenticated"}`) }),
		}, "pass"},
		{"another page in clear", server{Handler: http.HandlerFunc(list), Plain: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer(w, 200, `{"hint":"use https"}`)
		})}, "pass"},
		{"a page for all paths in clear, of the API's own shape", server{Handler: http.HandlerFunc(list), Plain: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer(w, 200, `{"items":["use https"]}`)
		})}, "pass"},
		{"the same page for all paths, in clear and not", server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, 200, `{"app":1}`) }),
			Plain:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, 200, `{"app":1}`) }),
		}, catalog.Medium},
		{"a blanket 403 in clear", server{Insecure: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer(w, 403, `{"detail":"HTTPS required"}`)
		})}, "pass"},
		{"nothing but 404", server{Insecure: true}, "unsure"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, tt.server)
			switch tt.severity {
			case "pass":
				mustPass(t, f, transportNoTLS)
			case "unsure":
				if v := look(t, f, transportNoTLS); v.Outcome != scan.Inconclusive || v.Reason == "" {
					t.Errorf("got %s, want inconclusive", describe(v))
				}
			default:
				e := mustFind(t, f, transportNoTLS, "http://", "curl")
				if e[0].Severity != tt.severity {
					t.Errorf("got severity %q, want %q", e[0].Severity, tt.severity)
				}
			}
		})
	}
}

// A port that nobody listens on in clear is as good as a refusal, as long as the
// target itself is there.
func TestPlainPortClosed(t *testing.T) {
	t.Parallel()
	f := serve(t, server{Name: "api.test", Handler: http.HandlerFunc(list), Bare: true, Closed: true})
	mustPass(t, f, transportNoTLS)
	mustPass(t, f, transportNoHTTPSRedirect)
	mustPass(t, f, transportForwardedProtoTrusted)
	mustPass(t, f, transportWebsocketCleartext)
	f.Config.Token, f.Config.Protected = text(goodToken(t)), []string{"/"}
	mustPass(t, f, transportTokenOverHTTP)
}

func TestTransportNoHTTPSRedirect(t *testing.T) {
	t.Parallel()
	plain := func(status int, location string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			answer(w, status, `{"detail":"use https"}`)
		}
	}
	tests := []struct {
		name  string
		plain http.Handler
		want  scan.Outcome
	}{
		{"a page", plain(200, ""), scan.Found},
		{"a redirect to plain HTTP", plain(302, "http://api.test/start"), scan.Found},
		{"a redirect to another site", plain(302, "https://other.example/"), scan.Found},
		{"a redirect to nowhere", plain(302, ""), scan.Found},
		{"a redirect to HTTPS", http.HandlerFunc(toHTTPS), scan.Passed},
		{"a redirect to HTTPS of the name above", plain(308, "https://test/"), scan.Passed},
		{"refused", plain(403, ""), scan.Passed},
		{"gone", plain(410, ""), scan.Passed},
		{"upgrade required", plain(426, ""), scan.Passed},
		{"nothing there", plain(404, ""), scan.Passed},
		{"broken", plain(500, ""), scan.Inconclusive},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, server{Name: "api.test", Handler: http.HandlerFunc(list), Plain: tt.plain})
			if v := look(t, f, transportNoHTTPSRedirect); v.Outcome != tt.want {
				t.Errorf("got %s, want outcome %v", describe(v), tt.want)
			}
		})
	}
	mustSkip(t, serve(t, server{Insecure: true, Handler: http.HandlerFunc(list)}), transportNoHTTPSRedirect)
}

func TestTransportForwardedProtoTrusted(t *testing.T) {
	t.Parallel()
	// trusting serves h in clear to those who say that it is HTTPS.
	trusting := func(name, value string, h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.EqualFold(r.Header.Get(name), value) {
				h(w, r)
				return
			}
			toHTTPS(w, r)
		}
	}
	for _, c := range secureClaims {
		t.Run(c[0], func(t *testing.T) {
			t.Parallel()
			f := serve(t, server{Handler: http.HandlerFunc(list), Plain: trusting(c[0], c[1], list)})
			e := mustFind(t, f, transportForwardedProtoTrusted, c[0]+": "+c[1], "control: ")
			if e[0].Confidence != "low" {
				t.Errorf("on loopback: got confidence %q, want low", e[0].Confidence)
			}
			f.Config.Strict = true
			if e := mustFind(t, f, transportForwardedProtoTrusted); e[0].Confidence != "" {
				t.Errorf("strict: got confidence %q, want high", e[0].Confidence)
			}
		})
	}
	t.Run("a redirect turns to http", func(t *testing.T) {
		t.Parallel()
		f := serve(t, server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/docs/" {
				list(w, r)
				return
			}
			scheme := "https"
			if s := r.Header.Get("X-Forwarded-Proto"); s != "" {
				scheme = s
			}
			w.Header().Set("Location", scheme+"://"+r.Host+"/docs")
			w.WriteHeader(http.StatusTemporaryRedirect)
		})})
		mustFind(t, f, transportForwardedProtoTrusted, "Location", "/docs/")
	})
	mustPass(t, serve(t, server{Handler: http.HandlerFunc(list), Plain: http.HandlerFunc(toHTTPS)}), transportForwardedProtoTrusted)
	mustPass(t, serve(t, server{Handler: http.HandlerFunc(list)}), transportForwardedProtoTrusted)
	mustSkip(t, serve(t, server{Insecure: true, Handler: http.HandlerFunc(list)}), transportForwardedProtoTrusted)
}

func TestTransportWebsocketCleartext(t *testing.T) {
	t.Parallel()
	upgrade := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/ws" || r.Header.Get("Upgrade") != "websocket" {
				answer(w, http.StatusNotFound, "{}")
				return
			}
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(status)
		}
	}
	mustFind(t, serve(t, server{Handler: http.HandlerFunc(list), Plain: upgrade(101)}), transportWebsocketCleartext, "/ws", "101", "ws://")
	mustFind(t, serve(t, server{Insecure: true, Handler: upgrade(101)}), transportWebsocketCleartext, "ws://")
	mustPass(t, serve(t, server{Handler: http.HandlerFunc(list), Plain: upgrade(426)}), transportWebsocketCleartext)

	// A socket behind a credential.
	token := goodToken(t)
	behind := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			answer(w, http.StatusUnauthorized, "{}")
			return
		}
		upgrade(101)(w, r)
	}
	locked := func() *fixture {
		f := serve(t, server{Handler: http.HandlerFunc(behind), Plain: http.HandlerFunc(behind), Token: token})
		f.Config.Protected = []string{"/ws"}
		return f
	}
	mustFind(t, locked(), transportWebsocketCleartext, "the genuine token", "$TOKEN")
	away := locked()
	away.Config.Strict = true
	if v := look(t, away, transportWebsocketCleartext); v.Outcome != scan.Inconclusive {
		t.Errorf("off loopback: got %s, want inconclusive", describe(v))
	}
	mustPass(t, serve(t, server{Handler: http.HandlerFunc(list), Plain: upgrade(200)}), transportWebsocketCleartext)
}

func TestTransportDying(t *testing.T) {
	t.Parallel()
	for _, c := range []scan.Check{transportNoTLS, transportNoHTTPSRedirect, transportForwardedProtoTrusted, transportWebsocketCleartext, transportRedirectDowngrade} {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			mustBeUnsure(t, serve(t, server{Handler: http.HandlerFunc(list), Plain: http.HandlerFunc(list)}), c)
		})
	}
	for _, c := range []scan.Check{transportTokenOverHTTP, transportRedirectLeaksToken} {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			token := goodToken(t)
			f := serve(t, server{Handler: guarded(token), Plain: guarded(token), Token: token})
			f.Config.Protected = []string{"/items"}
			mustBeUnsure(t, f, c)
		})
	}
	for _, c := range []scan.Check{transportNoHSTS, transportWeakHSTS, transportCleartextReference, hostReflected, hostUnvalidated, jwksInconsistent} {
		t.Run(c.ID+" at a target that was never there", func(t *testing.T) {
			t.Parallel()
			mustNotDecideDead(t, serve(t, server{Name: "api.test", Handler: http.HandlerFunc(list)}), c)
		})
	}
}
