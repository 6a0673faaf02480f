package guard_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/store"
)

// TestRefusals holds every row of the table of refusals: what a client learns
// is this and nothing else.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const invalid = `Bearer error="invalid_token"`
	for _, c := range []struct {
		name   string
		change func(*guard.Config)
		// prepare may spoil the fixture and returns what to ask.
		prepare func(f *fixture) (method, path, body string, header []string)
		status  int
		kind    string // last part of the problem's type
		detail  string
		more    map[string]string // headers; empty: not there
	}{
		{
			"unknown host", nil, ask("GET", "/items", "Host", "evil.example", "Authorization", "TOKEN"),
			400, "host-not-allowed", "Host not allowed",
			map[string]string{"Www-Authenticate": ""},
		},
		{
			"misdirected host", nil, ask("GET", "/items", "Host", "www.example.com", "Authorization", "TOKEN"),
			421, "host-not-allowed", "Host not allowed", nil,
		},
		{
			"ambiguous path", nil, ask("GET", "/a/../b", "Authorization", "TOKEN"), 400, "invalid-request", "Invalid request",
			map[string]string{"Www-Authenticate": ""},
		},
		{"no token", nil, ask("GET", "/items"), 401, "not-authenticated", "Not authenticated", map[string]string{"Www-Authenticate": "Bearer"}},
		{"another scheme", nil, ask("GET", "/items", "Authorization", "Basic dTpw"), 401, "not-authenticated", "Not authenticated", map[string]string{"Www-Authenticate": "Bearer"}},
		{"expired", nil, func(f *fixture) (string, string, string, []string) {
			raw := f.mint(nil)
			f.clock.advance(6 * time.Minute)
			return "GET", "/items", "", []string{"Authorization", "Bearer " + raw}
		}, 401, "token-expired", "Token expired", map[string]string{"Www-Authenticate": invalid}},
		{"garbage", nil, ask("GET", "/items", "Authorization", "Bearer x"), 401, "invalid-token", "Invalid token", map[string]string{"Www-Authenticate": invalid}},
		{"empty token", nil, ask("GET", "/items", "Authorization", "Bearer "), 401, "invalid-token", "Invalid token", map[string]string{"Www-Authenticate": invalid}},
		{"another audience", nil, claims(map[string]any{"aud": "other"}), 401, "invalid-token", "Invalid token", map[string]string{"Www-Authenticate": invalid}},
		{"another issuer", nil, claims(map[string]any{"iss": "other"}), 401, "invalid-token", "Invalid token", map[string]string{"Www-Authenticate": invalid}},
		{"no exp", nil, claims(map[string]any{"exp": nil}), 401, "invalid-token", "Invalid token", map[string]string{"Www-Authenticate": invalid}},
		{"another key", nil, func(f *fixture) (string, string, string, []string) {
			return "GET", "/items", "", []string{"Authorization", "Bearer " + f.mintWith(newSigner(f.t, "key-1"), nil)}
		}, 401, "invalid-token", "Invalid token", map[string]string{"Www-Authenticate": invalid}},
		{"too large", nil, ask("GET", "/items", "Authorization", "Bearer "+strings.Repeat("e", 9000)), 401, "invalid-token", "Invalid token", map[string]string{"Www-Authenticate": invalid}},
		{"revoked", nil, func(f *fixture) (string, string, string, []string) {
			raw := f.mint(map[string]any{"jti": "gone"})
			if err := f.guard.Revoke(context.Background(), guard.Revocation{JTI: "gone"}); err != nil {
				f.t.Fatal(err)
			}
			eventually(f.t, "the revocation", func() bool { return f.metric("wiretight_revocations") > 0 })
			return "GET", "/items", "", []string{"Authorization", "Bearer " + raw}
		}, 401, "invalid-token", "Invalid token", map[string]string{"Www-Authenticate": invalid}},
		{"replayed", once, func(f *fixture) (string, string, string, []string) {
			bearer := f.bearer()
			if got := f.get("/once", "Authorization", bearer); got.status != 200 {
				f.t.Fatalf("first: got %v", got)
			}
			return "GET", "/once", "", []string{"Authorization", bearer}
		}, 401, "invalid-token", "Invalid token", map[string]string{"Www-Authenticate": invalid}},
		{
			"scope", scoped, ask("GET", "/admin", "Authorization", "TOKEN"), 403, "insufficient-scope", "Insufficient scope",
			map[string]string{"Www-Authenticate": `Bearer error="insufficient_scope", scope="admin write"`},
		},
		{
			"two Authorization headers", nil, ask("GET", "/items", "Authorization", "TOKEN", "Authorization", "TOKEN"),
			400, "invalid-request", "Invalid request",
			map[string]string{"Www-Authenticate": `Bearer error="invalid_request"`},
		},
		{
			"header and query", nil, ask("GET", "/items?access_token=x", "Authorization", "TOKEN"),
			400, "invalid-request", "Invalid request",
			map[string]string{"Www-Authenticate": `Bearer error="invalid_request"`},
		},
		{
			"two Authorization headers where no token is needed", scoped, ask("GET", "/public", "Authorization", "TOKEN", "Authorization", "TOKEN"),
			400, "invalid-request", "Invalid request",
			map[string]string{"Www-Authenticate": `Bearer error="invalid_request"`},
		},
		{
			"too many failures", func(c *guard.Config) { c.RateLimit.AuthFailures = guard.Rate{Count: 2, Per: time.Minute} },
			func(f *fixture) (string, string, string, []string) {
				for range 2 {
					f.get("/items", "Authorization", "Bearer x")
				}
				return "GET", "/items", "", []string{"Authorization", "Bearer x"}
			}, 429, "too-many-requests", "Too many requests",
			map[string]string{"Retry-After": "30", "Www-Authenticate": ""},
		},
		{
			"method", scoped, ask("DELETE", "/get", "Authorization", "TOKEN"), 405, "method-not-allowed", "Method not allowed",
			map[string]string{"Allow": "HEAD, GET"},
		},
		{"preflight", nil, ask("OPTIONS", "/items", "Origin", appOrigin, "Access-Control-Request-Method", "GET"), 403, "origin-not-allowed", "Origin not allowed", nil},
		{
			"cross-site", func(c *guard.Config) { c.Tokens.Sources = []string{"cookie:s"} }, ask("POST", "/items", "Cookie", "s=TOKEN", "Origin", "null"),
			403, "cross-site-request", "Cross-site request", nil,
		},
		{"body over the limit", func(c *guard.Config) { c.Limits.MaxBody = 10 }, func(f *fixture) (string, string, string, []string) {
			return "POST", "/items", strings.Repeat("x", 100), []string{"Authorization", f.bearer()}
		}, 413, "content-too-large", "Content too large", nil},
		{"store lost", func(c *guard.Config) {
			once(c)
			c.Store = &readOnlyStore{Store: store.NewMemory(time.Now, 10)}
		}, func(f *fixture) (string, string, string, []string) {
			f.t.Cleanup(func() { _ = f.config.Store.Close() })
			return "GET", "/once", "", []string{"Authorization", f.bearer()}
		}, 503, "temporarily-unavailable", "Temporarily unavailable", map[string]string{"Retry-After": "5"}},
		{
			"upstream down", func(c *guard.Config) { c.Upstreams[0].URL = "http://127.0.0.1:1" }, ask("GET", "/items", "Authorization", "TOKEN"),
			502, "bad-gateway", "Bad gateway", nil,
		},
		{"upstream down, with a body", func(c *guard.Config) { c.Upstreams[0].URL = "http://127.0.0.1:1" }, func(f *fixture) (string, string, string, []string) {
			return "POST", "/items", "x", []string{"Authorization", f.bearer()}
		}, 502, "bad-gateway", "Bad gateway", nil},
		{"upstream talks garbage", nil, func(f *fixture) (string, string, string, []string) {
			f.upstream.answers(hijacked("SSH-2.0-OpenSSH\r\n"))
			return "GET", "/items", "", []string{"Authorization", f.bearer()}
		}, 502, "bad-gateway", "Bad gateway", nil},
		{"upstream hangs up", nil, func(f *fixture) (string, string, string, []string) {
			f.upstream.answers(hijacked(""))
			return "GET", "/items", "", []string{"Authorization", f.bearer()}
		}, 502, "bad-gateway", "Bad gateway", nil},
		{"upstream hangs up on an upload", nil, func(f *fixture) (string, string, string, []string) {
			f.upstream.streams(hijacked(""))
			return "POST", "/items", strings.Repeat("x", 1<<20), []string{"Authorization", f.bearer()}
		}, 502, "bad-gateway", "Bad gateway", nil},
		{
			"upstream slow", func(c *guard.Config) { c.Upstreams[0].Timeout = 50 * time.Millisecond }, slow("GET", ""),
			504, "gateway-timeout", "Gateway timeout", nil,
		},
		{
			"upstream slow, with a body", func(c *guard.Config) { c.Upstreams[0].Timeout = 50 * time.Millisecond }, slow("POST", "x"),
			504, "gateway-timeout", "Gateway timeout", nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, c.change)
			method, path, body, header := c.prepare(f)
			for i := range header {
				header[i] = strings.Replace(strings.Replace(header[i], "s=TOKEN", "s="+f.mint(nil), 1), "TOKEN", f.bearer(), 1)
			}
			for _, client := range []*http.Client{f.h1, f.h2} {
				got := f.send(client, method, path, body, header...)
				checkRefusal(t, got, c.status, c.kind, c.detail)
				for name, want := range c.more {
					if v := strings.Join(got.header[name], "|"); v != want {
						t.Errorf("%s: got %s %q, want %q", got.proto, name, v, want)
					}
				}
				if got.header["Strict-Transport-Security"] == nil {
					t.Errorf("%s: no HSTS", got.proto)
				}
				if method != "GET" {
					continue
				}
				head := f.send(client, "HEAD", path, "", header...)
				if head.status != c.status || head.body != "" || head.header.Get("Content-Type") != "application/problem+json" ||
					head.header.Get("Www-Authenticate") != got.header.Get("Www-Authenticate") {
					t.Errorf("%s: HEAD got %v, want what GET got, without the body", got.proto, head)
				}
			}
		})
	}
}

