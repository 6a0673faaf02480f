package guard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// trial is one way to break each rule: over TLS, so that transport is not
// among them.
var trials = []struct {
	name   string
	rule   guard.Rule
	change func(*guard.Config)
	ask    func(f *fixture) reply
	status int
}{
	{"unknown host", guard.RuleHost, nil, func(f *fixture) reply {
		return f.get("/items", "Host", "evil.example", "Authorization", f.bearer())
	}, 400},
	{"misdirected", guard.RuleHost, nil, func(f *fixture) reply {
		return f.get("/items", "Host", "www.example.com", "Authorization", f.bearer())
	}, 421},
	{"dot segment", guard.RulePath, nil, func(f *fixture) reply { return f.get("/a/../b?c=d", "Authorization", f.bearer()) }, 400},
	{"encoded slash", guard.RulePath, nil, func(f *fixture) reply { return f.get("/a%2fb", "Authorization", f.bearer()) }, 400},
	{"Connection", guard.RuleHeaders, nil, func(f *fixture) reply {
		return f.get("/items", "Connection", "X-Auth-Subject", "X-Auth-Subject", "root", "X-Forwarded-For", "6.6.6.6", "Authorization", f.bearer())
	}, 400},
	{"alias", guard.RuleHeaders, nil, func(f *fixture) reply {
		return f.get("/items", "Transfer_Encoding", "chunked", "X_Auth_Subject", "root", "Authorization", f.bearer())
	}, 400},
	{"preflight", guard.RuleCORS, withCORS, func(f *fixture) reply {
		return f.send(f.h1, "OPTIONS", "/public", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "GET")
	}, 403},
	{"method", guard.RuleMethod, withCORS, func(f *fixture) reply {
		return f.send(f.h1, "DELETE", "/get", "", "Authorization", f.bearer())
	}, 405},
	{"cross-site", guard.RuleCrossSite, func(c *guard.Config) { c.Tokens.Sources = []string{"cookie:session"} }, func(f *fixture) reply {
		return f.send(f.h1, "POST", "/items", "", "Cookie", "session="+f.mint(nil), "Origin", "https://evil.example")
	}, 403},
	{"no token", guard.RuleToken, nil, func(f *fixture) reply { return f.get("/items") }, 401},
	{"garbage", guard.RuleToken, nil, func(f *fixture) reply { return f.get("/items", "Authorization", "Bearer x.y.z") }, 401},
	{"two tokens", guard.RuleToken, nil, func(f *fixture) reply {
		return f.get("/items", "Authorization", f.bearer(), "Authorization", f.bearer())
	}, 400},
	{"expired", guard.RuleExpired, nil, func(f *fixture) reply {
		return f.get("/items", "Authorization", "Bearer "+f.mint(map[string]any{"exp": f.clock.now().Unix() - 1, "iat": f.clock.now().Unix() - 60}))
	}, 401},
	{"issuer", guard.RuleIssuer, nil, func(f *fixture) reply {
		return f.get("/items", "Authorization", "Bearer "+f.mint(map[string]any{"iss": "https://evil.example/"}))
	}, 401},
	{"audience", guard.RuleAudience, nil, func(f *fixture) reply {
		return f.get("/items", "Authorization", "Bearer "+f.mint(map[string]any{"aud": "other"}))
	}, 401},
	{"revoked", guard.RuleRevoked, nil, func(f *fixture) reply {
		bearer := f.bearer()
		f.inClear("GET", "/", "", "Authorization", bearer)
		return f.get("/items", "Authorization", bearer)
	}, 401},
	{"binding", guard.RuleBinding, func(c *guard.Config) { c.Tokens.Binding = guard.BindingRequired }, func(f *fixture) reply {
		return f.get("/items", "Authorization", f.bearer())
	}, 401},
	{"scopes", guard.RuleScopes, withCORS, func(f *fixture) reply { return f.get("/admin", "Authorization", f.bearer()) }, 403},
	{"replay", guard.RuleReplay, func(c *guard.Config) { c.Routes = []guard.Route{{Path: "/once", Once: true}} }, func(f *fixture) reply {
		bearer := f.bearer()
		f.get("/once", "Authorization", bearer)
		return f.get("/once", "Authorization", bearer)
	}, 401},
	{"rate", guard.RuleRate, func(c *guard.Config) { c.RateLimit.AuthFailures = guard.Rate{Count: 1, Per: time.Hour} }, func(f *fixture) reply {
		f.get("/items", "Authorization", "Bearer x")
		return f.get("/items", "Authorization", f.bearer())
	}, 429},
}

