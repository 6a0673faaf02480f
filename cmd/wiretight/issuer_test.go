package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/wiretight/wiretight/internal/port"
)

const testPassword = "correct horse battery"

// issuerOn is what makes a guard of a bed an issuer.
const issuerOn = "issuer: {enabled: true, url: \"https://" + testHost + "\", refresh_grace: 0s}\n"

// verbWith runs another command with something on its standard input.
func (b *bed) verbWith(stdin string, args ...string) (code int, out string) {
	b.t.Helper()
	cmd := exec.Command(binary(b.t), args...)
	cmd.Dir = b.dir
	cmd.Stdin = strings.NewReader(stdin)
	data, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	if stdin != "" && strings.Contains(string(data), strings.TrimSpace(stdin)) {
		b.t.Errorf("%v says the password", args)
	}
	return cmd.ProcessState.ExitCode(), string(data)
}

// ok runs a command that must succeed.
func (b *bed) ok(stdin string, args ...string) string {
	b.t.Helper()
	code, out := b.verbWith(stdin, args...)
	if code != 0 {
		b.t.Fatalf("got exit %d, %q for %v, want 0", code, out, args)
	}
	return out
}

// visitor is a session at a guard: cookies and access token.
type visitor struct {
	access  string
	cookies []*http.Cookie
}

