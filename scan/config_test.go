package scan_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/scan"
)

func TestBadConfig(t *testing.T) {
	t.Parallel()
	good := scan.Config{URL: "https://api.test"}
	tests := map[string]struct {
		change func(*scan.Config)
		want   string
	}{
		"no URL":             {func(c *scan.Config) { c.URL = "" }, "no URL"},
		"no scheme":          {func(c *scan.Config) { c.URL = "api.test" }, "write https://api.test"},
		"wrong scheme":       {func(c *scan.Config) { c.URL = "ftp://api.test" }, `"ftp"`},
		"no host":            {func(c *scan.Config) { c.URL = "https:///x" }, "no host"},
		"password":           {func(c *scan.Config) { c.URL = "https://u:sesame@api.test" }, "user name or password"},
		"query":              {func(c *scan.Config) { c.URL = "https://api.test/?t=1" }, "query"},
		"unreadable":         {func(c *scan.Config) { c.URL = "https://api.test:x/sesame" }, "cannot be read"},
		"resolve":            {func(c *scan.Config) { c.Resolve = []string{"api.test:443"} }, "HOST:PORT:ADDR"},
		"login twice":        {func(c *scan.Config) { c.LoginData, c.LoginJSON = "a=b", "{}" }, "twice"},
		"login without data": {func(c *scan.Config) { c.LoginURL = "/login" }, "login data"},
		"login elsewhere":    {func(c *scan.Config) { c.LoginURL, c.LoginData = "https://id.test/login", "a=b" }, "not on the target's host"},
		"negative rate":      {func(c *scan.Config) { c.Rate = -1 }, "negative"},
		"large description":  {func(c *scan.Config) { c.OpenAPI, c.OpenAPIData = "api.json", make([]byte, 20<<20) }, "api.json: the API description is over 8 MiB"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good
			test.change(&c)
			r, err := scan.Run(t.Context(), c, nil)
			if err == nil || r != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "sesame") {
				t.Errorf("got %v, want the password left out", err)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	c, s := (&api{}).start(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	c.URL = "http://API.test:" + port
	c.Resolve = []string{"api.test:" + port + ":127.0.0.1"}
	look(t, c, func(_ context.Context, target *scan.Target) {
		if target.Host() != "API.test" || !target.Loopback() || len(target.Protected()) == 0 {
			t.Errorf("got host %q, loopback %v, %s", target.Host(), target.Loopback(), target.Unprotected())
		}
	})
	c.Strict = true
	look(t, c, func(_ context.Context, target *scan.Target) {
		if target.Loopback() {
			t.Error("a strict scan calls it loopback")
		}
	})
}

func TestUselessToken(t *testing.T) {
	t.Parallel()
	c, _ := (&api{}).start(t)
	for name, token := range map[string]string{
		"expired": mint(apiSecret, map[string]any{"sub": "alice", "exp": 1700000000}),
		"foreign": mint("another", map[string]any{"sub": "alice"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := c
			c.Token = textOf(token)
			r := look(t, c, func(context.Context, *scan.Target) {})
			if r.Incomplete == "" || r.Grade != nil {
				t.Errorf("got incomplete %q, grade %v, want no grade for what could not be tried", r.Incomplete, r.Grade)
			}
		})
	}
}

func TestStack(t *testing.T) {
	t.Parallel()
	page := func(header, value, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if header != "" {
				w.Header().Set(header, value)
			}
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, body)
			return true
		}
	}
	tests := map[string]struct {
		extra func(http.ResponseWriter, *http.Request) bool
		want  string
	}{
		"FastAPI":   {nil, "FastAPI"}, // the fixture has its 404 text and a description
		"Starlette": {page("Server", "uvicorn", `{"detail":"Not Found"}`), "Starlette"},
		"Flask":     {page("Server", "Werkzeug/2.2.2 Python/3.11.2", ""), "Flask"},
		"Django":    {page("", "", "<h1>Not Found</h1><p>The requested resource was not found on this server.</p>"), "Django"},
		"Express":   {page("X-Powered-By", "Express", ""), "Express"},
		"Spring":    {page("", "", `{"timestamp":"2026","status":404,"error":"Not Found","path":"/x"}`), "Spring"},
		"Go":        {page("", "", "404 page not found\n"), "Go"},
		"unknown":   {page("Server", "nginx", "<html>"), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := (&api{extra: test.extra}).start(t)
			c = scan.Config{URL: c.URL}
			r := look(t, c, func(context.Context, *scan.Target) {})
			if r.Stack.Framework != test.want || (test.want != "") != (r.Stack.Evidence != "") {
				t.Errorf("got %+v, want %q", r.Stack, test.want)
			}
		})
	}
}
