package guard_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

const appOrigin = "https://app.example.com"

// strangeOrigins are none of the allowed ones, though some servers think so.
var strangeOrigins = []string{
	"https://evil.example", "https://app.example.com.evil.example", "https://evilapp.example.com", "https://evil-app.example.com",
	"https://sub.app.example.com", "https://example.com", "https://appxexample.com", "https://app.example.comevil.example",
	"https://app.example.com_.evil.example", "https://app.example.com%60.evil.example", "https://app.example.com@evil.example",
	"https://evil.example/https://app.example.com", "https://evil.example#https://app.example.com", "https://app.example.com.",
	"https://app.example.com:443", "https://app.example.com:8444", "https://app.example.com:", "http://app.example.com",
	"HTTPS://app.example.com", "https://APP.example.com", "https://app.example.com/", "app.example.com", "//app.example.com",
	"https://app.example.com https://evil.example", "https://app.example.com,https://evil.example", "https://api.example.com",
	"null", "*", "file://", "chrome-extension://abc", "http://localhost", "http://localhost:5174", "http://127.0.0.1:5173", "",
}

func withCORS(c *guard.Config) {
	c.RateLimit.AuthFailures = guard.Rate{Count: 1 << 20, Per: time.Minute}
	c.CORS = &guard.CORS{
		Origins: []string{appOrigin, "https://app.example.com:8443", "http://localhost:5173"}, Credentials: true,
		Methods: []string{"GET", "POST"}, RequestHeaders: []string{"Authorization", "Content-Type"},
		ResponseHeaders: []string{"X-Request-ID"}, MaxAge: 24 * time.Hour,
	}
	c.Routes = []guard.Route{{Path: "/public", Public: true}, {Path: "/admin", Scopes: []string{"admin"}}, {Path: "/get", Methods: []string{"GET"}}}
}

// cors is the CORS part of an answer, a line each.
func corsOf(h http.Header) string {
	var lines []string
	for _, name := range []string{"Allow-Origin", "Allow-Credentials", "Allow-Methods", "Allow-Headers", "Expose-Headers", "Max-Age", "Allow-Private-Network"} {
		for _, v := range h["Access-Control-"+name] {
			lines = append(lines, name+": "+v)
		}
	}
	return strings.Join(lines, "\n")
}

