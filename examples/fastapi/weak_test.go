// Package fastapi_test runs the example as its README says: uvicorn, the guard
// before it, and attackers.
package fastapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http/httpguts"

	"github.com/wiretight/wiretight/internal/attack"
)

func TestWeakServiceBehindTheGuard(t *testing.T) {
	t.Parallel()
	e := newExample(t, "weak")
	e.startGuard()
	for _, part := range []struct {
		name string
		test func(*testing.T, *example)
	}{
		{"it is ready", ready},
		{"the script's token is good", mintedByScript},
		{"good requests pass", goodRequests},
		{"an upload passes", upload},
		{"events come one by one", events},
		{"a WebSocket talks", socket},
		{"forged tokens are refused", forgedTokens},
		{"spoilt requests are refused", spoiltRequests},
		{"a token in clear is burnt", burnt},
		{"answers are mended", mendedAnswers},
		{"guessing is slowed", guessing},
		{"SIGTERM ends it in order", terminated},
		{"no log holds a token", cleanLogs},
	} {
		t.Run(part.name, func(t *testing.T) {
			e.t = t
			part.test(t, e)
		})
	}
	e.t = t
}

func ready(t *testing.T, e *example) {
	got := e.send(e.http, "GET", e.admin, "/-/readyz", "")
	if got.status != 200 || !strings.Contains(got.body, `"ready":true`) || !strings.Contains(got.body, `"accepted_risks":[]`) {
		t.Errorf("got %v, want ready without an accepted risk", got)
	}
}

func mintedByScript(t *testing.T, e *example) {
	raw := e.canary(e.script("mint.py", "carol", "admin"))
	if got := e.ask("GET", "/profile", "", bearer(raw)...); got.status != 200 || got.body != `{"subject":"carol"}` {
		t.Errorf("got %v, want carol's profile", got)
	}
	if got := e.ask("GET", "/admin/stats", "", bearer(raw)...); got.status != 200 {
		t.Errorf("with scope admin: got %v, want 200", got)
	}
}

func goodRequests(t *testing.T, e *example) {
	for _, c := range []struct {
		method, path, body string
		header             []string
		status             int
		contains           string
	}{
		{"GET", "/healthz", "", nil, 200, `"ok"`},
		{"GET", "/profile", "", bearer(e.mint(nil)), 200, `"alice"`},
		{"GET", "/items", "", bearer(e.mint(nil)), 200, `"lamp"`},
		{"GET", "/items?limit=5;offset=2", "", bearer(e.mint(nil)), 200, `"lamp"`},
		{"GET", "/items/1", "", bearer(e.mint(nil)), 200, `"lamp"`},
		{"POST", "/items", `{"name": "böat"}`, append(bearer(e.mint(nil)), "Content-Type", "application/json"), 201, `"böat"`},
		{"POST", "/items", `{}`, append(bearer(e.mint(nil)), "Content-Type", "application/json"), 422, `field required`},
		{"POST", "/pay", "", bearer(e.mint(nil)), 200, `"alice"`},
		{"OPTIONS", "/items", "", []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type"}, 204, ""},
	} {
		if got := e.ask(c.method, c.path, c.body, c.header...); got.status != c.status || !strings.Contains(got.body, c.contains) {
			t.Errorf("%s %s: got %v, want %d with %s", c.method, c.path, got, c.status, c.contains)
		}
	}
	got := e.ask("GET", "/profile", "", append(bearer(e.mint(nil)), "Origin", "https://app.example.com")...)
	if o := got.header.Values("Access-Control-Allow-Origin"); len(o) != 1 || o[0] != "https://app.example.com" {
		t.Errorf("allowed origin: got %q, want it alone", o)
	}
}

func upload(t *testing.T, e *example) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "chart.bin")
	if err != nil {
		t.Fatal(err)
	}
	const size = 3 << 20
	if _, err := part.Write(bytes.Repeat([]byte("wiretight "), size/10+1)[:size]); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := e.ask("POST", "/upload", form.String(), append(bearer(e.mint(nil)), "Content-Type", w.FormDataContentType())...)
	if want := fmt.Sprintf(`{"name":"chart.bin","size":%d}`, size); got.status != 200 || got.body != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// events demands that the first is there long before the last is sent.
func events(t *testing.T, e *example) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", e.url+"/events?count=5", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+e.mint(nil))
	res, err := e.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var at []time.Time
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data: ") {
			at = append(at, time.Now())
		}
	}
	if len(at) != 5 || res.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Fatalf("got %d events, %v; want 5", len(at), res.Header)
	}
	if spread := at[4].Sub(at[0]); spread < 400*time.Millisecond {
		t.Errorf("five events that are sent within 800 ms came within %v: they were held back", spread)
	}
}

