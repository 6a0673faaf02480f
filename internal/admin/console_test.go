package admin_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/admin"
)

// testKeys is a key set whose kid is a stranger's choice (its key is that of
// RFC 8037, appendix A.2).
const testKeys = `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"<i>kid</i>","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// newConsole makes an admin handler around a guard that change may alter.
func newConsole(t testing.TB, p admin.Process, change func(*guard.Config)) (http.Handler, *guard.Guard) {
	t.Helper()
	registry := prometheus.NewRegistry()
	metrics, err := guard.NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	c := guard.Config{
		Hosts:     []string{"api.test"},
		Upstreams: []guard.Upstream{{Name: "app", URL: "http://127.0.0.1:1"}},
		Metrics:   metrics,
		Tokens:    guard.Tokens{Issuers: []guard.Issuer{{Issuer: "https://id.test/", Audiences: []string{"a"}, JWKS: []byte(testKeys)}}},
	}
	if change != nil {
		change(&c)
	}
	g, err := guard.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return admin.Handler(admin.Config{
		Guard: g, Registry: registry, Now: func() time.Time { return testNow },
		NotAfter: func() map[string]time.Time {
			return map[string]time.Time{"old.test": testNow.Add(-time.Hour), "soon.test": testNow.Add(72 * time.Hour), "new.test": testNow.Add(2000 * time.Hour)}
		},
		Draining: func() bool { return false },
		Process:  func() admin.Process { return p },
	}), g
}

func askConsole(h http.Handler, method, host string) *http.Response {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, "/-/console", nil)
	r.Host = host
	h.ServeHTTP(w, r)
	return w.Result()
}

func read(t testing.TB, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestConsoleHosts holds that no other site's name opens the console.
func TestConsoleHosts(t *testing.T) {
	t.Parallel()
	h, _ := newConsole(t, admin.Process{Hosts: []string{"console.test", "fixed.test:81", "10.0.0.7"}}, nil)
	for host, want := range map[string]int{
		"localhost": 200, "LocalHost:9090": 200, "127.0.0.1": 200, "127.0.0.1:9": 200, "[::1]": 200, "[::1]:9090": 200,
		"console.test": 200, "CONSOLE.test:8080": 200, "fixed.test:81": 200, "10.0.0.7": 200, "10.0.0.7:9090": 200,

		"": 400, "evil.test": 400, "localhost.": 400, "localhost.evil.test": 400, "evil.localhost": 400, "127.0.0.1.evil.test": 400,
		"localhost:x": 400, "localhost:": 400, "127.0.0.1:": 400, "fixed.test": 400, "fixed.test:82": 400, "xconsole.test": 400,
		"console.test.": 400, "api.test": 400, "10.0.0.1": 400, "[::2]": 400, "::1": 400, "[127.0.0.1]": 400, "0.0.0.0": 400, "127.1": 400,
		"[::1%25lo]": 400, "localhost@evil.test": 400, "localhost evil.test": 400,
	} {
		res := askConsole(h, "GET", host)
		if res.StatusCode != want {
			t.Errorf("%q: got %d, want %d", host, res.StatusCode, want)
		}
		body := read(t, res)
		if shown := strings.Contains(body, "everything else"); shown != (want == 200) {
			t.Errorf("%q: the page shows: %v", host, shown)
		}
		if res.Header.Get("X-Frame-Options") != "DENY" || !strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%q: got %v, want no framing", host, res.Header)
		}
	}
}

// FuzzConsoleHost holds that whatever opens the console without a list is a
// name of this machine to everybody else, too.
func FuzzConsoleHost(f *testing.F) {
	for _, s := range []string{"localhost:1", "127.0.0.1", "[::1]:9090", "[::ffff:127.0.0.1]", "127.0.0.1:99999", "localhost\x00", "[::1%lo]"} {
		f.Add(s)
	}
	h, _ := newConsole(f, admin.Process{}, nil)
	f.Fuzz(func(t *testing.T, host string) {
		if askConsole(h, "HEAD", host).StatusCode != 200 {
			return
		}
		name := host
		if n, _, err := net.SplitHostPort(host); err == nil {
			name = n
		}
		addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
		if !strings.EqualFold(name, "localhost") && (err != nil || !addr.Unmap().IsLoopback()) {
			t.Errorf("%q opens the console", host)
		}
	})
}

// TestConsoleNeedsNothing holds that the page has no script, loads nothing,
// and that its policy allows its own style and nothing else.
func TestConsoleNeedsNothing(t *testing.T) {
	t.Parallel()
	h, _ := newConsole(t, admin.Process{}, nil)
	res := askConsole(h, "GET", "localhost")
	body := read(t, res)
	for _, not := range []string{"<script", "src=", "href=", "url(", "@import", "<form", "<iframe", "style="} {
		if strings.Contains(body, not) {
			t.Errorf("the page has %s", not)
		}
	}
	_, rest, _ := strings.Cut(body, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if got := res.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("got policy %q, want %q", got, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		if got := askConsole(h, method, "localhost").StatusCode; got != 405 {
			t.Errorf("%s: got %d, want 405", method, got)
		}
	}
}

// TestConsoleShows finds on the page what is in force, what was counted, and
// what is wrong.
func TestConsoleShows(t *testing.T) {
	t.Parallel()
	h, g := newConsole(t, admin.Process{
		Version: "v1.2.3", Commit: "abcdef", Started: testNow.Add(-3 * time.Hour), Store: "redis://cache.test:6379/0",
		Listeners: []admin.Listener{{Name: "https", Addr: "127.0.0.1:8443"}},
	}, func(c *guard.Config) {
		c.Observe = []guard.Rule{guard.RuleScopes}
		c.AcceptRisk = []string{"jwt.long-lived"}
		c.Routes = []guard.Route{{Path: "/admin/*", Methods: []string{"GET"}, Scopes: []string{"admin"}, Once: true}}
		c.Tokens.Issuers = []guard.Issuer{{Issuer: "https://down.test/", Audiences: []string{"a"}, JWKSURL: "http://127.0.0.1:1/jwks"}}
	})
	protected := g.Handler()
	for range 1234 {
		r := httptest.NewRequest("GET", "https://api.test/items", nil)
		r.RequestURI = "/items"
		protected.ServeHTTP(httptest.NewRecorder(), r)
	}
	body := read(t, askConsole(h, "GET", "localhost"))
	for _, want := range []string{
		"Not ready", "https://down.test/", "v1.2.3", "abcdef", "up 3 h", "redis://cache.test:6379/0", "127.0.0.1:8443",
		"jwt.long-lived", "<li>scopes</li>", "/admin/*", "a token, scope admin, good once", "api.test", "http://127.0.0.1:1",
		`<td class="mono" data-of="Rule">token</td><td class="n" data-of="Refused">1` + "\u202f" + `234</td>`,
		"expired", "in 3 d", "in 83 d",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestConsoleShowsStrangersAsText holds that nothing that others choose becomes
// markup, and that a token which got into an error is masked.
func TestConsoleShowsStrangersAsText(t *testing.T) {
	t.Parallel()
	const raw = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaWQudGVzdC8ifQ.c2lnbmF0dXJlLWMtc2lnbmF0dXJl"
	h, _ := newConsole(t, admin.Process{
		Version: `<script>alert(1)</script>`, Commit: "a\x00b\u202ec", Store: `bolt://"><img>` + raw,
		Listeners: []admin.Listener{{Name: `<b>`, Addr: `' onload='x`}},
	}, nil)
	body := read(t, askConsole(h, "GET", "localhost"))
	if !strings.Contains(body, "&lt;i&gt;kid&lt;/i&gt;") {
		t.Error("the page lacks the key's name")
	}
	for _, not := range []string{"<script", "<img", "<b>", "<i>", "11qYAYKx", "' onload", "\x00", "\u202e", strings.Split(raw, ".")[1]} {
		if strings.Contains(body, not) {
			t.Errorf("the page has %q", not)
		}
	}
}
