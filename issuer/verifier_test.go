package issuer_test

import (
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/issuer"
)

var noExpiry time.Time

// application answers as an application that keeps users itself.
func application(t *testing.T, secure bool, answer http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(answer)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	if secure {
		roots.AddCert(server.Certificate())
	}
	return server, roots
}

func TestApplicationConfirmsPasswords(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{true, false} {
		app, roots := application(t, secure, func(w http.ResponseWriter, r *http.Request) {
			var q struct{ Username, Password string }
			if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" {
				w.WriteHeader(400)
				return
			}
			if q.Username != "carol" || q.Password != "her password" {
				w.WriteHeader(401)
				return
			}
			_, _ = io.WriteString(w, `{"sub":"user-17","scopes":["write","read"]}`)
		})
		f := newFixture(t, func(c *issuer.Config) { c.VerifyURL, c.VerifyCA = app.URL+"/verify", roots })
		a := f.do(loginJSON("carol", "her password"))
		if got := claims(t, a.access(t)); got["sub"] != "user-17" || got["scope"] != "read write" {
			t.Errorf("got %v", got)
		}
		if b := f.refreshCookie(f.sessionOf(a).cookies); b.status != 200 {
			t.Errorf("refresh: got %d %s", b.status, b.body)
		}
		if a := f.do(loginJSON("carol", "wrong")); a.status != 401 {
			t.Errorf("wrong password: got %d, want 401", a.status)
		}
		if a := f.do(loginJSON("alice", testPassword)); a.status != 401 {
			t.Errorf("an own user beside the application: got %d, want 401", a.status)
		}
	}
}

// TestApplicationThatDoesNotAnswer: no answer but a clear yes lets anybody in.
func TestApplicationThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		want   int
	}{
		{"error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 503},
		{"not found", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, 503},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		}, 503},
		{"no content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, 503},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>ok") }, 503},
		{"empty object", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }, 503},
		{"sub is a number", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"sub":17}`) }, 503},
		{"sub with control characters", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"sub":"a\nb"}`) }, 503},
		{"sub is a client's id", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"sub":"billing"}`) }, 503},
		{"bad scope", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"sub":"a","scopes":["a b"]}`) }, 503},
		{"huge", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"sub":"a","x":"`+strings.Repeat("a", 1<<20)+`"}`)
		}, 503},
		{"forbidden", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, 401},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 503},
	} {
		app, _ := application(t, false, tc.answer)
		f := newEmptyFixture(t, func(c *issuer.Config) { c.VerifyURL = app.URL })
		if a := f.do(loginJSON("carol", "her password")); a.status != tc.want || len(a.cookies) > 0 {
			t.Errorf("%s: got %d %s, want %d", tc.name, a.status, a.body, tc.want)
		}
		app.Close()
		if a := f.do(loginJSON("carol", "her password")); a.status != 503 {
			t.Errorf("%s, then gone: got %d, want 503", tc.name, a.status)
		}
	}
}

// TestApplicationMustProveItself: passwords go to nobody whose certificate is
// not verified.
func TestApplicationMustProveItself(t *testing.T) {
	t.Parallel()
	asked := false
	app, _ := application(t, true, func(http.ResponseWriter, *http.Request) { asked = true })
	f := newEmptyFixture(t, func(c *issuer.Config) { c.VerifyURL = app.URL })
	if a := f.do(loginJSON("carol", "her password")); a.status != 503 || asked {
		t.Errorf("got %d, and asked is %v; want 503 and nothing sent", a.status, asked)
	}
}