func ask(method, path string, header ...string) func(*fixture) (string, string, string, []string) {
	return func(*fixture) (string, string, string, []string) { return method, path, "", header }
}

func claims(changes map[string]any) func(*fixture) (string, string, string, []string) {
	return func(f *fixture) (string, string, string, []string) {
		return "GET", "/items", "", []string{"Authorization", "Bearer " + f.mint(changes)}
	}
}

// slow asks an upstream that does not answer until the guard has given up.
func slow(method, body string) func(*fixture) (string, string, string, []string) {
	return func(f *fixture) (string, string, string, []string) {
		f.upstream.answers(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		return method, "/items", body, []string{"Authorization", f.bearer()}
	}
}

// hijacked answers with these bytes and hangs up.
func hijacked(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, text) // what comes of it is the test
		_ = conn.Close()
	}
}

func once(c *guard.Config) { c.Routes = []guard.Route{{Path: "/once", Once: true}} }

func scoped(c *guard.Config) {
	c.Routes = []guard.Route{{Path: "/admin", Scopes: []string{"admin", "write"}}, {Path: "/get", Methods: []string{"GET"}}, {Path: "/public", Public: true}}
}

func checkRefusal(t *testing.T, got reply, status int, kind, detail string) {
	t.Helper()
	p := got.problem()
	if got.status != status || p.Status != status || p.Detail != detail || p.Title != http.StatusText(status) || p.Type != "urn:wiretight:problem:"+kind {
		t.Errorf("%s: got %v, want %d %s of type %s", got.proto, got, status, detail, kind)
	}
	if len(p.RequestID) != 32 || p.RequestID != got.header.Get("X-Request-Id") {
		t.Errorf("%s: request id %q in the body, %q in the header", got.proto, p.RequestID, got.header.Get("X-Request-Id"))
	}
	for name, want := range map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if v := got.header.Get(name); v != want {
			t.Errorf("%s: got %s %q, want %q", got.proto, name, v, want)
		}
	}
}

