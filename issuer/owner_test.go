package issuer_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/issuer"
)

func redactText(s string) redact.Text { return redact.NewText(s) }

func TestLogoutEndsTheSession(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		q    func(s session) request
	}{
		{"by the cookie", func(s session) request { return request{cookies: s.cookies} }},
		{"by the access token", func(s session) request {
			return request{bearer: s.access, cookies: map[string]string{"__Host-fingerprint": s.cookies["__Host-fingerprint"]}}
		}},
	} {
		f := newFixture(t, nil)
		s, other := f.login("alice"), f.login("alice")
		q := tc.q(s)
		q.path = "/auth/logout"
		a := f.do(q)
		if a.status != 204 || !strings.Contains(a.header.Get("Clear-Site-Data"), `"cookies"`) || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d with Clear-Site-Data %q", tc.name, a.status, a.header.Get("Clear-Site-Data"))
		}
		for _, name := range []string{"__Host-refresh", "__Host-access", "__Host-fingerprint"} {
			if c := a.cookies[name]; c == nil || c.MaxAge >= 0 || c.Value != "" || !c.Secure || c.Path != "/" {
				t.Errorf("%s: cookie %s is not taken away: %v", tc.name, name, c)
			}
		}
		if a := f.refreshCookie(s.cookies); a.status != 401 {
			t.Errorf("%s: refresh after logout: got status %d, want 401", tc.name, a.status)
		}
		if f.active(s.access) {
			t.Errorf("%s: the access token is good still", tc.name)
		}
		if a := f.refreshCookie(other.cookies); a.status != 200 {
			t.Errorf("%s: another session: got status %d, want 200", tc.name, a.status)
		}
	}
}

func TestLogoutOfNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	s := f.login("alice")
	for name, q := range map[string]request{
		"nothing":         {},
		"garbage":         {cookies: map[string]string{"__Host-refresh": "wtr_garbage"}},
		"forged token":    {bearer: "eyJhbGciOiJub25lIn0.e30."},
		"no fingerprint":  {bearer: s.access},
		"after a logout":  {cookies: map[string]string{"__Host-refresh": ""}},
		"unknown session": {cookies: map[string]string{"__Host-refresh": "wtr_" + strings.Repeat("A", 91)}},
	} {
		q.path = "/auth/logout"
		if a := f.do(q); a.status != 204 {
			t.Errorf("%s: got status %d, want 204", name, a.status)
		}
	}
	if a := f.refreshCookie(s.cookies); a.status != 200 {
		t.Errorf("somebody else's logout ended the session: got status %d", a.status)
	}
	f.store.down.Store(true)
	if a := f.do(request{path: "/auth/logout", cookies: s.cookies}); a.status != 503 || a.header.Get("Clear-Site-Data") != "" || len(a.cookies) > 0 {
		t.Errorf("without a store: got status %d and %d cookies, want 503 and nothing done", a.status, len(a.cookies))
	}
}

// owned is a session's calls: its fingerprint and its token.
func (s session) call(method, path string) request {
	return request{method: method, path: path, bearer: s.access, cookies: map[string]string{"__Host-fingerprint": s.cookies["__Host-fingerprint"]}}
}

func TestSessionsShowAndEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.addUser("bob")
	first := f.sessionOf(f.do(request{
		path: "/auth/login", json: map[string]string{"username": "alice", "password": testPassword},
		header: http.Header{"User-Agent": {"Mozilla\u202e/5.0 " + strings.Repeat("x", 500)}},
	}))
	f.clock.advance(time.Minute)
	second, bob := f.login("alice"), f.login("bob")
	a := f.do(first.call("GET", "/auth/sessions"))
	list, _ := a.json["sessions"].([]any)
	if a.status != 200 || len(list) != 2 {
		t.Fatalf("got %d %s, want both of alice's sessions", a.status, a.body)
	}
	newest, oldest := list[0].(map[string]any), list[1].(map[string]any)
	if oldest["id"] != claims(t, first.access)["sid"] || oldest["current"] != true || newest["current"] != false || newest["id"] != claims(t, second.access)["sid"] {
		t.Errorf("got %v, want newest first and the caller's own marked", list)
	}
	if agent, _ := oldest["user_agent"].(string); len(agent) > 120 || strings.Contains(agent, "\u202e") || !strings.HasPrefix(agent, "Mozilla") {
		t.Errorf("got user_agent %q, want it short and printable", agent)
	}
	if strings.Contains(a.body, "wtr_") || strings.Contains(a.body, "eyJ") {
		t.Error("the list holds tokens")
	}
	id := newest["id"].(string)
	for name, q := range map[string]request{
		"another user's":  bob.call("DELETE", "/auth/sessions/"+id),
		"unknown":         first.call("DELETE", "/auth/sessions/AAAAAAAAAAAAAAAAAAAAAA"),
		"no name":         first.call("DELETE", "/auth/sessions/x"),
		"spelt otherwise": first.call("DELETE", "/auth/sessions/"+id[:21]+nextLetter(id)),
	} {
		if a := f.do(q); a.status != 404 {
			t.Errorf("%s: got status %d, want 404", name, a.status)
		}
	}
	if a := f.do(first.call("DELETE", "/auth/sessions/"+id)); a.status != 204 {
		t.Errorf("got %d %s, want 204", a.status, a.body)
	}
	if f.active(second.access) {
		t.Error("the ended session's token is good still")
	}
	if a := f.do(first.call("DELETE", "/auth/sessions/"+id)); a.status != 404 {
		t.Errorf("ended twice: got status %d, want 404", a.status)
	}
	if a := f.do(first.call("GET", "/auth/sessions")); len(a.json["sessions"].([]any)) != 1 {
		t.Errorf("got %s, want one session left", a.body)
	}
}

