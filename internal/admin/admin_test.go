package admin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/admin"
)

// newHandler makes a guard without issuers: ready, and refusing every token.
func newHandler(t *testing.T, notAfter map[string]time.Time, draining bool) http.Handler {
	t.Helper()
	registry := prometheus.NewRegistry()
	metrics, err := guard.NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	g, err := guard.New(guard.Config{
		Hosts:     []string{"api.test"},
		Upstreams: []guard.Upstream{{Name: "app", URL: "http://127.0.0.1:1"}},
		Routes:    []guard.Route{{Path: "/*", Public: true}},
		Metrics:   metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return admin.Handler(admin.Config{
		Guard: g, Registry: registry, Now: func() time.Time { return testNow },
		NotAfter: func() map[string]time.Time { return notAfter }, Draining: func() bool { return draining },
		Process: func() admin.Process { return admin.Process{Version: "v0.0.0-test"} },
	})
}

// testNow is the console's clock.
var testNow = time.Unix(1800000000, 0)

func ask(h http.Handler, method, path string) *http.Response {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	r.Host = "any.example:99"
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	served := map[string]time.Time{"api.test": time.Unix(1900000000, 0)}
	for _, tc := range []struct {
		name     string
		notAfter map[string]time.Time
		draining bool
		status   int
		reasons  []string
	}{
		{"draining", served, true, 503, []string{"the guard is shutting down"}},
		{"no certificate", nil, false, 503, []string{"there is no certificate yet"}},
		{"both", nil, true, 503, []string{"there is no certificate yet", "the guard is shutting down"}},
		{"ready", served, false, 200, []string{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res := ask(newHandler(t, tc.notAfter, tc.draining), "GET", "/-/readyz")
			var got struct {
				Ready         bool     `json:"ready"`
				Reasons       []string `json:"reasons"`
				AcceptedRisks []string `json:"accepted_risks"`
			}
			if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tc.status || got.Ready != (tc.status == 200) {
				t.Errorf("got %d and ready %v, want %d", res.StatusCode, got.Ready, tc.status)
			}
			if diff := cmp.Diff(tc.reasons, got.Reasons); diff != "" {
				t.Error(diff)
			}
			if got.AcceptedRisks == nil {
				t.Error("got null for accepted_risks, want a list")
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	h := newHandler(t, map[string]time.Time{"api.test": time.Unix(1900000000, 0)}, true)
	for _, tc := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"POST", "/-/healthz", 405, ""},
		{"DELETE", "/metrics", 405, ""},
		{"GET", "/", 404, ""},
		{"GET", "/-/nosuch", 404, ""},
		{"GET", "/-/healthz", 200, `"ok"`}, // alive, even while it drains
		{"HEAD", "/-/healthz", 200, ""},
		{"GET", "/metrics", 200, `wiretight_tls_not_after_seconds{name="api.test"} 1.9e+09`},
		{"GET", "/-/jwks.json", 200, `"keys"`},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			t.Parallel()
			res := ask(h, tc.method, tc.path)
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tc.status || !strings.Contains(string(body), tc.says) {
				t.Errorf("got %d %s, want %d and %q", res.StatusCode, body, tc.status, tc.says)
			}
			if got := res.Header.Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("got X-Content-Type-Options %q, want nosniff", got)
			}
		})
	}
}
