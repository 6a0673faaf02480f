package issuer_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/issuer"
)

const (
	billing = "billing:billing-secret-0123456789"
	mobile  = "mobile:mobile%2Bsecret%2F0123456789" // form-encoded, as RFC 6749 §2.3.1 asks
)

func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	password := func(more ...string) url.Values {
		return form(append([]string{"grant_type", "password", "username", "alice", "password", testPassword}, more...)...)
	}
	client := func(more ...string) url.Values {
		return form(append([]string{"grant_type", "client_credentials"}, more...)...)
	}
	for _, tc := range []struct {
		name   string
		q      request
		status int
		want   string // error, or the token's client_id
	}{
		{"password", request{form: password()}, 200, "wiretight"},
		{"password with empty scope", request{form: password("scope", "")}, 200, "wiretight"},
		{"password of a client", request{form: password(), basic: mobile}, 200, "mobile"},
		{"password of a client in the form", request{form: password("client_id", "mobile", "client_secret", "mobile+secret/0123456789")}, 200, "mobile"},
		{"Swagger UI without a client", request{form: password(), basic: ":"}, 200, "wiretight"},
		{"client", request{form: client(), basic: billing}, 200, "billing"},
		{"client with a secret that is not encoded", request{form: form("grant_type", "password", "username", "alice", "password", testPassword), basic: "mobile:mobile+secret/0123456789"}, 401, "invalid_client"},
		{"client naming itself twice alike", request{form: client("client_id", "billing"), basic: billing}, 200, "billing"},

		{"wrong password", request{form: password("x", "y")}, 200, "wiretight"},
		{"no grant", request{form: form("username", "alice")}, 400, "invalid_request"},
		{"empty grant", request{form: form("grant_type", "")}, 400, "invalid_request"},
		{"unknown grant", request{form: form("grant_type", "authorization_code", "code", "x")}, 400, "unsupported_grant_type"},
		{"implicit", request{form: form("grant_type", "implicit")}, 400, "unsupported_grant_type"},
		{"two grants", request{form: form("grant_type", "password", "grant_type", "client_credentials")}, 400, "invalid_request"},
		{"no username", request{form: form("grant_type", "password", "password", "x")}, 400, "invalid_request"},
		{"no refresh token", request{form: form("grant_type", "refresh_token")}, 400, "invalid_request"},
		{"JSON", request{json: map[string]string{"grant_type": "client_credentials"}, basic: billing}, 415, "invalid_request"},
		{"more scope", request{form: password("scope", "read admin")}, 400, "invalid_scope"},
		{"more scope for a client", request{form: client("scope", "write"), basic: billing}, 400, "invalid_scope"},
		{"no client", request{form: client()}, 401, "invalid_client"},
		{"empty Basic", request{form: client(), basic: ":"}, 401, "invalid_client"},
		{"wrong secret", request{form: client(), basic: "billing:wrong"}, 401, "invalid_client"},
		{"unknown client", request{form: client(), basic: "nobody:wrong"}, 401, "invalid_client"},
		{"empty secret", request{form: client(), basic: "billing:"}, 401, "invalid_client"},
		{"secret alone", request{form: client(), basic: ":billing-secret-0123456789"}, 401, "invalid_client"},
		{"client without its secret", request{form: password("client_id", "mobile")}, 401, "invalid_client"},
		{"in the header and the form", request{form: client("client_id", "billing", "client_secret", "billing-secret-0123456789"), basic: billing}, 400, "invalid_request"},
		{"another in the form", request{form: client("client_id", "mobile"), basic: billing}, 400, "invalid_request"},
		{"grant that the client may not", request{form: password(), basic: billing}, 400, "unauthorized_client"},
		{"client_credentials that the client may not", request{form: client(), basic: mobile}, 400, "unauthorized_client"},
		{"two headers", request{form: client(), header: http.Header{"Authorization": {"Basic " + b64(billing), "Basic " + b64(billing)}}}, 400, "invalid_request"},
		{"no base64", request{form: client(), header: http.Header{"Authorization": {"Basic billing:x"}}}, 401, "invalid_client"},
	} {
		tc.q.path = "/auth/token"
		a := f.do(tc.q)
		got, _ := a.json["error"].(string)
		if a.status == 200 {
			got = claims(t, a.access(t))["client_id"].(string)
		}
		if a.status != tc.status || got != tc.want {
			t.Errorf("%s: got %d %s, want %d %s (%s)", tc.name, a.status, got, tc.status, tc.want, shorten(a.body))
		}
		if a.header.Get("Cache-Control") != "no-store" || a.status == 200 && a.header.Get("Pragma") != "no-cache" {
			t.Errorf("%s: the answer may be cached", tc.name)
		}
		if a.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic") {
			t.Errorf("%s: 401 without a Basic challenge (RFC 6749 §5.2)", tc.name)
		}
		if len(a.cookies) > 0 {
			t.Errorf("%s: a client without cookies gets some", tc.name)
		}
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestWrongPasswordAtTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	a := f.do(request{path: "/auth/token", form: form("grant_type", "password", "username", "alice", "password", "wrong password")})
	if a.status != 400 || a.json["error"] != "invalid_grant" {
		t.Errorf("got %d %s, want 400 invalid_grant", a.status, a.body)
	}
}

