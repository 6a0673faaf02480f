package extauthz_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/token"
)

func TestAuthorizeOverHTTP(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) {
		c.Routes = []guard.Route{
			{Path: "/healthz", Public: true},
			{Path: "/admin/*", Methods: []string{"GET", "POST"}, Scopes: []string{"admin"}},
		}
	})
	good := "Bearer " + b.mint(nil)
	admin := "Bearer " + b.mint(map[string]any{"scope": "admin"})
	for _, tc := range []struct {
		name      string
		ask       ask
		status    int
		detail    string
		challenge string
		rule      string
	}{
		{"good token", ask{header: []string{"Authorization", good}}, 200, "", "", ""},
		{"public", ask{target: "/healthz"}, 200, "", "", ""},
		{"scope", ask{target: "/admin/x?y=1", method: "POST", header: []string{"Authorization", admin}}, 200, "", "", ""},
		{"HEAD goes where GET goes", ask{target: "/admin/x", method: "HEAD", header: []string{"Authorization", admin}}, 200, "", "", ""},
		{"asked with another method", ask{with: "POST", header: []string{"Authorization", good}}, 200, "", "", ""},
		{"WebSocket scheme", ask{scheme: "wss", header: []string{"Authorization", good}}, 200, "", "", ""},
		{"lower-case escape", ask{target: "/a%c3%a9", header: []string{"Authorization", good}}, 200, "", "", ""},
		{"no token", ask{}, 401, "Not authenticated", "Bearer", "token"},
		{"garbage", ask{header: []string{"Authorization", "Bearer x"}}, 401, "Invalid token", `Bearer error="invalid_token"`, "token"},
		{"expired", ask{header: []string{"Authorization", "Bearer " + b.mint(map[string]any{
			"iat": time.Now().Add(-time.Hour).Unix(), "exp": time.Now().Add(-time.Minute).Unix(),
		})}}, 401, "Token expired", `Bearer error="invalid_token"`, "expired"},
		{"scope missing", ask{target: "/admin/x", header: []string{"Authorization", good}}, 403, "Insufficient scope", `Bearer error="insufficient_scope", scope="admin"`, "scopes"},
		{"method", ask{target: "/admin/x", method: "DELETE", header: []string{"Authorization", admin}}, 405, "Method not allowed", "", "method"},
		{"two tokens", ask{header: []string{"Authorization", good, "Authorization", good}}, 400, "Invalid request", `Bearer error="invalid_request"`, "token"},
		{"two tokens joined", ask{header: []string{"Authorization", good + "," + good}}, 400, "Invalid request", `Bearer error="invalid_request"`, "token"},
		{"token in the query too", ask{target: "/items?access_token=x", header: []string{"Authorization", good}}, 400, "Invalid request", `Bearer error="invalid_request"`, "token"},
		{"other host", ask{host: "evil.example.com", header: []string{"Authorization", good}}, 400, "Host not allowed", "", "host"},
		{"two hosts", ask{host: testHost + ", " + testHost}, 400, "Host not allowed", "", "host"},
		{"dot segment", ask{target: "/healthz/../admin"}, 400, "Invalid request", "", "path"},
		{"encoded slash", ask{target: "/healthz%2fadmin"}, 400, "Invalid request", "", "path"},
		{"needless escape", ask{target: "/%61dmin/x", header: []string{"Authorization", good}}, 400, "Invalid request", "", "path"},
		{"byte that needs an escape", ask{target: "/a\"b", header: []string{"Authorization", good}}, 400, "Invalid request", "", "path"},
		{"absolute target", ask{target: "https://" + testHost + "/healthz"}, 400, "Invalid request", "", "path"},
		{"method in small letters", ask{method: "get", header: []string{"Authorization", good}}, 400, "Invalid request", "", "method"},
		{"CONNECT", ask{method: "CONNECT", header: []string{"Authorization", good}}, 400, "Invalid request", "", "method"},
		{"preflight without cors", ask{method: "OPTIONS", header: []string{"Origin", appOrigin, "Access-Control-Request-Method", "GET"}}, 403, "Origin not allowed", "", "cors"},
		{"plain, no credential", ask{scheme: "http"}, 308, "HTTPS required", "", "transport"},
		{"plain, unsafe method", ask{scheme: "http", method: "POST"}, 403, "HTTPS required", "", "transport"},
		{"unknown scheme", ask{scheme: "ftp"}, 400, "Invalid request", "", "headers"},
		{"two schemes", ask{scheme: "https,https"}, 400, "Invalid request", "", "headers"},
		{"client that is no address", ask{client: "unknown", header: []string{"Authorization", good}}, 400, "Invalid request", "", "headers"},
		{"Connection takes the token away", ask{header: []string{"Authorization", good, "Connection", "Authorization"}}, 400, "Invalid request", "", "headers"},
		{"other place", ask{path: "/authorise", header: []string{"Authorization", good}}, 400, "Invalid request", "", "headers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := b.http(tc.ask)
			if got.status != tc.status || got.detail() != tc.detail || got.header.Get("WWW-Authenticate") != tc.challenge {
				t.Errorf("got %v, want %d %s %s", got, tc.status, tc.detail, tc.challenge)
			}
			record := b.record(got.header.Get("X-Request-Id"))
			if rule, _ := record["rule"].(string); rule != tc.rule {
				t.Errorf("got rule %q (%v), want %q", rule, record["reason"], tc.rule)
			}
			if tc.status == 308 && got.header.Get("Location") != "https://"+testHost+"/items" {
				t.Errorf("got Location %q", got.header.Get("Location"))
			}
			if want := statusOf(tc.status); got.header.Get("X-Wiretight-Status") != want {
				t.Errorf("got X-Wiretight-Status %q, want %q", got.header.Get("X-Wiretight-Status"), want)
			}
		})
	}
	if n := b.reached.Load(); n != 0 {
		t.Errorf("%d requests reached the upstream, want none", n)
	}
}

