package fastapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/wiretight/wiretight/internal/attack"
)

// https is what the guard would say of a request.
var https = []string{"X-Forwarded-Proto", "https", "Host", "localhost"}

func newMended(t *testing.T) *example {
	t.Helper()
	return newExample(t, "mended", `ITEMS_USERS={"alice": "wonderland-7"}`)
}

// over asks the mended service without a guard, as if over TLS.
func (e *example) over(method, path, body string, header ...string) reply {
	e.t.Helper()
	return e.bare(method, path, body, append(append([]string{}, https...), header...)...)
}

func TestMendedServiceRefusesEveryForgedToken(t *testing.T) {
	t.Parallel()
	e := newMended(t)
	m := e.material()
	sent := 0
	for _, f := range attack.All(m) {
		if !travels(f.Token) {
			continue
		}
		sent++
		if got := e.over("GET", "/profile", "", bearer(f.Token)...); got.status != 401 || got.body != `{"detail":"Invalid token"}` {
			t.Errorf("%s: got %v, want 401", f.Name, got)
		}
		if f.Genuine != "" {
			if got := e.over("GET", "/profile", "", bearer(f.Genuine)...); got.status != 200 {
				t.Errorf("genuine token beside %s: got %v, want 200", f.Name, got)
			}
		}
	}
	if sent < 150 {
		t.Errorf("sent %d forged tokens, want more", sent)
	}
	if log := e.app.String(); strings.Contains(log, "Traceback") || strings.Contains(log, "eyJ") {
		t.Errorf("uvicorn's log has a trace or a token:\n%s", tail(log))
	}
}

func TestMendedServiceAnswers(t *testing.T) {
	t.Parallel()
	e := newMended(t)
	good := func(more ...string) []string { return append(bearer(e.mint(nil)), more...) }
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
	}{
		{"health", "GET", "/healthz", "", nil, 200},
		{"keys", "GET", "/.well-known/jwks.json", "", nil, 200},
		{"profile", "GET", "/profile", "", good(), 200},
		{"items", "GET", "/items", "", good(), 200},
		{"add", "POST", "/items", `{"name": "boat"}`, good("Content-Type", "application/json"), 201},
		{"preflight", "OPTIONS", "/items", "", []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"}, 200},
		{"scope", "GET", "/admin/stats", "", bearer(e.mint(map[string]any{"scope": "read admin"})), 200},
		{"form login", "POST", "/token", "username=alice&password=wonderland-7", form, 200},

		{"no token", "GET", "/profile", "", nil, 401},
		{"token in the URL", "GET", "/profile?token=" + e.mint(nil), "", nil, 401},
		{"token in a cookie", "GET", "/profile", "", []string{"Cookie", "session=" + e.mint(nil)}, 401},
		{"two headers", "GET", "/profile", "", good("Authorization", "Bearer x"), 401},
		{"scope missing", "GET", "/admin/stats", "", good(), 403},
		{"no such item", "GET", "/items/99", "", good(), 404},
		{"nonsense", "POST", "/items", `{`, good("Content-Type", "application/json"), 422},
		{"too long a name", "POST", "/token", "password=x&username=" + strings.Repeat("x", 100), form, 422},
		{"slash", "GET", "/profile/", "", good(), 404},
		{"documentation", "GET", "/docs", "", nil, 404},
		{"description", "GET", "/openapi.json", "", nil, 404},
		{"unknown host", "GET", "/healthz", "", []string{"Host", "evil.example"}, 400},
		{"preflight of another origin", "OPTIONS", "/items", "", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, 400},
		{"wrong password", "POST", "/token", "username=alice&password=x", form, 401},
	} {
		got := e.over(c.method, c.path, c.body, c.header...)
		if got.status != c.status {
			t.Errorf("%s: got %v, want %d", c.name, got, c.status)
		}
		if strings.Contains(got.body, "eyJ") && c.name != "form login" || strings.Contains(got.body, "Traceback") {
			t.Errorf("%s: got %v, want neither a token nor a trace", c.name, got)
		}
		if got.header.Get("Strict-Transport-Security") == "" || got.header.Get("Vary") != "Origin" || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got header %v, want HSTS, Vary and no-store", c.name, got.header)
		}
		if o := got.header.Get("Access-Control-Allow-Origin"); o != "" && c.name != "preflight" {
			t.Errorf("%s: got Access-Control-Allow-Origin %q, want none", c.name, o)
		}
	}
	if got := e.bare("GET", "/profile", "", append(good(), "Host", "localhost")...); got.status != 403 {
		t.Errorf("plain HTTP: got %v, want 403", got)
	}
	for _, h := range []http.Header{{}, {"Authorization": {"Bearer " + e.mint(nil)}, "Origin": {"https://evil.example"}}} {
		h.Set("X-Forwarded-Proto", "https")
		c, res, err := websocket.Dial(t.Context(), e.direct+"/ws", &websocket.DialOptions{Host: "localhost", HTTPHeader: h})
		if err == nil {
			_ = c.CloseNow()
		}
		if res == nil || res.StatusCode != 403 {
			t.Errorf("WebSocket with %d headers: got %v, %v; want 403", len(h), res, err)
		}
	}
}