// TestSessionsNeedTheOwner: the endpoints verify what the guard would.
func TestSessionsNeedTheOwner(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	s := f.login("alice")
	machine := f.do(request{path: "/auth/token", basic: billing, form: form("grant_type", "client_credentials")}).access(t)
	old := f.login("alice")
	f.do(request{path: "/auth/logout", cookies: old.cookies})
	for _, tc := range []struct {
		name string
		q    request
		want int
	}{
		{"nobody", request{}, 401},
		{"garbage", request{bearer: "x.y.z"}, 401},
		{"without the fingerprint", request{bearer: s.access}, 401},
		{"with the refresh cookie alone", request{cookies: s.cookies}, 401},
		{"logged out", old.call("", ""), 401},
		{"a machine", request{bearer: machine}, 403},
		{"unsigned", request{bearer: s.access[:strings.LastIndexByte(s.access, '.')+1], cookies: s.cookies}, 401},
		{"under the DPoP scheme", request{header: http.Header{"Authorization": {"DPoP " + s.access}}, cookies: s.cookies}, 401},
		{"the owner", s.call("", ""), 200},
		{"the owner's access cookie", request{cookies: map[string]string{"__Host-access": s.access, "__Host-fingerprint": s.cookies["__Host-fingerprint"]}}, 200},
	} {
		tc.q.method, tc.q.path = "GET", "/auth/sessions"
		if a := f.do(tc.q); a.status != tc.want {
			t.Errorf("%s: got %d %s, want %d", tc.name, a.status, shorten(a.body), tc.want)
		} else if a.status == 401 && a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: 401 without a challenge", tc.name)
		}
	}
	f.clock.advance(5 * time.Minute)
	if a := f.do(s.call("GET", "/auth/sessions")); a.status != 401 {
		t.Errorf("expired: got status %d, want 401", a.status)
	}
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	s, body := f.login("alice"), f.password("alice")
	own := f.do(request{path: "/auth/token", basic: mobile, form: form("grant_type", "password", "username", "alice", "password", testPassword)})
	ask := func(token string, q request) answer {
		q.path, q.form = "/auth/introspect", form("token", token)
		return f.do(q)
	}
	a := ask(s.access, request{basic: billing})
	k := claims(t, s.access)
	for member, want := range map[string]any{
		"active": true, "sub": "alice", "iss": testURL, "aud": testAudience, "exp": k["exp"], "iat": k["iat"],
		"jti": k["jti"], "client_id": "wiretight", "scope": "read write", "token_type": "Bearer", "sid": k["sid"],
	} {
		if a.json[member] != want {
			t.Errorf("%s: got %v, want %v", member, a.json[member], want)
		}
	}
	a = ask(body.refresh(t), request{basic: billing})
	if a.json["active"] != true || a.json["token_type"] != "refresh_token" || a.json["sub"] != "alice" {
		t.Errorf("refresh token: got %s", a.body)
	}
	for _, tc := range []struct {
		name, token string
		q           request
		status      int
		active      bool
	}{
		{"nobody", s.access, request{}, 401, false},
		{"wrong secret", s.access, request{basic: "billing:wrong"}, 401, false},
		{"the owning session", s.access, s.call("", ""), 200, true},
		{"its refresh cookie", s.access, request{cookies: s.cookies}, 200, true},
		{"a session about another's", body.access(t), s.call("", ""), 200, false},
		{"a client about its own", own.access(t), request{basic: mobile}, 200, true},
		{"a client about its own refresh token", own.refresh(t), request{basic: mobile}, 200, true},
		{"a client about another's", s.access, request{basic: mobile}, 200, false},
		{"a client about another's refresh token", body.refresh(t), request{basic: mobile}, 200, false},
		{"garbage", "x", request{basic: billing}, 200, false},
		{"unsigned", s.access[:strings.LastIndexByte(s.access, '.')+1], request{basic: billing}, 200, false},
		{"nothing", "", request{basic: billing}, 400, false},
	} {
		a := ask(tc.token, tc.q)
		if a.status != tc.status || (a.json["active"] == true) != tc.active {
			t.Errorf("%s: got %d %s, want %d and active %v", tc.name, a.status, shorten(a.body), tc.status, tc.active)
		}
		if a.status == 200 && !tc.active && len(a.json) != 1 {
			t.Errorf("%s: an inactive token says more than that: %s", tc.name, a.body)
		}
	}
	next := f.refreshBody(body.refresh(t))
	if f.active(body.refresh(t)) || !f.active(next.refresh(t)) {
		t.Error("a used refresh token is active, or its successor is not")
	}
	f.clock.advance(5 * time.Minute)
	if f.active(s.access) {
		t.Error("an expired token is active")
	}
	f.store.down.Store(true)
	if a := ask(s.access, request{basic: billing}); a.status != 503 {
		t.Errorf("without a store: got status %d, want 503", a.status)
	}
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	type world struct {
		*fixture
		s                session
		public, own, his answer
	}
	build := func() world {
		f := newFixture(t, func(c *issuer.Config) { c.Clients[1].Scopes = []string{"read"} })
		get := func(basic string) answer {
			return f.do(request{path: "/auth/token", basic: basic, form: form("grant_type", "password", "username", "alice", "password", testPassword)})
		}
		return world{f, f.login("alice"), get(""), get(mobile), get("kiosk:kiosk-secret-0123456789")}
	}
	for _, tc := range []struct {
		name   string
		q      func(w world) (token string, q request)
		status int
		dead   func(w world) []string // access tokens that must be dead
		alive  func(w world) []string
	}{
		{
			"client's own access token", func(w world) (string, request) { return w.own.access(t), request{basic: mobile} }, 200,
			func(w world) []string { return []string{w.own.access(t)} }, func(w world) []string { return []string{w.public.access(t)} },
		},
		{
			"client's own refresh token", func(w world) (string, request) { return w.own.refresh(t), request{basic: mobile} }, 200,
			func(w world) []string { return []string{w.own.access(t)} }, nil,
		},
		{
			"another client's access token", func(w world) (string, request) { return w.his.access(t), request{basic: mobile} }, 400,
			nil, func(w world) []string { return []string{w.his.access(t)} },
		},
		{
			"another client's refresh token", func(w world) (string, request) { return w.public.refresh(t), request{basic: mobile} }, 400,
			nil, func(w world) []string { return []string{w.public.access(t)} },
		},
		{
			"anybody's by one who may", func(w world) (string, request) { return w.s.access, request{basic: billing} }, 200,
			func(w world) []string { return []string{w.s.access} }, nil,
		},
		{
			"the session's own access token", func(w world) (string, request) { return w.s.access, w.s.call("", "") }, 200,
			func(w world) []string { return []string{w.s.access} }, nil,
		},
		{
			"its refresh token, by the cookie", func(w world) (string, request) { return w.s.refreshToken(), request{cookies: w.s.cookies} }, 200,
			func(w world) []string { return []string{w.s.access} }, nil,
		},
		{
			"public client's refresh token by itself", func(w world) (string, request) { return w.public.refresh(t), request{} }, 200,
			func(w world) []string { return []string{w.public.access(t)} }, nil,
		},
		{
			"a client's refresh token by nobody", func(w world) (string, request) { return w.own.refresh(t), request{} }, 401,
			nil, func(w world) []string { return []string{w.own.access(t)} },
		},
		{
			"a browser's refresh token by nobody", func(w world) (string, request) { return w.s.refreshToken(), request{} }, 401,
			nil, func(w world) []string { return []string{w.s.access} },
		},
		{
			"access token by nobody", func(w world) (string, request) { return w.s.access, request{} }, 401,
			nil, func(w world) []string { return []string{w.s.access} },
		},
		{
			"another session's", func(w world) (string, request) { return w.public.access(t), w.s.call("", "") }, 400,
			nil, func(w world) []string { return []string{w.public.access(t)} },
		},
		{"garbage", func(world) (string, request) { return "garbage", request{basic: billing} }, 200, nil, nil},
		{"unknown refresh token", func(world) (string, request) {
			return "wtr_" + strings.Repeat("A", 91), request{basic: billing}
		}, 200, nil, nil},
		{"nothing", func(world) (string, request) { return "", request{basic: billing} }, 400, nil, nil},
		{
			"wrong secret", func(w world) (string, request) { return w.own.access(t), request{basic: "mobile:wrong"} }, 401,
			nil, func(w world) []string { return []string{w.own.access(t)} },
		},
	} {
		w := build()
		token, q := tc.q(w)
		q.path, q.form = "/auth/revoke", form("token", token, "token_type_hint", "refresh_token")
		if a := w.do(q); a.status != tc.status {
			t.Errorf("%s: got %d %s, want %d", tc.name, a.status, shorten(a.body), tc.status)
		}
		if tc.dead != nil {
			for _, raw := range tc.dead(w) {
				if w.active(raw) {
					t.Errorf("%s: a token is good still", tc.name)
				}
			}
		}
		if tc.alive != nil {
			for _, raw := range tc.alive(w) {
				if !w.active(raw) {
					t.Errorf("%s: a token is dead that should not be", tc.name)
				}
			}
		}
	}
	w := build()
	w.store.failAt.Store(1)
	if a := w.do(request{path: "/auth/revoke", form: form("token", w.s.access), basic: billing}); a.status != 503 {
		t.Errorf("without a store: got status %d, want 503 (RFC 7009 §2.2.1)", a.status)
	}
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, path := range []string{"/", "/auth", "/auth/", "/auth/xyz", "/auth/login/x", "/auth/sessions/a/b", "/AUTH/login", "/.well-known/openid-configuration"} {
		if a := f.do(request{path: path, json: map[string]string{}}); a.status != 404 {
			t.Errorf("%s: got status %d, want 404", path, a.status)
		}
	}
	if got := f.issuer.Paths(); !slices.Contains(got, "/auth/login") || len(got) != 10 {
		t.Errorf("got paths %v", got)
	}
}