// TestPreflight holds which preflights are allowed. None needs a token, and
// none reaches the upstream.
func TestPreflight(t *testing.T) {
	t.Parallel()
	const granted = "Allow-Origin: " + appOrigin + "\nAllow-Credentials: true\nAllow-Methods: GET, POST"
	f := newFixture(t, withCORS)
	type preflight struct {
		name, path string
		header     []string
		status     int
		cors       string
	}
	ask := func(origin, method string, more ...string) []string {
		return append([]string{"Origin", origin, "Access-Control-Request-Method", method}, more...)
	}
	cases := []preflight{
		{"GET", "/items", ask(appOrigin, "GET"), 204, granted + "\nMax-Age: 86400"},
		{"POST", "/public", ask(appOrigin, "POST"), 204, granted + "\nMax-Age: 86400"},
		{
			"headers", "/items", ask(appOrigin, "GET", "Access-Control-Request-Headers", "authorization,content-type"), 204,
			granted + "\nAllow-Headers: authorization, content-type\nMax-Age: 86400",
		},
		{
			"headers in capitals and with spaces", "/items", ask(appOrigin, "GET", "Access-Control-Request-Headers", "Authorization , Content-Type"), 204,
			granted + "\nAllow-Headers: authorization, content-type\nMax-Age: 86400",
		},
		{"no headers asked for", "/items", ask(appOrigin, "GET", "Access-Control-Request-Headers", ""), 204, granted + "\nMax-Age: 86400"},
		{
			"origin with a port", "/items", ask("https://app.example.com:8443", "GET"), 204,
			strings.Replace(granted, appOrigin, "https://app.example.com:8443", 1) + "\nMax-Age: 86400",
		},
		{"with a bad token", "/items", ask(appOrigin, "GET", "Authorization", "Bearer x"), 204, granted + "\nMax-Age: 86400"},
		{"of a route that lists no OPTIONS", "/get", ask(appOrigin, "GET"), 204, granted + "\nMax-Age: 86400"},
		{"of a private network", "/items", ask(appOrigin, "GET", "Access-Control-Request-Private-Network", "true"), 204, granted + "\nMax-Age: 86400"},

		{"method that is not listed", "/items", ask(appOrigin, "DELETE"), 403, ""},
		{"method in small letters", "/items", ask(appOrigin, "get"), 403, ""},
		{"no method", "/items", ask(appOrigin, ""), 403, ""},
		{"two methods", "/items", ask(appOrigin, "GET", "Access-Control-Request-Method", "POST"), 403, ""},
		{"list of methods", "/items", ask(appOrigin, "GET, POST"), 403, ""},
		{"header that is not listed", "/items", ask(appOrigin, "GET", "Access-Control-Request-Headers", "authorization,x-evil"), 403, ""},
		{"header in a second line", "/items", ask(appOrigin, "GET", "Access-Control-Request-Headers", "authorization", "Access-Control-Request-Headers", "x-evil"), 403, ""},
		{"star for a header", "/items", ask(appOrigin, "GET", "Access-Control-Request-Headers", "*"), 403, ""},
		{"a thousand headers", "/items", ask(appOrigin, "GET", "Access-Control-Request-Headers", strings.Repeat("authorization,", 1000)), 403, ""},
		{"two origins", "/items", ask(appOrigin, "GET", "Origin", appOrigin), 400, ""},
		{"two origins, one strange", "/items", ask(appOrigin, "GET", "Origin", "https://evil.example"), 400, ""},
		{"ambiguous path", "/a/../b", ask(appOrigin, "GET"), 400, ""},
		{"unknown host", "/items", ask(appOrigin, "GET", "Host", "evil.example"), 400, ""},
	}
	for _, origin := range strangeOrigins {
		cases = append(cases, preflight{"origin " + origin, "/items", ask(origin, "GET"), 403, ""})
	}
	for _, c := range cases {
		for proto, client := range map[string]*http.Client{"HTTP/1.1": f.h1, "HTTP/2": f.h2} {
			got := f.send(client, "OPTIONS", c.path, "", c.header...)
			if got.status != c.status || corsOf(got.header) != c.cors {
				t.Errorf("%s, %s: got %d\n%s\nwant %d\n%s", c.name, proto, got.status, corsOf(got.header), c.status, c.cors)
			}
			if c.status == 403 && got.problem().Detail != "Origin not allowed" {
				t.Errorf("%s, %s: got detail %q", c.name, proto, got.problem().Detail)
			}
			if c.status != 400 && got.header.Get("Vary") == "" {
				t.Errorf("%s, %s: the answer has no Vary", c.name, proto)
			}
			if c.status == 204 && strings.Join(got.header["Vary"], ", ") != "Origin, Access-Control-Request-Method, Access-Control-Request-Headers" {
				t.Errorf("%s, %s: got Vary %q", c.name, proto, got.header["Vary"])
			}
		}
	}
	if n := f.upstream.count(); n != 0 {
		t.Errorf("%d preflights reached the upstream", n)
	}
}

