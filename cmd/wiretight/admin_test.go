package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/guard"
)

func (g *instance) readiness() (status int, r guard.Readiness) {
	g.bed.t.Helper()
	status, body := g.ops("/-/readyz")
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		g.bed.t.Fatalf("got readiness %q: %v", body, err)
	}
	return status, r
}

func TestAdminListener(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("plaintext: \"127.0.0.1:0\"\nobserve: [scopes]\nroutes: [{path: /admin, scopes: [admin]}]")
	g := b.start("-c", "wiretight.yaml")
	g.want(200, "/", b.mint(nil))
	g.want(200, "/admin", b.mint(nil)) // scopes are on trial
	g.want(401, "/", "")
	if status, body := g.ops("/-/healthz"); status != 200 || body != "{\"status\":\"ok\"}\n" {
		t.Errorf("got health %d %q", status, body)
	}
	status, body := g.ops("/-/readyz")
	if want := "{\"ready\":true,\"reasons\":[],\"accepted_risks\":[]}\n"; status != 200 || body != want {
		t.Errorf("got readiness %d %q, want 200 %q", status, body, want)
	}
	_, metrics := g.ops("/metrics")
	for _, want := range []string{
		`wiretight_requests_total\{decision="allowed",route="default",rule=""\} 1`,
		`wiretight_requests_total\{decision="refused",route="default",rule="token"\} 1`,
		`wiretight_observed_refusals_total\{route="/admin",rule="scopes"\} 1`,
		`wiretight_request_seconds_count\{route="default"\} 2`,
		`wiretight_upstream_seconds_count\{route="default"\} 1`,
		`wiretight_revocations 0`,
		`wiretight_tls_not_after_seconds\{name="api\.test"\} 1\.[0-9]+e\+09`,
		`wiretight_ready [01]`,
		`process_open_fds [0-9]+`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(metrics) {
			t.Errorf("metrics lack %s", want)
		}
	}
	for _, path := range []string{"/", "/-/", "/metrics/x", "/-/console/../metrics/.."} {
		if status, _ := g.ops(path); status != 404 {
			t.Errorf("got %d for %s on the admin listener, want 404", status, path)
		}
	}
	res, err := http.Post("http://"+g.admin+"/-/healthz", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 405 || res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v for POST, want 405 and headers that keep answers out of caches", res.StatusCode, res.Header)
	}
	g.stop()
}

// TestConsole finds the page of a running guard under its own names and those
// of the configuration, which a reload changes, and no other.
func TestConsole(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("admin_hosts: [console.test]")
	g := b.start("-c", "wiretight.yaml")
	g.want(200, "/", b.mint(nil))
	page := func(host string) (int, string) {
		req, err := http.NewRequest("GET", "http://"+g.admin+"/-/console", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	for host, want := range map[string]int{"localhost": 200, g.admin: 200, "console.test": 200, "other.test": 400, "api.test": 400} {
		if status, _ := page(host); status != want {
			t.Errorf("%s: got %d, want %d", host, status, want)
		}
	}
	_, shown := page("localhost")
	for _, want := range []string{g.addr, g.admin, testIssuer, "everything else"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the console lacks %q", want)
		}
	}
	b.noToken("/-/console", shown)
	b.write("wiretight.yaml", []byte(strings.Replace(read(t, b.path("wiretight.yaml")), "console.test", "other.test", 1)))
	eventually(t, "the console takes the new name", func() bool { status, _ := page("other.test"); return status == 200 })
	if status, _ := page("console.test"); status != 400 {
		t.Errorf("got %d under the old name, want 400", status)
	}
	g.stop()
}

func TestAcceptedRisksShow(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("")
	b.write("wiretight.yaml", []byte(strings.Replace(read(t, b.path("wiretight.yaml")), "audiences: [api.test], ", "require: [exp, sub], ", 1)+"accept_risk: [jwt.audience-unchecked]\n"))
	g := b.start("-c", "wiretight.yaml")
	if want := "wiretight: ready https://" + g.addr + " (accepted risks: jwt.audience-unchecked)\n"; !strings.Contains(g.log.String(), want) {
		t.Errorf("got %q, want the line %q", g.log.String(), want)
	}
	_, r := g.readiness()
	if diff := cmp.Diff([]string{"jwt.audience-unchecked"}, r.AcceptedRisks); diff != "" {
		t.Error(diff)
	}
	if _, metrics := g.ops("/metrics"); !strings.Contains(metrics, `wiretight_accepted_risk{id="jwt.audience-unchecked"} 1`) {
		t.Error("metrics lack wiretight_accepted_risk")
	}
	g.stop()
}

func TestNotReadyWithoutKeys(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	var open bool
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if !open {
			http.Error(w, "not yet", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(jwks(b.signer))
	}))
	t.Cleanup(keys.Close)
	b.config("routes: [{path: /open, public: true}]")
	b.write("wiretight.yaml", []byte(strings.Replace(read(t, b.path("wiretight.yaml")), "jwks_file: jwks.json", "jwks_url: \""+keys.URL+"\"", 1)))
	g := b.start("-c", "wiretight.yaml")
	eventually(t, "readiness is 503 with issuer and cause", func() bool { // once the first fetch has failed
		status, r := g.readiness()
		return status == 503 && !r.Ready && len(r.Reasons) == 1 && strings.Contains(r.Reasons[0], testIssuer) && strings.Contains(r.Reasons[0], "500")
	})
	raw := b.mint(nil)
	g.want(503, "/", raw)
	g.want(200, "/open", "")
	b.mu.Lock()
	open = true
	b.mu.Unlock()
	within(t, time.Minute, "the guard is ready by itself", func() bool { s, _ := g.readiness(); return s == 200 })
	g.want(200, "/", raw)
	if _, metrics := g.ops("/metrics"); !strings.Contains(metrics, "wiretight_jwks_age_seconds{issuer=\""+testIssuer+"\"}") {
		eventually(t, "the age of the keys shows", func() bool {
			_, m := g.ops("/metrics")
			return strings.Contains(m, "wiretight_jwks_age_seconds{issuer=\""+testIssuer+"\"}")
		})
	}
	g.stop()
}
