package scan_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/scan"
)

const apiSecret = "a-secret-that-nobody-publishes-7f3a91c2"

// mint signs claims by HS256.
func mint(secret string, claims map[string]any) string {
	encode := base64.RawURLEncoding.EncodeToString
	body, _ := json.Marshal(claims)
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(body)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

func aliceToken() string {
	return mint(apiSecret, map[string]any{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix(), "jti": scan.Random(8)})
}

// signed tells whether a token is signed with apiSecret.
func signed(token string) bool {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return false
	}
	mac := hmac.New(sha256.New, []byte(apiSecret))
	mac.Write([]byte(token[:i]))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) == token[i+1:]
}

func bearer(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

const description = `{"openapi":"3.1.0","info":{"title":"Fixture","version":"1"},
"paths":{"/items":{"get":{"security":[{"b":[]}]}},
"/things/{id}":{"get":{"security":[{"b":["read"]}],"parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"integer"}}]}},
"/public":{"get":{}},"/items/new":{"post":{"security":[{"b":["write"]}]}}},
"components":{"securitySchemes":{"b":{"type":"http","scheme":"bearer"}}}}`

// api is a sound API: /items and /things/1 want a token. Tests change one thing.
type api struct {
	// items answers at /items instead of the sound handler.
	items http.HandlerFunc
	// extra is asked first, and says whether it has answered.
	extra func(w http.ResponseWriter, r *http.Request) bool
	tls   bool
	count atomic.Int64
	mu    sync.Mutex
	seen  []string // "METHOD target"
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.count.Add(1)
	a.mu.Lock()
	a.seen = append(a.seen, r.Method+" "+r.RequestURI)
	a.mu.Unlock()
	if a.extra != nil && a.extra(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/openapi.json":
		fmt.Fprint(w, description)
	case r.URL.Path == "/items" && a.items != nil:
		a.items(w, r)
	case r.URL.Path == "/items" || r.URL.Path == "/things/1":
		if !signed(bearer(r)) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"detail":"Not authenticated"}`)
			return
		}
		fmt.Fprintf(w, `{"owner":"alice","items":[{"id":%d}]}`, time.Now().UnixNano())
	case r.URL.Path == "/public":
		fmt.Fprint(w, `{"ok":true}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"detail":"Not Found"}`)
	}
}

// start serves the API and returns a configuration that scans it.
func (a *api) start(t testing.TB) (scan.Config, *httptest.Server) {
	t.Helper()
	s := httptest.NewUnstartedServer(a)
	if a.tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return scan.Config{URL: s.URL, Token: redact.NewText(aliceToken()), Secret: redact.NewText(apiSecret)}, s
}

// within runs one check that looks at the target, and returns the report.
func within(t testing.TB, c scan.Config, look func(ctx context.Context, target *scan.Target) scan.Verdict) *scan.Report {
	t.Helper()
	r, err := scan.Run(t.Context(), c, []scan.Check{{ID: "test.look", Run: look}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// look is within for what needs no verdict.
func look(t testing.TB, c scan.Config, f func(ctx context.Context, target *scan.Target)) *scan.Report {
	t.Helper()
	return within(t, c, func(ctx context.Context, target *scan.Target) scan.Verdict {
		f(ctx, target)
		return scan.Pass()
	})
}

func textOf(s string) redact.Text { return redact.NewText(s) }