func socket(t *testing.T, e *example) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dial := func(h http.Header) (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(ctx, e.url+"/ws", &websocket.DialOptions{HTTPClient: e.http, HTTPHeader: h})
	}
	// A deadline of the client's would be one of the connection's.
	whole := *e.http
	whole.Timeout = 0
	conn, _, err := websocket.Dial(ctx, e.url+"/ws", &websocket.DialOptions{HTTPClient: &whole, HTTPHeader: http.Header{"Authorization": {"Bearer " + e.mint(nil)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	for _, said := range []string{"hello", strings.Repeat("long ", 5000)} {
		if err := conn.Write(ctx, websocket.MessageText, []byte(said)); err != nil {
			t.Fatal(err)
		}
		if _, heard, err := conn.Read(ctx); err != nil || string(heard) != said {
			t.Errorf("got %d characters, %v; want the echo of %d", len(heard), err, len(said))
		}
	}
	for name, h := range map[string]http.Header{
		"no token":         {},
		"unsigned":         {"Authorization": {"Bearer " + attackNamed(t, e.material(), "alg-none")[0].Token}},
		"token in the URL": {"Sec-Websocket-Protocol": {"bearer, " + e.mint(nil)}},
	} {
		if c, res, err := dial(h); err == nil || res == nil || res.StatusCode != 401 {
			if err == nil {
				_ = c.CloseNow()
			}
			t.Errorf("%s: got %v, want 401", name, res)
		}
	}
}

func attackNamed(t *testing.T, m attack.Material, name string) []attack.Forged {
	t.Helper()
	for _, a := range attack.Attacks() {
		if a.Name == name {
			forged, err := a.Forge(m)
			if err != nil {
				t.Fatal(err)
			}
			return forged
		}
	}
	t.Fatalf("there is no attack %s", name)
	return nil
}

// forgedTokens throws every attack at the guard, from many addresses, since one
// would soon be told to wait. None may reach the service.
func forgedTokens(t *testing.T, e *example) {
	m := e.material()
	all := attack.All(m)
	if len(all) < 150 {
		t.Fatalf("got %d attacks, want more", len(all))
	}
	sent, weakFell := 0, 0
	for i, f := range all {
		if !travels(f.Token) {
			continue
		}
		e.canary(f.Token)
		client := e.client(fmt.Sprintf("127.0.%d.%d", 1+i/100, 1+i%100))
		got := e.send(client, "GET", e.url, "/profile?attack=1", "", bearer(f.Token)...)
		want, detail := 401, "Invalid token"
		switch {
		case strings.ContainsAny(f.Token, ", "):
			want, detail = 400, "Invalid request"
		case strings.HasPrefix(f.Name, "expired/"):
			detail = "Token expired"
		}
		if got.status != want || !strings.Contains(got.body, `"detail":"`+detail+`"`) {
			t.Errorf("%s: got %v, want %d %s", f.Name, got, want, detail)
		}
		client.CloseIdleConnections()
		sent++
		if strings.HasPrefix(f.Name, "alg-none/") || strings.HasPrefix(f.Name, "signature/") {
			if e.bare("GET", "/profile?direct=1", "", bearer(f.Token)...).status == 200 {
				weakFell++
			}
		}
	}
	if log := e.app.String(); strings.Contains(log, "attack=1") || !strings.Contains(log, "direct=1") {
		t.Error("a forged token has come through to uvicorn")
	}
	if weakFell < 10 {
		t.Errorf("uvicorn alone fell for %d forged tokens: it is not weak enough to show anything", weakFell)
	}
	genuine := map[string]bool{m.Token: true}
	for _, f := range all {
		if f.Genuine != "" {
			genuine[f.Genuine] = true
		}
	}
	for raw := range genuine {
		if got := e.ask("GET", "/profile", "", bearer(e.canary(raw))...); got.status != 200 {
			t.Errorf("genuine token: got %v, want 200", got)
		}
	}
	t.Logf("%d forged tokens refused, %d genuine passed; uvicorn alone fell for %d", sent, len(genuine), weakFell)
}

// travels reports whether a token arrives as it is in a header.
func travels(raw string) bool {
	return httpguts.ValidHeaderFieldValue(raw) && strings.TrimSpace(raw) == raw
}

func spoiltRequests(t *testing.T, e *example) {
	good := func(more ...string) []string { return append(bearer(e.mint(nil)), more...) }
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:wonderland-7"))
	// The tutorial's own token: the service would take it.
	login := e.bare("POST", "/login", `{"username": "alice", "password": "wonderland-7"}`, "Content-Type", "application/json")
	tutorial := e.canary(strings.Split(login.body, `"`)[3])
	if got := e.bare("GET", "/profile", "", bearer(tutorial)...); got.status != 200 {
		t.Errorf("uvicorn alone, its own token: got %v, want 200", got)
	}
	for _, c := range []struct {
		name, method, path string
		header             []string
		status             int
		detail             string
	}{
		{"no token", "GET", "/profile", nil, 401, "Not authenticated"},
		{"the service's own token", "GET", "/profile", bearer(tutorial), 401, "Invalid token"},
		{"documentation", "GET", "/docs", nil, 401, "Not authenticated"},
		{"OpenAPI document", "GET", "/openapi.json", nil, 401, "Not authenticated"},
		{"forgotten check", "GET", "/admin/stats", nil, 401, "Not authenticated"},
		{"scope missing", "GET", "/admin/stats", good(), 403, "Insufficient scope"},
		{"method not listed", "DELETE", "/items/1", good(), 405, "Method not allowed"},
		{"token in the URL", "GET", "/profile?token=" + e.mint(nil), nil, 401, "Not authenticated"},
		{"token in the URL and in the header", "GET", "/profile?access_token=" + e.mint(nil), good(), 400, "Invalid request"},
		{"two headers", "GET", "/profile", good("Authorization", "Bearer x.y.z"), 400, "Invalid request"},
		{"cookie", "GET", "/profile", []string{"Cookie", "session=" + e.mint(nil)}, 401, "Not authenticated"},
		{"password in Basic", "GET", "/profile", []string{"Authorization", basic}, 401, "Not authenticated"},
		{"identity header", "GET", "/profile", []string{"X-Auth-Subject", "root"}, 401, "Not authenticated"},
		{"unknown host", "GET", "/profile", good("Host", "evil.example"), 400, "Host not allowed"},
		{"dots", "GET", "/healthz/../profile", good(), 400, "Invalid request"},
		{"encoded slash", "GET", "/healthz/..%2fprofile", good(), 400, "Invalid request"},
		{"semicolon", "GET", "/profile;x", good(), 400, "Invalid request"},
		{"Connection removes the token", "GET", "/profile", good("Connection", "Authorization"), 400, "Invalid request"},
		{"preflight of another origin", "OPTIONS", "/items", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "GET"}, 403, "Origin not allowed"},
	} {
		got := e.ask(c.method, c.path, "", c.header...)
		if got.status != c.status || !strings.Contains(got.body, `"detail":"`+c.detail+`"`) || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %v, want %d %s", c.name, got, c.status, c.detail)
		}
		if o := got.header.Get("Access-Control-Allow-Origin"); o != "" {
			t.Errorf("%s: got Access-Control-Allow-Origin %q, want none", c.name, o)
		}
	}
	if got := e.ask("GET", "/profile", "", good("X-Auth-Subject", "root", "x_auth_subject", "root")...); got.body != `{"subject":"alice"}` {
		t.Errorf("identity header beside a token: got %v, want alice", got)
	}
	once := good()
	if first, second := e.ask("POST", "/pay", "", once...), e.ask("POST", "/pay", "", once...); first.status != 200 || second.status != 401 {
		t.Errorf("paying twice with one token: got %d and %d, want 200 and 401", first.status, second.status)
	}
	if got := e.ask("GET", "/profile", "", good("Origin", "https://evil.example")...); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: got %v, want no CORS header, though the service sends them", got)
	}
}