// TestClientsScopesLimitTheUsers: a token has what both have.
func TestClientsScopesLimitTheUsers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	a := f.do(request{path: "/auth/token", basic: "kiosk:kiosk-secret-0123456789", form: form("grant_type", "password", "username", "alice", "password", testPassword)})
	if got := claims(t, a.access(t)); got["scope"] != "read" || got["client_id"] != "kiosk" || got["sub"] != "alice" {
		t.Errorf("got %v", got)
	}
	if a.json["refresh_token"] != nil {
		t.Error("a client that may not refresh gets a refresh token")
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	a := f.do(request{path: "/auth/token", basic: billing, form: form("grant_type", "client_credentials")})
	got := claims(t, a.access(t))
	if got["sub"] != "billing" || got["client_id"] != "billing" || got["scope"] != "read" || got["sid"] != nil || got["cnf"] != nil {
		t.Errorf("got %v", got)
	}
	if a.json["refresh_token"] != nil {
		t.Error("a client gets a refresh token (RFC 6749 §4.4.3 says it should not)")
	}
}

// TestRefreshTokensBelongToTheirClient: another client's, or nobody's, use ends
// the session.
func TestRefreshTokensBelongToTheirClient(t *testing.T) {
	t.Parallel()
	thieves := map[string]string{"nobody": "", "another client": "laptop:laptop-secret-0123456789", "a client that may not refresh": billing}
	for name, thief := range thieves {
		f := newFixture(t, func(c *issuer.Config) {
			laptop := c.Clients[1]
			laptop.ID, laptop.Secret = "laptop", redactText("laptop-secret-0123456789")
			c.Clients = append(c.Clients, laptop)
		})
		a := f.do(request{path: "/auth/token", basic: mobile, form: form("grant_type", "password", "username", "alice", "password", testPassword)})
		refresh := form("grant_type", "refresh_token", "refresh_token", a.refresh(t))
		if a := f.do(request{path: "/auth/token", form: refresh, basic: thief}); a.status != 400 || a.json["error"] != "invalid_grant" {
			t.Errorf("%s: got %d %s, want 400 invalid_grant", name, a.status, a.body)
		}
		if a := f.do(request{path: "/auth/token", form: refresh, basic: mobile}); a.status != 400 {
			t.Errorf("%s: the session lives on: got status %d", name, a.status)
		}
	}
	f := newFixture(t, nil)
	a := f.do(request{path: "/auth/token", basic: mobile, form: form("grant_type", "password", "username", "alice", "password", testPassword)})
	if a := f.do(request{path: "/auth/token", basic: mobile, form: form("grant_type", "refresh_token", "refresh_token", a.refresh(t))}); a.status != 200 {
		t.Errorf("its own client: got %d %s, want 200", a.status, a.body)
	}
}

// TestClientSecretsAreNotGuessed: wrong secrets count by client and by address.
func TestClientSecretsAreNotGuessed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	statuses := map[int]int{}
	for range 20 {
		statuses[f.do(request{path: "/auth/token", basic: "billing:wrong", form: form("grant_type", "client_credentials")}).status]++
	}
	if statuses[401] != 10 || statuses[429] != 10 {
		t.Errorf("got %v, want 10 of 401 and 10 of 429", statuses)
	}
	a := f.do(request{path: "/auth/token", basic: billing, form: form("grant_type", "client_credentials")})
	if a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s, want 429 with Retry-After", a.status, a.body)
	}
}

// TestBrowsersGetBoundTokens: a page of this origin, as Swagger UI, keeps the
// fingerprint cookie; its token is worth nothing without.
func TestBrowsersGetBoundTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	a := f.do(request{
		path: "/auth/token", header: http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {f.server.URL}},
		form: form("grant_type", "password", "username", "alice", "password", testPassword),
	})
	cnf, _ := claims(t, a.access(t))["cnf"].(map[string]any)
	if cnf["fp#S256"] == nil || a.cookies["__Host-fingerprint"] == nil || a.cookies["__Host-refresh"] != nil {
		t.Errorf("got cnf %v and %d cookies, want a fingerprint and its cookie", cnf, len(a.cookies))
	}
	for _, site := range []string{"cross-site", "same-site"} {
		a := f.do(request{
			path: "/auth/token", header: http.Header{"Sec-Fetch-Site": {site}},
			form: form("grant_type", "password", "username", "alice", "password", testPassword),
		})
		if a.status != 403 {
			t.Errorf("%s: got status %d, want 403", site, a.status)
		}
	}
}

// TestCrossSiteRequests is the table of what other sites' pages can send, for
// an issuer that nothing stands in front of.
func TestCrossSiteRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, tc := range []struct {
		name   string
		header http.Header
		want   int
	}{
		{"no browser", nil, 200},
		{"own page", http.Header{"Origin": {f.server.URL}, "Sec-Fetch-Site": {"same-origin"}}, 200},
		{"own page of an old browser", http.Header{"Origin": {f.server.URL}}, 200},
		{"other site", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}, 403},
		{"other site of an old browser", http.Header{"Origin": {"https://evil.example"}}, 403},
		{"neighbour", http.Header{"Origin": {"https://evil.example.com"}, "Sec-Fetch-Site": {"same-site"}}, 403},
		{"sandbox", http.Header{"Origin": {"null"}}, 403},
		{"same host over http", http.Header{"Origin": {strings.Replace(f.server.URL, "https", "http", 1)}}, 403},
		{"no origin", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"two", http.Header{"Sec-Fetch-Site": {"same-origin", "same-origin"}}, 403},
	} {
		for _, path := range []string{"/auth/login", "/auth/refresh", "/auth/logout"} {
			s := f.login("alice")
			q := request{path: path, cookies: s.cookies, header: tc.header}
			if path == "/auth/login" {
				q.form = form("username", "alice", "password", testPassword)
			}
			want := tc.want
			if want == 200 && path == "/auth/logout" {
				want = 204
			}
			if a := f.do(q); a.status != want {
				t.Errorf("%s to %s: got status %d, want %d", tc.name, path, a.status, want)
			}
		}
	}
}
