package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/lab"
	"github.com/wiretight/wiretight/internal/port"
	"github.com/wiretight/wiretight/scan"
)

const labLogin = `{"username":"alice","password":"wonderland-7"}`

func startLab(t *testing.T, flaws lab.Flaws) string {
	t.Helper()
	s, err := lab.StartWith(t.Context(), "127.0.0.1:0", lab.Options{Flaws: flaws}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.URL
}

// ran is how a run of the program ended.
type ran struct {
	code        int
	out, errors string
}

// wiretight runs the real binary in dir.
func wiretight(t *testing.T, dir, stdin string, args ...string) ran {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ran{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

func TestScanUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := startLab(t, lab.Mended())
	closed := "http://" + port.Keep(t)
	write := func(name, text string) string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	expired := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIiwiZXhwIjoxNzAwMDAwMDAwfQ.c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU"
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no URL", nil, 2, "no URL"},
		{"two URLs", []string{url, url}, 2, "arg"},
		{"no scheme", []string{"api.test"}, 2, "write https://api.test"},
		{"wrong scheme", []string{"ftp://api.test"}, 2, "ftp"},
		{"unknown flag", []string{url, "--nope"}, 2, "--nope"},
		{"no such name", []string{"https://wt-none.invalid", "--timeout", "3s"}, 3, "cannot be reached"},
		{"port closed", []string{closed}, 3, "cannot be reached"},
		{"expired token", []string{url, "--token-file", write("expired", expired)}, 3, "expired at 2023"},
		{"empty token", []string{url, "--token-file", write("empty", "\n")}, 2, "holds no token"},
		{"token missing", []string{url, "--token-file", "missing"}, 2, "missing"},
		{"token twice", []string{url, "--token-file", "empty", "--token", "x"}, 2, "exclude each other"},
		{"login refused", []string{url, "--login-url", "/login", "--login-json", `{"username":"alice","password":"not-that-one"}`}, 3, "no token came"},
		{"login without data", []string{url, "--login-url", "/login"}, 2, "login data"},
		{"broken description", []string{url, "--openapi", write("broken.json", `{"openapi":`), "--only", "host"}, 0, ""},
		{"large description", []string{url, "--openapi", write("large.json", strings.Repeat("x", 20<<20))}, 2, "large.json"},
		{"description missing", []string{url, "--openapi", "missing.json"}, 2, "missing.json"},
		{"output nowhere", []string{url, "--format", "json", "--output", "no/such/dir/r.json"}, 2, "no/such/dir"},
		{"output is a directory", []string{url, "--output", "."}, 2, "directory"},
		{"unknown format", []string{url, "--format", "pdf"}, 2, "sarif"},
		{"two to standard output", []string{url, "--format", "json", "--format", "html"}, 2, "--output"},
		{"more outputs than formats", []string{url, "--format", "json", "--output", "a", "--output", "b"}, 2, "2 times"},
		{"wordlist missing", []string{url, "--wordlist", "missing.txt"}, 2, "missing.txt"},
		{"CA without certificate", []string{url, "--ca", "empty"}, 2, "PEM"},
		{"baseline broken", []string{url, "--baseline", write("baseline.json", `[{"fingerprint":"a","id":"b"}]`)}, 2, "no reason"},
		{"unknown check", []string{url, "--only", "tls.nothing"}, 2, `"tls.nothing"`},
		{"rate", []string{url, "--rate", "fast"}, 2, "10/s"},
		{"fail on", []string{url, "--fail-on", "info"}, 2, "--fail-on"},
		{"fail under", []string{url, "--fail-under", "101"}, 2, "0 to 100"},
		{"resolve", []string{url, "--resolve", "x"}, 2, "HOST:PORT:ADDR"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := wiretight(t, dir, "", append([]string{"scan"}, test.args...)...)
			if test.code != 0 && got.code != test.code || !strings.Contains(got.errors, test.want) {
				t.Errorf("got exit %d, %q, want %d, %q", got.code, got.errors, test.code, test.want)
			}
			if got.code == 2 && got.out != "" {
				t.Errorf("got output %q", got.out)
			}
			if strings.Contains(got.out+got.errors, "not-that-one") || strings.Contains(got.out+got.errors, expired[20:]) {
				t.Errorf("a secret was printed: %s%s", got.out, got.errors)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".wiretight-*")); len(left) > 0 {
		t.Errorf("left behind %v", left)
	}
}

// labToken logs in at the lab.
func labToken(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Post(url+"/login", "application/json", strings.NewReader(labLogin))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var v struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil || v.Token == "" {
		t.Fatalf("got token %q, %v", v.Token, err)
	}
	return v.Token
}

// TestScanWeak scans the weak lab into every format, and follows what its
// reports are for: gates, baselines, differences, a configuration.
func TestScanWeak(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := startLab(t, lab.Weak())
	token := labToken(t, url)
	if err := os.WriteFile(filepath.Join(dir, "old.sarif"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := wiretight(t, dir, token+"\n", "scan", url, "--token-file", "-", "--explain-score", "--emit-guard", "wiretight.yaml",
		"--format", "json", "--output", "r.json", "--format", "sarif", "--output", "old.sarif", "--format", "junit", "--output", "r.xml",
		"--format", "html", "--output", "r.html", "--format", "text")
	if first.code != 1 || !strings.Contains(first.out, "to begin with") {
		t.Fatalf("got exit %d, %s%s, want findings", first.code, first.out, first.errors)
	}
	all := first.out + first.errors
	for _, name := range []string{"r.json", "old.sarif", "r.xml", "r.html", "wiretight.yaml"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(text) < 100 {
			t.Errorf("%s: got %d bytes, %v", name, len(text), err)
		}
		all += string(text)
	}
	if secret := regexp.MustCompile(regexp.QuoteMeta(token[:20]) + `|` + regexp.QuoteMeta(token[len(token)-20:])).FindString(all); secret != "" {
		t.Errorf("the token shows: %s", secret)
	}
	if again := wiretight(t, dir, token, "scan", url, "--token-file", "-", "--fail-on", "none", "--format", "json"); again.code != 0 || !json.Valid([]byte(again.out)) {
		t.Errorf("with --fail-on none: got exit %d, JSON %v", again.code, json.Valid([]byte(again.out)))
	}
	if under := wiretight(t, dir, token, "scan", url, "--token-file", "-", "--fail-on", "none", "--fail-under", "100"); under.code != 1 || !strings.Contains(under.errors, "under 100") {
		t.Errorf("with --fail-under 100: got exit %d, %s", under.code, under.errors)
	}
	if c, err := config.Load(filepath.Join(dir, "wiretight.yaml"), config.Flags{}); err != nil || len(c.Guard.Routes) == 0 {
		t.Errorf("the configuration: got %v", err)
	}
	if same := wiretight(t, dir, "", "diff", "r.json", "r.json"); same.code != 0 || !strings.Contains(same.out, "0 new, 0 gone") {
		t.Errorf("diff with itself: got exit %d, %s", same.code, same.out)
	}
	acceptAll(t, dir)
	if quiet := wiretight(t, dir, token, "scan", url, "--token-file", "-", "--baseline", "accepted.json", "--format", "json"); quiet.code != 0 || !strings.Contains(quiet.out, `"score": 100`) {
		t.Errorf("with everything accepted: got exit %d, %s%.600s", quiet.code, quiet.errors, quiet.out)
	}
}

// acceptAll makes a baseline of all that r.json has.
func acceptAll(t *testing.T, dir string) {
	t.Helper()
	made := wiretight(t, dir, "", "baseline", "write", "r.json")
	var b scan.Baseline
	if err := json.Unmarshal([]byte(made.out), &b); err != nil || made.code != 0 || len(b) == 0 {
		t.Fatalf("got exit %d, %v, %d entries", made.code, err, len(b))
	}
	for i := range b {
		b[i].Reason, b[i].Expires = "a test", time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "accepted.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestScanInterrupted presses Ctrl-C while the target keeps the scan waiting.
func TestScanInterrupted(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 100)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			_, _ = io.WriteString(w, "hello")
			return
		}
		arrived <- struct{}{}
		<-r.Context().Done()
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	cmd := exec.CommandContext(t.Context(), binary(t), "scan", "http://"+l.Addr().String(), "--timeout", "60s", "--format", "json")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-arrived
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its exit code is looked at
	var r scan.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("got %v: %s", err, out.String())
	}
	if code := cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(r.Incomplete, "interrupted") || r.Grade != nil {
		t.Errorf("got exit %d, incomplete %q, grade %v: %s", code, r.Incomplete, r.Grade, errs.String())
	}
}

func TestChecksVerb(t *testing.T) {
	t.Parallel()
	list := wiretight(t, t.TempDir(), "", "checks")
	if list.code != 0 || !strings.Contains(list.out, "transport.no-tls") {
		t.Errorf("got exit %d, %s", list.code, list.out)
	}
	page := wiretight(t, t.TempDir(), "", "checks", "transport.no-tls")
	if page.code != 0 || !strings.Contains(page.out, "CWE-319") || !strings.Contains(page.out, "Why") {
		t.Errorf("got exit %d, %s", page.code, page.out)
	}
	if none := wiretight(t, t.TempDir(), "", "checks", "transport.nothing"); none.code != 2 || !strings.Contains(none.errors, "no check") {
		t.Errorf("got exit %d, %s", none.code, none.errors)
	}
}

// TestEmittedConfigurations has the configuration reader judge what is made of
// facts of every kind, hostile ones among them.
func TestEmittedConfigurations(t *testing.T) {
	t.Parallel()
	op := func(method, path string, secured bool, scopes ...string) scan.Operation {
		return scan.Operation{Method: method, Path: path, URL: "https://api.example.com" + path, Secured: secured, Scopes: scopes, FromSpec: true}
	}
	signed := scan.Facts{
		Host: "api.example.com", Origin: "https://api.example.com", Algorithm: "ES256", Issuer: "https://id.example.com/", Audience: []string{"api"},
		KeySetURL: "https://id.example.com/jwks", Type: "at+jwt", AllowedOrigin: "https://app.example.com",
		Operations: []scan.Operation{
			op("GET", "/public", false), op("GET", "/items", true, "read"), op("POST", "/items", true, "write"), op("GET", "/items/{id}", true, "read"),
			op("DELETE", "/items/{id}/parts/{part}", true, "read", "write"), op("GET", "/open/{x}", false), op("GET", "/open/{x}/shut", true), op("POST", "/auth/login", false),
			op("GET", "/debug/vars", false), op("GET", "/docs", false), op("GET", "/tree/", false), op("GET", "/tree", false), op("TRACE", "/items", true),
			op("GET", "/", false), op("GET", "/{all}", true),
		},
		LoginPaths: []string{"/auth/login"},
	}
	change := func(f func(*scan.Facts)) scan.Facts {
		c := signed
		f(&c)
		return c
	}
	hostile := "\"}\n  - {path: \"/*\", public: true}\naccept_risk: [x] # \x1b[31m \u2028 {{.}} *a &b"
	tests := map[string]struct {
		facts  scan.Facts
		secret bool
	}{
		"signed":             {signed, false},
		"HMAC":               {change(func(f *scan.Facts) { f.Algorithm = "HS256" }), true},
		"nothing known":      {scan.Facts{Host: "127.0.0.1", Origin: "http://127.0.0.1:8000", Loopback: true}, false},
		"IPv6":               {scan.Facts{Host: "::1", Origin: "http://[::1]:8000", Loopback: true}, false},
		"plain off loopback": {scan.Facts{Host: "10.0.0.5", Origin: "http://10.0.0.5:8000"}, false},
		"localhost":          {scan.Facts{Host: "localhost", Origin: "https://localhost:9443", Loopback: true}, false},
		"keys in clear":      {change(func(f *scan.Facts) { f.KeySetURL = "http://id.example.com/jwks" }), false},
		"hostile cookie":     {change(func(f *scan.Facts) { f.Cookie = "a b\n: x" }), false},
		"cookie":             {change(func(f *scan.Facts) { f.Cookie = "session" }), false},
		"hostile": {change(func(f *scan.Facts) {
			f.Issuer, f.Audience, f.Type, f.KeySetURL, f.Cookie = "https://id.example.com/\"\n#", []string{hostile}, "JWT", "https://id.example.com/jwks", hostile
			f.Operations = append(f.Operations, op("GET", "/"+hostile, false), op("GET", "/a/../b", false), op("GET", "/a%2fb", false), op("GET", "/*", false), op("GET", "/ok", true, hostile, "fine"), op("GET", "//x", false), op("GET", "/a//{b}", false))
		}), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &scan.Report{Target: test.facts.Origin, Facts: test.facts, Findings: []scan.Finding{{ID: "transport.no-tls", Guard: "listen\naccept_risk: [x]"}}}
			e := scan.NewGuard(r, scan.Emit{})
			dir := t.TempDir()
			if (e.SecretFile != "") != test.secret {
				t.Errorf("got secret file %q", e.SecretFile)
			}
			if e.SecretFile != "" {
				if err := os.WriteFile(filepath.Join(dir, e.SecretFile), []byte("3f9c1b7a5d2e4860a1b2c3d4e5f60718293a4b5c6d7e8f90"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c, err := config.Parse("wiretight.yaml", e.YAML, dir, config.Flags{})
			if err != nil {
				t.Fatalf("%v\n%s", err, e.YAML)
			}
			if len(c.Guard.AcceptRisk) > 0 || c.Guard.Mode == "observe" {
				t.Errorf("got risks %v, mode %s", c.Guard.AcceptRisk, c.Guard.Mode)
			}
			checkRoutes(t, c, string(e.YAML))
		})
	}
}

// checkRoutes sees to it that no path is open that must not be.
func checkRoutes(t *testing.T, c *config.Config, text string) {
	t.Helper()
	may := map[string]bool{"/public": true, "/auth/login": true, "/tree": true, "/": true}
	for _, r := range c.Guard.Routes {
		if r.Public && !may[r.Path] {
			t.Errorf("%s is public\n%s", r.Path, text)
		}
		if r.Path == "/items" && (len(r.Methods) != 2 || len(r.Scopes) != 0) {
			t.Errorf("/items: got methods %v, scopes %v, want GET and POST without a common scope", r.Methods, r.Scopes)
		}
	}
}