// TestRefusalsInClear holds the two rows of the plain listener.
func TestRefusalsInClear(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	got := f.inClear("GET", "/items?a=b", "")
	checkRefusal(t, got, 308, "https-required", "HTTPS required")
	if l := got.header.Get("Location"); l != "https://"+testHost+"/items?a=b" {
		t.Errorf("got Location %q", l)
	}
	got = f.inClear("POST", "/items", "x")
	checkRefusal(t, got, 403, "https-required", "HTTPS required")
	if got.header.Get("Connection") != "close" {
		t.Error("the connection stays open")
	}
	got = f.inClear("HEAD", "/items", "", "Authorization", "Bearer x")
	if got.status != 403 || got.body != "" {
		t.Errorf("HEAD: got %v, want 403 without a body", got)
	}
}

// TestRefusalsAreLogged holds that each refusal is one record, that the reason
// is in it and not in the answer, and that the token is in neither.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	f := newFixture(t, scoped)
	raw := f.mint(map[string]any{"aud": "billing"})
	got := f.get("/items?q=secret", "Authorization", "Bearer "+raw)
	records := f.log.of(t, got.problem().RequestID)
	if len(records) != 1 {
		t.Fatalf("got %d records, want one: %v", len(records), records)
	}
	r := records[0]
	if r["rule"] != "audience" || r["reason"] == "" || r["decision"] != "refused" || r["status"] != 401.0 || r["method"] != "GET" || r["route"] != "default" || r["peer"] != "127.0.0.1" {
		t.Errorf("got %v", r)
	}
	if strings.Contains(got.body, "billing") || strings.Contains(got.header.Get("Www-Authenticate"), "aud") {
		t.Errorf("the answer tells why: %v", got)
	}
	for _, secret := range []string{raw, strings.Split(raw, ".")[2], "q=secret"} {
		if strings.Contains(f.log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// TestUpstreamAnswersRefusingPort makes sure that port 1 of the table above is
// closed here, or the row would prove nothing.
func TestUpstreamAnswersRefusingPort(t *testing.T) {
	t.Parallel()
	if c, err := net.Dial("tcp", "127.0.0.1:1"); err == nil {
		_ = c.Close()
		t.Fatal("something listens on 127.0.0.1:1; stop it, the tests need a closed port")
	}
}