// statusOf is the status that a proxy is told in a header.
func statusOf(status int) string {
	if status == 200 {
		return ""
	}
	return http.Header{"S": {string(rune('0'+status/100)) + string(rune('0'+status/10%10)) + string(rune('0'+status%10))}}.Get("S")
}

func TestEveryHeaderOfTheProxyIsNeeded(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	all := map[string]string{"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "https", "X-Forwarded-Host": testHost, "X-Forwarded-Uri": "/items"}
	for name := range all {
		for kind, values := range map[string][]string{"missing": nil, "empty": {""}, "repeated": {all[name], all[name]}} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				a := ask{bare: true, header: []string{"Authorization", "Bearer " + b.mint(nil)}}
				for other, value := range all {
					if other != name {
						a.header = append(a.header, other, value)
					}
				}
				for _, v := range values {
					a.header = append(a.header, name, v)
				}
				got := b.http(a)
				if got.status != 400 || got.detail() != "Invalid request" {
					t.Errorf("got %v, want 400 Invalid request", got)
				}
				record := b.record(got.header.Get("X-Request-Id"))
				if reason, _ := record["reason"].(string); record["rule"] != "headers" || !strings.HasPrefix(reason, name) {
					t.Errorf("got %v, want a reason that names %s", record, name)
				}
			})
		}
	}
}

func TestOnlyTrustedPeersMayAsk(t *testing.T) {
	t.Parallel()
	for name, peers := range map[string][]netip.Prefix{
		"another network": {netip.MustParsePrefix("10.0.0.0/8")},
		"nobody":          nil,
	} {
		for _, mode := range []guard.Mode{guard.Enforce, guard.ObserveOnly} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				b := newBed(t, func(c *guard.Config) { c.TrustedPeers, c.Mode = peers, mode })
				got := b.http(ask{header: []string{"Authorization", "Bearer " + b.mint(nil)}})
				if got.status != 403 || got.detail() != "Proxy not trusted" {
					t.Errorf("got %v, want 403 Proxy not trusted", got)
				}
				record := b.record(got.header.Get("X-Request-Id"))
				if record["rule"] != "transport" || record["asked_by"] != "127.0.0.1" {
					t.Errorf("got %v, want the rule transport and who asked", record)
				}
			})
		}
	}
}

func TestIdentityOverHTTP(t *testing.T) {
	t.Parallel()
	claims := map[string]any{"sub": "ålice", "scope": "read write", "client_id": "web"}
	for _, tc := range []struct {
		forward guard.Forward
		want    map[string]string // what is not named is empty
	}{
		{guard.ForwardToken, map[string]string{"Authorization": "T", "Cookie": "theme=dark"}},
		{guard.ForwardClaims, map[string]string{
			"Cookie": "theme=dark", "X-Auth-Subject": "%C3%A5lice", "X-Auth-Issuer": testIssuer, "X-Auth-Scopes": "read write",
			"X-Auth-Client": "web", "X-Auth-Claims": "P",
		}},
		{guard.ForwardInternal, map[string]string{"Authorization": "I", "Cookie": "theme=dark"}},
		{guard.ForwardNone, map[string]string{"Cookie": "theme=dark"}},
	} {
		t.Run(string(tc.forward), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, func(c *guard.Config) { c.Tokens.Forward = tc.forward })
			raw := b.mint(claims)
			got := b.http(ask{header: []string{
				"Authorization", "Bearer " + raw, "Cookie", "theme=dark; __Host-refresh=secret", "Dpop", "",
				"X-Auth-Subject", "root", "X_auth_subject", "root", "X-Auth-Claims", "root",
			}})
			if got.status != 200 || got.body != "" {
				t.Fatalf("got %v, want 200", got)
			}
			for _, name := range guard.IdentityHeaders() {
				values, set := got.header[name]
				if !set || len(values) != 1 {
					t.Errorf("got %s %q, want one value, which may be empty", name, values)
					continue
				}
				want := tc.want[name]
				switch want {
				case "T":
					want = "Bearer " + raw
				case "P":
					want = strings.Split(raw, ".")[1]
				case "I":
					checkInternal(t, values[0])
					continue
				}
				if values[0] != want {
					t.Errorf("got %s %q, want %q", name, values[0], want)
				}
			}
		})
	}
}