// TestCORS holds who can read answers, refusals among them, whatever the
// upstream says about it.
func TestCORS(t *testing.T) {
	t.Parallel()
	const readable = "Allow-Origin: " + appOrigin + "\nAllow-Credentials: true\nExpose-Headers: X-Request-ID"
	upstream := func(w http.ResponseWriter, r *http.Request) {
		for name, v := range map[string]string{"Allow-Origin": "*", "Allow-Credentials": "true", "Allow-Methods": "*", "Allow-Headers": "*", "Expose-Headers": "*", "Max-Age": "9", "Allow-Private-Network": "true"} {
			w.Header().Set("Access-Control-"+name, v)
		}
		w.Header().Add("Vary", "Accept-Encoding")
		if r.URL.Path == "/missing" {
			w.WriteHeader(404)
		}
	}
	with, without := newFixture(t, withCORS), newFixture(t, func(c *guard.Config) { withCORS(c); c.CORS = nil })
	with.upstream.answers(upstream)
	without.upstream.answers(upstream)
	for _, c := range []struct {
		name, path string
		header     []string
		status     int
	}{
		{"good", "/items", []string{"Authorization", "TOKEN"}, 200},
		{"public", "/public", nil, 200},
		{"no token", "/items", nil, 401},
		{"bad token", "/items", []string{"Authorization", "Bearer x"}, 401},
		{"no scope", "/admin", []string{"Authorization", "TOKEN"}, 403},
		{"two tokens", "/items?access_token=x", []string{"Authorization", "TOKEN"}, 400},
		{"upstream's error", "/missing", []string{"Authorization", "TOKEN"}, 404},
	} {
		for _, origin := range append([]string{appOrigin, "none"}, strangeOrigins...) {
			header := []string{}
			if origin != "none" {
				header = append(header, "Origin", origin)
			}
			for i := 0; i < len(c.header); i += 2 {
				header = append(header, c.header[i], strings.Replace(c.header[i+1], "TOKEN", with.bearer(), 1))
			}
			got := with.get(c.path, header...)
			want := ""
			if origin == appOrigin {
				want = readable
			}
			if got.status != c.status || corsOf(got.header) != want {
				t.Errorf("%s from %q: got %d\n%s\nwant %d\n%s", c.name, origin, got.status, corsOf(got.header), c.status, want)
			}
			if vary := strings.Join(got.header["Vary"], ", "); !strings.Contains(vary, "Origin") || c.name == "good" && vary != "Accept-Encoding, Origin" {
				t.Errorf("%s from %q: got Vary %q", c.name, origin, vary)
			}
			if got := without.get("/public", "Origin", origin); got.status != 200 || corsOf(got.header) != "" || strings.Contains(strings.Join(got.header["Vary"], ","), "Origin") {
				t.Errorf("without cors, from %q: got %v", origin, got)
			}
		}
	}
	for _, origin := range []string{appOrigin, "https://evil.example"} {
		got := without.send(without.h1, "OPTIONS", "/items", "", "Origin", origin, "Access-Control-Request-Method", "GET")
		if got.status != 403 || corsOf(got.header) != "" {
			t.Errorf("preflight without cors from %s: got %v", origin, got)
		}
	}
}

// TestTwoOrigins holds that a request of two origins is nobody's.
func TestTwoOrigins(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withCORS)
	for _, client := range []*http.Client{f.h1, f.h2} {
		got := f.send(client, "GET", "/public", "", "Origin", appOrigin, "Origin", "https://evil.example")
		if got.status != 400 || got.problem().Detail != "Invalid request" || corsOf(got.header) != "" {
			t.Errorf("got %v, want 400 Invalid request without CORS", got)
		}
	}
}

// TestOPTIONSThatIsNoPreflight needs a token like any other request.
func TestOPTIONSThatIsNoPreflight(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withCORS)
	for _, header := range [][]string{nil, {"Origin", appOrigin}, {"Access-Control-Request-Method", "GET"}} {
		if got := f.send(f.h1, "OPTIONS", "/items", "", header...); got.status != 401 {
			t.Errorf("%v: got %v, want 401", header, got)
		}
	}
	if got := f.send(f.h1, "OPTIONS", "/items", "", "Authorization", f.bearer()); got.status != 200 || f.upstream.count() != 1 {
		t.Errorf("with a token: got %v, want 200", got)
	}
}

// TestWildcardOrigin holds what an accepted risk opens, and that null stays out.
func TestWildcardOrigin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		credentials bool
		origin      string
		want        string
	}{
		{"any", false, "https://any.example", "Allow-Origin: *"},
		{"any with credentials", true, "https://any.example", "Allow-Origin: https://any.example\nAllow-Credentials: true"},
		{"null", false, "null", ""},
		{"null with credentials", true, "null", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(cfg *guard.Config) {
				cfg.AcceptRisk = []string{"cors.wildcard"}
				cfg.CORS = &guard.CORS{Origins: []string{"*"}, Credentials: c.credentials}
			})
			if got := f.get("/items", "Origin", c.origin, "Authorization", f.bearer()); corsOf(got.header) != c.want {
				t.Errorf("got\n%s\nwant\n%s", corsOf(got.header), c.want)
			}
		})
	}
}
