package guard_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/wiretight/wiretight/guard"
)

// TestCrossSite holds which requests another site cannot make a browser send
// with a cookie as their credential.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	cookies := func(c *guard.Config) { c.Tokens.Sources = []string{"header", "cookie:session"} }
	credentialed := func(c *guard.Config) { cookies(c); withCORS(c) }
	anonymous := func(c *guard.Config) { credentialed(c); c.CORS.Credentials = false }
	const own = "https://" + testHost
	webSocket := []string{"Connection", "Upgrade", "Upgrade", "websocket"}
	for _, c := range []struct {
		name   string
		method string
		change func(*guard.Config)
		header []string
		passes bool
	}{
		{"no browser", "POST", cookies, nil, true},
		{"same origin", "POST", cookies, []string{"Sec-Fetch-Site", "same-origin", "Origin", own}, true},
		{"typed by the user", "POST", cookies, []string{"Sec-Fetch-Site", "none"}, true},
		{"older browser, own origin", "POST", cookies, []string{"Origin", own}, true},
		{"own origin in capitals", "POST", cookies, []string{"Origin", "https://API.example.com"}, true},
		{"safe method", "GET", cookies, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, true},
		{"HEAD", "HEAD", cookies, []string{"Sec-Fetch-Site", "cross-site"}, true},
		{"origin that cors allows with credentials", "POST", credentialed, []string{"Sec-Fetch-Site", "cross-site", "Origin", appOrigin}, true},
		{"WebSocket from the same origin", "GET", cookies, append([]string{"Sec-Fetch-Site", "same-origin", "Origin", own}, webSocket...), true},

		{"another site", "POST", cookies, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		{"another site without an origin", "POST", cookies, []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"another origin alone", "POST", cookies, []string{"Origin", "https://evil.example"}, false},
		{"another origin that says same-origin", "POST", cookies, []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://evil.example"}, false},
		{"same site", "POST", cookies, []string{"Sec-Fetch-Site", "same-site", "Origin", "https://www.example.com"}, false},
		{"same site without an origin", "POST", cookies, []string{"Sec-Fetch-Site", "same-site"}, false},
		{"two Sec-Fetch-Site", "POST", cookies, []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"}, false},
		{"Sec-Fetch-Site that no browser sends", "POST", cookies, []string{"Sec-Fetch-Site", "Same-Origin"}, false},
		{"empty Sec-Fetch-Site", "POST", cookies, []string{"Sec-Fetch-Site", ""}, false},
		{"null", "POST", cookies, []string{"Origin", "null"}, false},
		{"own host over http", "POST", cookies, []string{"Origin", "http://" + testHost}, false},
		{"own host on another port", "POST", cookies, []string{"Origin", own + ":8443"}, false},
		{"prefix of the own host", "POST", cookies, []string{"Origin", own + ".evil.example"}, false},
		{"other allowed host", "POST", cookies, []string{"Origin", "https://www.example.com"}, false},
		{"origin that cors allows without credentials", "POST", anonymous, []string{"Sec-Fetch-Site", "cross-site", "Origin", appOrigin}, false},
		{"origin that cors does not allow", "POST", credentialed, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		{"PUT", "PUT", cookies, []string{"Origin", "https://evil.example"}, false},
		{"PATCH", "PATCH", cookies, []string{"Origin", "https://evil.example"}, false},
		{"DELETE", "DELETE", cookies, []string{"Origin", "https://evil.example"}, false},
		{"form as text", "POST", cookies, []string{"Origin", "https://evil.example", "Content-Type", "text/plain"}, false},
		{"WebSocket from another site", "GET", cookies, append([]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, webSocket...), false},
		{"WebSocket from another origin", "GET", cookies, append([]string{"Origin", "https://evil.example"}, webSocket...), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, c.change)
			got := f.send(f.h1, c.method, "/items", "", append([]string{"Cookie", "session=" + f.mint(nil)}, c.header...)...)
			if c.passes {
				if got.status != 200 || f.upstream.count() != 1 {
					t.Errorf("got %v, want 200", got)
				}
				return
			}
			if got.status != 403 || got.problem().Detail != "Cross-site request" || f.upstream.count() != 0 {
				t.Errorf("got %v, want 403 Cross-site request", got)
			}
			// A header is no cookie: another site cannot make a browser send it.
			got = f.send(f.h1, c.method, "/items", "", append([]string{"Authorization", f.bearer()}, c.header...)...)
			if got.status != 200 {
				t.Errorf("with a header token: got %v, want 200", got)
			}
		})
	}
}

// TestCrossSiteOnOwnEndpoints holds the same of what the guard answers itself,
// where the refresh cookie is the credential.
func TestCrossSiteOnOwnEndpoints(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Local = []guard.Local{{Paths: []string{"/auth/refresh"}, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "refreshed")
		})}}
	})
	for _, c := range []struct {
		name   string
		header []string
		status int
	}{
		{"no browser", nil, 200},
		{"same origin", []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://" + testHost}, 200},
		{"another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another origin", []string{"Origin", "https://evil.example"}, 403},
		{"same site", []string{"Sec-Fetch-Site", "same-site"}, 403},
	} {
		if got := f.send(f.h1, "POST", "/auth/refresh", "", c.header...); got.status != c.status {
			t.Errorf("%s: got %v, want %d", c.name, got, c.status)
		}
	}
	if n := f.upstream.count(); n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
}