func burnt(t *testing.T, e *example) {
	header := bearer(e.mint(nil))
	if got := e.ask("GET", "/profile", "", header...); got.status != 200 {
		t.Fatalf("before: got %v, want 200", got)
	}
	if got := e.send(e.http, "GET", e.plain, "/profile", "", header...); got.status != 403 || !strings.Contains(got.body, "HTTPS required") {
		t.Errorf("in clear: got %v, want 403", got)
	}
	if got := e.ask("GET", "/profile", "", header...); got.status != 401 {
		t.Errorf("after: got %v, want 401", got)
	}
	got := e.send(e.http, "GET", e.plain, "/healthz", "")
	if got.status != 308 || got.header.Get("Location") != e.url+"/healthz" {
		t.Errorf("safe request in clear: got %v, want 308 to %s", got, e.url+"/healthz")
	}
}

func mendedAnswers(t *testing.T, e *example) {
	if got := e.bare("GET", "/items/", "", "Host", "localhost:1").header.Get("Location"); got != "http://localhost:1/items" {
		t.Errorf("slash redirect of uvicorn alone: got %q; it is not weak enough to show anything", got)
	}
	if got := e.ask("GET", "/items/", "", bearer(e.mint(nil))...); got.status != 307 || got.header.Get("Location") != e.url+"/items" {
		t.Errorf("slash redirect: got %v, want one to %s", got, e.url+"/items")
	}
	for _, path := range []string{"/items/99", "/items/nowhere/at/all"} {
		raw := e.mint(nil)
		got := e.ask("GET", path, "", bearer(raw)...)
		if got.status < 400 || strings.Contains(got.body, raw) || !strings.Contains(got.body, "[redacted]") {
			t.Errorf("%s: got %v, want an error without the token", path, got)
		}
		if !strings.Contains(e.bare("GET", path, "", bearer(raw)...).body, raw) {
			t.Errorf("%s: uvicorn alone does not echo the token, so this shows nothing", path)
		}
	}
	got := e.ask("POST", "/login", `{"username": "alice", "password": "wonderland-7"}`, append(bearer(e.mint(nil)), "Content-Type", "application/json")...)
	cookie := got.header.Get("Set-Cookie")
	for _, flag := range []string{"Secure", "HttpOnly", "SameSite=Lax"} {
		if !strings.Contains(strings.ToLower(cookie), strings.ToLower("; "+flag)) {
			t.Errorf("got cookie flags %q, want %s among them", cookie[strings.Index(cookie, ";")+1:], flag)
		}
	}
	if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Server") != "" || got.header.Get("Strict-Transport-Security") == "" {
		t.Errorf("got header %v, want no-store, HSTS, and no Server", got.header)
	}
	e.canary(strings.Split(got.body, `"`)[3])
}