// TestTrials holds that what enforce refuses, observe lets pass, logs and
// counts: the whole of it, or the one rule alone.
func TestTrials(t *testing.T) {
	t.Parallel()
	for _, c := range trials {
		for _, mode := range []struct {
			name   string
			change func(*guard.Config)
			passes bool
		}{
			{"enforced", func(*guard.Config) {}, false},
			{"observed", func(cfg *guard.Config) { cfg.Mode = guard.ObserveOnly }, true},
			{"rule observed", func(cfg *guard.Config) { cfg.Observe = []guard.Rule{c.rule} }, true},
			{"other rules observed", func(cfg *guard.Config) {
				for _, r := range guard.Rules() {
					if r != c.rule && r != guard.RuleToken {
						cfg.Observe = append(cfg.Observe, r)
					}
				}
			}, false},
		} {
			t.Run(c.name+", "+mode.name, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, func(cfg *guard.Config) {
					if c.change != nil {
						c.change(cfg)
					}
					mode.change(cfg)
				})
				got := c.ask(f)
				records := f.log.of(t, got.header.Get("X-Request-Id"))
				request := records[len(records)-1]
				counted := f.metric("wiretight_observed_refusals_total", "rule", string(c.rule))
				if !mode.passes {
					if got.status != c.status || request["decision"] != "refused" || request["rule"] != string(c.rule) || request["reason"] == nil {
						t.Errorf("got %v, logged as %v, want %d", got, request, c.status)
					}
					if counted != 0 || f.metric("wiretight_requests_total", "decision", "refused", "rule", string(c.rule)) != 1 {
						t.Errorf("%v refusals were counted as observed, want none", counted)
					}
					return
				}
				if got.status != 200 {
					t.Fatalf("got %v, want 200", got)
				}
				if counted != 1 || request["decision"] != "observed" || records[0]["msg"] != "would refuse" || records[0]["rule"] != string(c.rule) {
					t.Errorf("counted %v, logged as %v, want one observed refusal", counted, records)
				}
				up := f.upstream.last(t).header
				if len(up["X-Auth-Subject"])+len(up["X_auth_subject"])+len(up["Transfer_encoding"]) > 0 || strings.Contains(up.Get("X-Forwarded-For"), "6.6.6.6") {
					t.Errorf("on trial, forged headers went on: %v", up)
				}
			})
		}
	}
}

// TestEveryRuleOnTrial holds that the table above leaves no rule out.
func TestEveryRuleOnTrial(t *testing.T) {
	t.Parallel()
	seen := map[guard.Rule]bool{guard.RuleTransport: true} // TestPlaintext, TestTLSBeforeTheGuard
	for _, c := range trials {
		seen[c.rule] = true
	}
	for _, r := range guard.Rules() {
		if !seen[r] {
			t.Errorf("no trial breaks rule %s", r)
		}
	}
}

// TestTrialKeepsTheWireWhole sends on trial what no upstream could read: it
// gets a well-formed request or none.
func TestTrialKeepsTheWireWhole(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"CONNECT":              "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
		"asterisk":             "OPTIONS * HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
		"absolute form":        "GET https://api.example.com/items HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
		"two slashes":          "GET //evil.example/items HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
		"backslash":            "GET /a\\b HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
		"fragment":             "GET /a#b HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
		"space in the query":   "GET /a?b c HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
		"no UTF-8":             "GET /a\xff HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
		"escaped line end":     "GET /a%0d%0aX-Smuggled:%20yes HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
		"small method":         "get /a HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
		"strange host":         "GET /a HTTP/1.1\r\nHost: a,b@c\r\n\r\n",
		"no host":              "GET /a HTTP/1.0\r\n\r\n",
		"Connection: Host":     "GET /a HTTP/1.1\r\nHost: api.example.com\r\nConnection: Host, Content-Length\r\nContent-Length: 5\r\n\r\nhello",
		"coding by underscore": "GET /a HTTP/1.1\r\nHost: api.example.com\r\nTransfer_Encoding: chunked\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, w := newWireFixture(t, func(c *guard.Config) { c.Mode = guard.ObserveOnly })
			f.raw(testHost, text)
			if after := f.get("/after"); after.status != 200 {
				t.Errorf("the next request: got %v, want 200", after)
			}
			requests, err := w.requests()
			if err != nil && !strings.Contains(err.Error(), "request line \"get /a HTTP/1.1\"") && !strings.Contains(err.Error(), "request line \"OPTIONS * HTTP/1.1\"") {
				t.Fatal(err)
			}
			for _, r := range requests {
				if len(r.values("X-Smuggled")) > 0 {
					t.Errorf("the upstream got %+v", r)
				}
			}
		})
	}
}

// TestTrialOverHTTP2 does so with a length that is not the body's, which makes
// it no request at all (RFC 9113 §8.1.1): there is no rule to be on trial.
func TestTrialOverHTTP2(t *testing.T) {
	t.Parallel()
	f, w := newWireFixture(t, func(c *guard.Config) { c.Mode = guard.ObserveOnly })
	fields := []string{":method", "POST", ":scheme", "https", ":authority", testHost, ":path", "/items", "content-length", "66"}
	if status := f.frames().send(fields, "", nil); status != 0 {
		t.Errorf("got %d, want the stream to be reset", status)
	}
	if after := f.get("/after"); after.status != 200 {
		t.Errorf("the next request: got %v, want 200", after)
	}
	if requests, err := w.requests(); err != nil || len(requests) != 1 {
		t.Errorf("got %v, %v: want one request", requests, err)
	}
}