func TestMendedServiceSessions(t *testing.T) {
	t.Parallel()
	e := newMended(t)
	login := func() (access, cookie string) {
		got := e.over("POST", "/login", `{"username": "alice", "password": "wonderland-7"}`, "Content-Type", "application/json")
		if got.status != 200 {
			t.Fatalf("log in: got %v", got)
		}
		return session(t, got)
	}
	access, first := login()
	renewed := e.over("POST", "/refresh", "", "Cookie", first)
	if renewed.status != 200 {
		t.Fatalf("refresh: got %v, want 200", renewed)
	}
	next, second := session(t, renewed)
	if second == first || next == access {
		t.Error("refreshing has changed nothing")
	}
	if got := e.over("POST", "/refresh", "", "Cookie", second, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); got.status != 403 {
		t.Errorf("refresh from another site: got %v, want 403", got)
	}
	if got := e.over("POST", "/refresh", "", "Cookie", first); got.status != 401 {
		t.Errorf("first cookie again: got %v, want 401", got)
	}
	for name, raw := range map[string]string{"before": access, "after": next} {
		if got := e.over("GET", "/profile", "", bearer(raw)...); got.status != 401 {
			t.Errorf("access token from %s the reuse: got %v, want 401", name, got)
		}
	}
	if got := e.over("POST", "/refresh", "", "Cookie", second); got.status != 401 {
		t.Errorf("its successor: got %v, want 401", got)
	}

	access, cookie := login()
	if got := e.over("POST", "/logout", "", bearer(access)...); got.status != 200 {
		t.Errorf("log out: got %v, want 200", got)
	}
	if got := e.over("GET", "/profile", "", bearer(access)...); got.status != 401 {
		t.Errorf("access token after logout: got %v, want 401", got)
	}
	if got := e.over("POST", "/refresh", "", "Cookie", cookie); got.status != 401 {
		t.Errorf("cookie after logout: got %v, want 401", got)
	}

	statuses := map[int]int{}
	for range 12 {
		statuses[e.over("POST", "/login", `{"username": "nobody", "password": "x"}`, "Content-Type", "application/json").status]++
	}
	if statuses[401] != 5 || statuses[429] != 7 {
		t.Errorf("twelve bad logins: got %v, want five 401 and seven 429", statuses)
	}
}

// session takes the access token and the cookie out of an answer, and looks at
// the cookie's flags.
func session(t *testing.T, r reply) (access, cookie string) {
	t.Helper()
	var body struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		t.Fatal(err)
	}
	line := r.header.Get("Set-Cookie")
	for _, flag := range []string{"__Host-items-refresh=", "; Secure", "; HttpOnly", "; Path=/", "; SameSite=strict"} {
		if !strings.Contains(line, flag) {
			t.Errorf("the cookie lacks %s", flag)
		}
	}
	cookie, _, _ = strings.Cut(line, ";")
	return body.Access, cookie
}