// checkInternal looks at a token of the guard's own.
func checkInternal(t *testing.T, authorization string) {
	t.Helper()
	raw, ok := strings.CutPrefix(authorization, "Bearer ")
	internal, err := token.Parse(raw, token.Limits{})
	if !ok || err != nil {
		t.Fatalf("got %q, want an internal token: %v", authorization, err)
	}
	c := internal.Claims
	if c.Issuer != guard.InternalIssuer || len(c.Audience) != 1 || c.Audience[0] != "app" || c.Subject != "ålice" {
		t.Errorf("got %+v, want the upstream's audience and the caller", c)
	}
}

func TestPreflightNeverPassesAsPermission(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) {
		c.CORS = &guard.CORS{Origins: []string{appOrigin}, Credentials: true, Methods: []string{"GET"}, RequestHeaders: []string{"Authorization"}}
	})
	preflight := ask{method: "OPTIONS", header: []string{
		"Origin", appOrigin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization",
	}}
	for path, want := range map[string]int{"/authorize": 403, "/authorize/nginx": 403, "/preflight": 204} {
		preflight.path = path
		got := b.http(preflight)
		if got.status != want || got.body != "" {
			t.Errorf("%s: got %v, want %d", path, got, want)
		}
		if got.header.Get("Access-Control-Allow-Origin") != appOrigin || got.header.Get("Access-Control-Allow-Headers") != "authorization" {
			t.Errorf("%s: got %v, want the headers that allow it", path, got.header)
		}
		if want == 403 && got.header.Get("X-Wiretight-Status") != "204" {
			t.Errorf("%s: got X-Wiretight-Status %q, want 204", path, got.header.Get("X-Wiretight-Status"))
		}
	}
	if got := b.http(ask{path: "/preflight", header: []string{"Authorization", "Bearer " + b.mint(nil)}}); got.status != 400 {
		t.Errorf("no preflight at /preflight: got %v, want 400", got)
	}
	readable := b.http(ask{header: []string{"Origin", appOrigin}})
	if readable.status != 401 || readable.header.Get("Access-Control-Allow-Origin") != appOrigin {
		t.Errorf("got %v, want a 401 that the origin can read", readable)
	}
	foreign := b.http(ask{method: "OPTIONS", header: []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "GET"}})
	if foreign.status != 403 || foreign.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("got %v, want 403 without CORS headers", foreign)
	}
}

func TestNginxGetsWhatItCanPass(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	for _, tc := range []struct {
		name         string
		ask          ask
		status       int
		real, detail string
	}{
		{"no token", ask{}, 401, "401", "Not authenticated"},
		{"bad path", ask{target: "/a/../b"}, 403, "400", "Invalid request"},
		{"plain", ask{scheme: "http"}, 403, "308", "HTTPS required"},
	} {
		tc.ask.path = "/authorize/nginx"
		got := b.http(tc.ask)
		if got.status != tc.status || got.header.Get("X-Wiretight-Status") != tc.real {
			t.Errorf("%s: got %v, want %d for %s", tc.name, got, tc.status, tc.real)
		}
		if p := got.header.Get("X-Wiretight-Problem"); p != got.body || !strings.Contains(p, tc.detail) {
			t.Errorf("%s: got X-Wiretight-Problem %q, want the body", tc.name, p)
		}
	}
}

// TestClientAddress limits failures by the true client, whatever the client
// says of itself.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) {
		c.RateLimit = guard.RateLimit{AuthFailures: guard.Rate{Count: 2, Per: time.Hour}}
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	bad := func(client string) reply {
		return b.http(ask{client: client, header: []string{"Authorization", "Bearer x" + randomID()}})
	}
	for _, client := range []string{"203.0.113.7", "198.51.100.1, 203.0.113.7"} {
		if got := bad(client); got.status != 401 {
			t.Fatalf("%s: got %v, want 401", client, got)
		}
	}
	for _, client := range []string{"203.0.113.7", "198.51.100.2, 203.0.113.7", "203.0.113.7, 192.0.2.1", "203.0.113.7:4711"} {
		if got := bad(client); got.status != 429 || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: got %v, want 429 with Retry-After", client, got)
		}
	}
	if got := bad("203.0.113.8"); got.status != 401 {
		t.Errorf("another client: got %v, want 401", got)
	}
	got := b.http(ask{client: "198.51.100.1, 203.0.113.9", header: []string{"Authorization", "Bearer " + b.mint(nil)}})
	if record := b.record(got.header.Get("X-Request-Id")); record["peer"] != "203.0.113.9" {
		t.Errorf("got peer %v in the log, want 203.0.113.9", record["peer"])
	}
}