func guessing(t *testing.T, e *example) {
	client := e.client("127.0.9.9")
	raw := e.mint(nil)
	for i := range 40 {
		got := e.send(client, "GET", e.url, "/profile", "", bearer(raw[:len(raw)-4]+fmt.Sprintf("%04d", i))...)
		if got.status == 429 {
			if got.header.Get("Retry-After") == "" || i < 19 {
				t.Errorf("attempt %d: got %v, want Retry-After, and not so soon", i+1, got)
			}
			return
		}
	}
	t.Error("forty guesses were looked at")
}

// terminated lets a request end that is under way.
func terminated(t *testing.T, e *example) {
	type result struct {
		status int
		err    error
	}
	slow := make(chan result, 1)
	r, err := http.NewRequest("GET", e.url+"/slow", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+e.mint(nil))
	go func() {
		res, err := e.http.Do(r)
		if err != nil {
			slow <- result{err: err}
			return
		}
		_ = res.Body.Close()
		slow <- result{status: res.StatusCode}
	}()
	underWay(t, e)
	if err := e.guard.Stop(); err != nil {
		t.Errorf("guard: got %v, want exit 0", err)
	}
	if got := <-slow; got.err != nil || got.status != 200 {
		t.Errorf("request under way: got %d, %v; want 200", got.status, got.err)
	}
	if err := e.app.Stop(); err != nil && !strings.Contains(err.Error(), "terminated") {
		t.Errorf("uvicorn: %v", err)
	}
}

// underWay waits until the guard has passed on a request that has no answer yet.
func underWay(t *testing.T, e *example) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(e.send(e.http, "GET", e.admin, "/metrics", "").body, "\nwiretight_requests_in_flight 1") {
		if time.Now().After(deadline) {
			t.Fatal("the slow request never got under way")
		}
		<-tick.C
	}
}

// cleanLogs looks for every token that was sent, whole and in parts.
func cleanLogs(t *testing.T, e *example) {
	logs := map[string]string{"uvicorn": e.app.String(), "guard": e.guard.String()}
	for name, log := range logs {
		if len(log) < 1000 {
			t.Errorf("%s has said next to nothing: %q", name, log)
		}
		if strings.Contains(log, "eyJ") && name == "uvicorn" {
			t.Errorf("%s: something like a token is in the log", name)
		}
	}
	if len(e.tokens) < 150 {
		t.Fatalf("only %d tokens were sent", len(e.tokens))
	}
	for _, raw := range e.tokens {
		parts := strings.Split(raw, ".")
		for _, part := range append(parts[1:], raw) {
			if len(part) < 16 {
				continue
			}
			for name, log := range logs {
				if strings.Contains(log, part) {
					t.Errorf("%s: %.40s… of a token is in the log", name, part)
				}
			}
		}
	}
}