// post sends a form with a visitor's cookies.
func (g *instance) post(path string, m visitor, form url.Values) (int, visitor) {
	g.bed.t.Helper()
	req, err := http.NewRequest(http.MethodPost, "https://"+testHost+path, strings.NewReader(form.Encode()))
	if err != nil {
		g.bed.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range m.cookies {
		req.AddCookie(c)
	}
	res, err := g.client.Do(req)
	if err != nil {
		g.bed.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var said struct {
		Access string `json:"access_token"`
	}
	_ = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&said) // not every answer is JSON
	next := visitor{access: said.Access, cookies: m.cookies}
	for _, c := range res.Cookies() {
		kept := next.cookies[:0:0]
		for _, k := range next.cookies {
			if k.Name != c.Name {
				kept = append(kept, k)
			}
		}
		next.cookies = append(kept, c)
	}
	if said.Access != "" {
		g.bed.mu.Lock()
		g.bed.tokens = append(g.bed.tokens, said.Access)
		g.bed.mu.Unlock()
	}
	return res.StatusCode, next
}

func (g *instance) login(name, password string) (int, visitor) {
	g.bed.t.Helper()
	return g.post("/auth/login", visitor{}, url.Values{"username": {name}, "password": {password}})
}

// items asks the API as a visitor.
func (g *instance) items(m visitor) int {
	g.bed.t.Helper()
	var cookies []string
	for _, c := range m.cookies {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	status, _, err := g.ask(g.client, "/items", m.access, "Cookie", strings.Join(cookies, "; "))
	if err != nil {
		g.bed.t.Fatal(err)
	}
	return status
}

func TestIssuerWithTheGuard(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config(issuerOn)
	g := b.start("-c", "wiretight.yaml")
	if out := b.ok(testPassword+"\n", "users", "add", "alice", "--password-stdin", "--scope", "read"); out != "added alice\n" {
		t.Errorf("got %q, want added alice", out)
	}
	if code, _ := b.verbWith(testPassword, "users", "add", "alice", "--password-stdin"); code != 3 {
		t.Errorf("the same name again: got exit %d, want 3", code)
	}
	status, m := g.login("alice", testPassword)
	if status != 200 || g.items(m) != 200 {
		t.Fatalf("login: got %d, items %d, want 200 and 200", status, g.items(m))
	}
	b.mu.Lock()
	cookie := b.seen.Get("Cookie")
	b.mu.Unlock()
	if strings.Contains(cookie, "__Host-") {
		t.Errorf("the upstream sees %q, want none of the issuer's cookies", cookie)
	}
	g.want(200, "/", b.mint(nil)) // the other issuer's tokens are good beside it

	// A reload keeps the issuer, its keys and its sessions.
	b.config(issuerOn + "routes: [{path: /pub, public: true}]\n")
	g.signal(syscall.SIGHUP)
	g.says("configuration reloaded")
	if got := g.items(m); got != 200 {
		t.Errorf("after a reload: got %d, want 200", got)
	}
	status, m = g.post("/auth/refresh", m, nil)
	if status != 200 || g.items(m) != 200 {
		t.Fatalf("refresh: got %d, want 200", status)
	}

	// What operators do to a user ends the user's sessions within a second.
	for _, verb := range [][]string{
		{"users", "passwd", "alice", "--password-stdin"},
		{"users", "disable", "alice"},
		{"revoke", "--sub", "alice"},
	} {
		b.ok(testPassword, append(verb, "-c", "wiretight.yaml")...)
		within(t, soon, strings.Join(verb, " ")+" ends the token", func() bool { return g.items(m) == 401 })
		if status, _ := g.post("/auth/refresh", m, nil); status != 401 {
			t.Errorf("refresh after %v: got %d, want 401", verb, status)
		}
		if verb[1] == "disable" {
			if status, _ := g.login("alice", testPassword); status != 401 {
				t.Errorf("login when disabled: got %d, want 401", status)
			}
			b.ok("", "users", "disable", "alice", "--undo")
		}
		// A token of the second in which all before were revoked is one of them.
		eventually(t, "alice is in again", func() bool {
			status, m = g.login("alice", testPassword)
			return status == 200 && g.items(m) == 200
		})
	}
	if status, after := g.post("/auth/logout", m, nil); status != 204 || len(after.cookies) == 0 {
		t.Errorf("logout: got %d, want 204", status)
	}
	eventually(t, "logout ends the token", func() bool { return g.items(m) == 401 })

	// The session outlives a restart, and so do the keys.
	_, m = g.login("alice", testPassword)
	g.stop()
	g = b.start("-c", "wiretight.yaml")
	if got := g.items(m); got != 200 {
		t.Errorf("after a restart: got %d, want 200", got)
	}
	if status, _ := g.post("/auth/refresh", m, nil); status != 200 {
		t.Errorf("refresh after a restart: got %d, want 200", status)
	}
	if strings.Contains(g.log.String(), testPassword) || strings.Contains(g.log.String(), "wtr_") {
		t.Error("the log holds a password or a refresh token")
	}
	g.stop()
}

var keyLine = regexp.MustCompile(`(?m)^(\S+) +ES256 +(next|active|retiring|gone) `)

func (b *bed) keys() (states []string, byState map[string]string) {
	b.t.Helper()
	byState = map[string]string{}
	for _, m := range keyLine.FindAllStringSubmatch(b.ok("", "keys", "list", "-c", "wiretight.yaml"), -1) {
		states = append(states, m[2])
		byState[m[2]] = m[1]
	}
	return states, byState
}

func (m visitor) kid(t *testing.T) string {
	t.Helper()
	head, _, _ := strings.Cut(m.access, ".")
	data, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var h struct{ Kid string }
	if err := json.Unmarshal(data, &h); err != nil {
		t.Fatal(err)
	}
	return h.Kid
}

func TestKeysVerbs(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config(issuerOn)
	g := b.start("-c", "wiretight.yaml")
	b.ok(testPassword, "users", "add", "alice", "--password-stdin")
	states, keys := b.keys()
	if fmt.Sprint(states) != "[active next]" {
		t.Fatalf("got %v, want an active and a next key", states)
	}
	_, old := g.login("alice", testPassword)
	if out := b.ok("", "keys", "rotate"); out != keys["next"]+" signs from now on\n" {
		t.Errorf("got %q", out)
	}
	_, m := g.login("alice", testPassword)
	if m.kid(t) != keys["next"] || g.items(m) != 200 || g.items(old) != 200 {
		t.Errorf("after rotate: key %s, new token %d, old token %d", m.kid(t), g.items(m), g.items(old))
	}
	if out := b.ok("", "keys", "rotate"); !strings.Contains(out, "when every verifier knows it") {
		t.Errorf("got %q, want the newest key to wait", out)
	}
	if out := b.ok("", "keys", "retire", keys["active"], "--now"); out != keys["active"]+" is gone\n" {
		t.Errorf("got %q", out)
	}
	if g.items(old) != 401 || g.items(m) != 200 {
		t.Errorf("after retire: old token %d, new token %d, want 401 and 200", g.items(old), g.items(m))
	}
	if code, out := b.verb("keys", "retire", "nonsense"); code != 3 || !strings.Contains(out, "no signing key has this id") {
		t.Errorf("got exit %d, %q", code, out)
	}
	g.stop()

	// Without a guard the same lies in the store.
	if _, now := b.keys(); now["active"] != m.kid(t) {
		t.Errorf("got %v without a guard, want %s active", now, m.kid(t))
	}
	b.ok("", "keys", "retire", m.kid(t), "-c", "wiretight.yaml")
	g = b.start("-c", "wiretight.yaml")
	if g.items(m) != 200 {
		t.Error("a token of a retiring key is refused")
	}
	if _, next := g.login("alice", testPassword); next.kid(t) == m.kid(t) {
		t.Error("a retired key signs")
	}
	g.stop()

	// Another key encryption file is an error that says so.
	if err := os.Remove(b.path("wiretight-data/key-encryption.key")); err != nil {
		t.Fatal(err)
	}
	g = b.launch(nil, "-c", "wiretight.yaml")
	g.end(3)
	g.says("encrypted with another key encryption file")
}

// TestZeroConfiguration does what the guard's own words say, line by line.
func TestZeroConfiguration(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	addr := port.Keep(t)
	g := b.launch(nil, "--upstream", b.upstream.URL, "--listen", addr, "--admin", "127.0.0.1:0")
	eventually(t, "the guard is ready", func() bool { return readyLine.MatchString(g.log.String()) })
	shell := func(stdin, line string) string {
		t.Helper()
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = b.dir
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary(t))+":"+os.Getenv("PATH"))
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		return string(out)
	}
	line := func(begins string) string {
		t.Helper()
		m := regexp.MustCompile(`(?m)^ *(` + regexp.QuoteMeta(begins) + `.*)$`).FindStringSubmatch(g.log.String())
		if m == nil {
			t.Fatalf("no line begins with %q in:\n%s", begins, g.log.String())
		}
		return m[1]
	}
	shell(testPassword+"\n", line("wiretight users add")+" --password-stdin")
	if out := shell(testPassword+"\n", line("curl -sS")); !strings.HasSuffix(out, "upstream") {
		t.Errorf("the curl line gives %q, want the API's answer", out)
	}
	if out := shell("wrong password\n", line("curl -sS")); !strings.Contains(out, `"status":401`) && !strings.Contains(out, `"status":400`) {
		t.Errorf("with a wrong password the curl line gives %q, want a refusal", out)
	}
	for _, name := range []string{"key-encryption.key", "state.db", "admin.sock"} {
		info, err := os.Stat(b.path("wiretight-data/" + name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v; want it for the owner alone", name, info.Mode(), err)
		}
	}
	if strings.Contains(g.log.String(), testPassword) {
		t.Error("the log holds the password")
	}
	g.signal(syscall.SIGTERM)
	g.end(0)
}

// TestIssuerWithoutUpstream serves its own endpoints and nothing else.
func TestIssuerWithoutUpstream(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.write("wiretight.yaml", fmt.Appendf(nil, "listen: \"127.0.0.1:0\"\nadmin: \"127.0.0.1:0\"\nhosts: [%s]\ntls: {certificates: [{cert: cert.pem, key: key.pem}]}\n%s", testHost, issuerOn))
	g := b.start("-c", "wiretight.yaml")
	b.ok(testPassword, "users", "add", "alice", "--password-stdin")
	status, m := g.login("alice", testPassword)
	if status != 200 {
		t.Fatalf("login: got %d, want 200", status)
	}
	if got := g.items(m); got < 400 || got > 599 {
		t.Errorf("a path that nobody serves: got %d, want an error", got)
	}
	if status, _ := g.post("/auth/refresh", m, nil); status != 200 {
		t.Errorf("refresh: got %d, want 200", status)
	}
	g.stop()
}

// TestTwoIssuersOnRedis: whoever answers, it is one issuer. Both share the store
// and the key encryption file.
func TestTwoIssuersOnRedis(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	r.start()
	b := newBed(t)
	on := issuerOn + "store: \"" + r.url() + "\"\n"
	b.config(on)
	first := b.start("-c", "wiretight.yaml")
	// The second one stands elsewhere, where a control socket is free.
	other := newBed(t)
	other.ca, other.signer = b.ca, b.signer
	for _, name := range []string{"cert.pem", "key.pem", "jwks.json"} {
		other.write(name, []byte(read(t, b.path(name))))
	}
	other.config(strings.Replace(on, "refresh_grace", "key_encryption_file: \""+b.path("wiretight-data/key-encryption.key")+"\", refresh_grace", 1))
	second := other.start("-c", "wiretight.yaml")
	b.ok(testPassword, "users", "add", "alice", "--password-stdin")
	status, m := first.login("alice", testPassword)
	if status != 200 || second.items(m) != 200 {
		t.Fatalf("login: got %d, at the other %d, want 200 and 200", status, second.items(m))
	}
	used := m
	for i, g := range []*instance{second, first, second} {
		if status, m = g.post("/auth/refresh", m, nil); status != 200 || first.items(m) != 200 || second.items(m) != 200 {
			t.Fatalf("refresh %d: got %d, want a token that both take", i, status)
		}
	}
	if status, _ := first.post("/auth/refresh", used, nil); status != 401 {
		t.Errorf("reuse: got %d, want 401", status)
	}
	for _, g := range []*instance{first, second} {
		within(t, soon, "reuse ends the tokens everywhere", func() bool { return g.items(m) == 401 })
	}
	b.ok("", "keys", "rotate")
	_, before := b.keys()
	eventually(t, "both sign with the same key", func() bool {
		_, a := first.login("alice", testPassword)
		_, z := second.login("alice", testPassword)
		return a.kid(t) == before["active"] && z.kid(t) == before["active"]
	})

	// The store goes: login and refresh say so at once, and return with it.
	_, m = first.login("alice", testPassword)
	r.kill()
	eventually(t, "refresh is unavailable", func() bool { status, _ := first.post("/auth/refresh", m, nil); return status == 503 })
	if status, _ := second.login("alice", testPassword); status != 503 {
		t.Errorf("login without the store: got %d, want 503", status)
	}
	r.start()
	within(t, 5*soon, "refresh is back", func() bool { status, _ := first.post("/auth/refresh", m, nil); return status == 200 })
	first.stop()
	second.stop()
}
