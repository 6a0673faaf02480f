package guard_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/store"
)

func TestGoodRequestPasses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for name, client := range map[string]*http.Client{"HTTP/1.1": f.h1, "HTTP/2.0": f.h2} {
		got := f.send(client, "GET", "/items?limit=2", "", "Authorization", f.bearer())
		if got.status != 200 || got.body != "hello" || got.proto != name {
			t.Errorf("%s: got %v", name, got)
		}
		if up := f.upstream.last(t); up.target != "/items?limit=2" || up.host != testHost {
			t.Errorf("%s: upstream got %v", name, up)
		}
	}
}

// TestPlaintext holds what the plain listener answers. Nothing that comes this
// way reaches the upstream, not even on trial.
func TestPlaintext(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln"
	cases := []struct {
		name, method, path string
		header             []string
		status             int
		location           string
	}{
		{"GET", "GET", "/items", nil, 308, "https://api.example.com/items"},
		{"HEAD", "HEAD", "/items", nil, 308, "https://api.example.com/items"},
		{"with a query", "GET", "/a?b=c&d", nil, 308, "https://api.example.com/a?b=c&d"},
		{"with an empty query", "GET", "/a?", nil, 308, "https://api.example.com/a?"},
		{"with escapes", "GET", "/%61%20%c3%a4", nil, 308, "https://api.example.com/a%20%C3%A4"},
		{"host with a port", "GET", "/", []string{"Host", "api.example.com:8080"}, 308, "https://api.example.com/"},
		{"host in capitals", "GET", "/", []string{"Host", "API.example.COM"}, 308, "https://api.example.com/"},
		{"other allowed host", "GET", "/", []string{"Host", "www.example.com"}, 308, "https://www.example.com/"},
		{"harmless cookie", "GET", "/", []string{"Cookie", "theme=dark"}, 308, "https://api.example.com/"},
		{"harmless query", "GET", "/?page=2&token=", nil, 308, "https://api.example.com/?page=2&token="},

		{"POST", "POST", "/items", nil, 403, ""},
		{"PUT", "PUT", "/items", nil, 403, ""},
		{"DELETE", "DELETE", "/items", nil, 403, ""},
		{"OPTIONS", "OPTIONS", "/items", nil, 403, ""},
		{"preflight", "OPTIONS", "/items", []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "GET"}, 403, ""},
		{"bearer", "GET", "/items", []string{"Authorization", "Bearer " + jwt}, 403, ""},
		{"bearer in small letters", "GET", "/items", []string{"Authorization", "bearer " + jwt}, 403, ""},
		{"HEAD with bearer", "HEAD", "/items", []string{"Authorization", "Bearer " + jwt}, 403, ""},
		{"DPoP", "GET", "/items", []string{"Authorization", "DPoP " + jwt}, 403, ""},
		{"Basic", "GET", "/items", []string{"Authorization", "Basic dTpw"}, 403, ""},
		{"unknown scheme", "GET", "/items", []string{"Authorization", "Hawk id=1"}, 403, ""},
		{"empty Authorization", "GET", "/items", []string{"Authorization", ""}, 403, ""},
		{"token cookie", "GET", "/items", []string{"Cookie", "session=opaque"}, 403, ""},
		{"token cookie among others", "GET", "/items", []string{"Cookie", "a=b; session=opaque; c=d"}, 403, ""},
		{"the guard's own cookie", "GET", "/items", []string{"Cookie", "__Host-refresh=opaque"}, 403, ""},
		{"cookie of JWT shape", "GET", "/items", []string{"Cookie", "whatever=" + jwt}, 403, ""},
		{"access_token in the query", "GET", "/items?access_token=opaque", nil, 403, ""},
		{"access_token with an escape", "GET", "/items?access%5Ftoken=opaque", nil, 403, ""},
		{"access_token in capitals", "GET", "/items?Access_Token=opaque", nil, 403, ""},
		{"JWT under a usual name", "GET", "/items?jwt=" + jwt, nil, 403, ""},
		{"JWT under any name", "GET", "/items?x=1&y=" + jwt, nil, 403, ""},
		{"bearer for an unknown host", "GET", "/items", []string{"Host", "evil.example", "Authorization", "Bearer " + jwt}, 403, ""},
		{"bearer with an ambiguous path", "GET", "/a/../b", []string{"Authorization", "Bearer " + jwt}, 403, ""},

		{"unknown host", "GET", "/", []string{"Host", "evil.example"}, 400, ""},
		{"host with a trailing dot", "GET", "/", []string{"Host", "api.example.com."}, 400, ""},
		{"host that begins as ours", "GET", "/", []string{"Host", "api.example.com.evil.example"}, 400, ""},
		{"ambiguous path", "GET", "/a/../b", nil, 400, ""},
		{"escaped line end", "GET", "/a%0d%0aLocation:%20x", nil, 400, ""},
	}
	for _, mode := range []guard.Mode{guard.Enforce, guard.ObserveOnly} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *guard.Config) {
				c.Mode = mode
				c.Tokens.Sources = []string{"header", "cookie:session"}
				c.CORS = &guard.CORS{Origins: []string{"https://app.example.com"}}
				c.Routes = []guard.Route{{Path: "/*", Public: true}}
			})
			for _, c := range cases {
				got := f.inClear(c.method, c.path, "", c.header...)
				if got.status != c.status || got.header.Get("Location") != c.location {
					t.Errorf("%s: got %v, want %d to %q", c.name, got, c.status, c.location)
				}
				if hsts := got.header["Strict-Transport-Security"]; hsts != nil {
					t.Errorf("%s: HSTS %q over plain HTTP, which browsers ignore and attackers could set", c.name, hsts)
				}
				if c.status == 403 && got.header.Get("Connection") != "close" {
					t.Errorf("%s: the connection stays open", c.name)
				}
				want := map[int]string{403: "HTTPS required", 400: ""}[c.status]
				if p := got.problem(); c.method != "HEAD" && want != "" && p.Detail != want {
					t.Errorf("%s: got detail %q, want %q", c.name, p.Detail, want)
				}
			}
			if n := f.upstream.count(); n != 0 {
				t.Errorf("%d requests reached the upstream", n)
			}
		})
	}
}

// TestPlaintextBytes sends the plain listener what no client would.
func TestPlaintextBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, c := range []struct {
		name, text string
		status     int
	}{
		{"no host", "GET / HTTP/1.0\r\n\r\n", 400},
		{"absolute form of our host", "GET http://api.example.com/a HTTP/1.1\r\nHost: api.example.com\r\n\r\n", 400},
		{"absolute form of another", "GET http://evil.example/a HTTP/1.1\r\nHost: api.example.com\r\n\r\n", 400},
		{"two slashes", "GET //evil.example/a HTTP/1.1\r\nHost: api.example.com\r\n\r\n", 400},
		{"CONNECT", "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com\r\n\r\n", 403},
		{"OPTIONS of all", "OPTIONS * HTTP/1.1\r\nHost: api.example.com\r\n\r\n", 403},
		{"two hosts", "GET / HTTP/1.1\r\nHost: api.example.com\r\nHost: evil.example\r\n\r\n", 400},
		{"upload that is not waited for", "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 1000000\r\n\r\n", 403},
		{"upload that asks first", "POST / HTTP/1.1\r\nHost: api.example.com\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n", 403},
	} {
		if got := f.rawClear(c.text); len(got) != 1 || got[0].status != c.status {
			t.Errorf("%s: got %v, want %d", c.name, got, c.status)
		}
	}
}

func TestPlaintextRedirectPort(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.RedirectPort = 8443
		c.Hosts = []string{testHost, "[::1]", "www.example.com:8443"}
	})
	for host, want := range map[string]string{
		testHost: "https://api.example.com:8443/a", "[::1]": "https://[::1]:8443/a", "[::1]:8080": "https://[::1]:8443/a",
		"www.example.com": "https://www.example.com:8443/a", "www.example.com:8080": "https://www.example.com:8443/a",
	} {
		if got := f.inClear("GET", "/a", "", "Host", host); got.header.Get("Location") != want {
			t.Errorf("%s: got %v, want %s", host, got, want)
		}
	}
}

// TestBurning holds that a token which came in clear is worthless at once, and
// that nobody can burn a token which they do not have.
func TestBurning(t *testing.T) {
	t.Parallel()
	other := newSigner(t, "key-1")
	for _, c := range []struct {
		name   string
		claims map[string]any
		// sent makes what goes over plain HTTP out of the token.
		sent   func(f *fixture, raw string) (path string, header []string)
		burnt  bool
		change func(*guard.Config)
	}{
		{"bearer", nil, sentBearer, true, nil},
		{"DPoP scheme", nil, func(_ *fixture, raw string) (string, []string) {
			return "/items", []string{"Authorization", "DPoP " + raw}
		}, true, nil},
		{"scheme in small letters", nil, func(_ *fixture, raw string) (string, []string) {
			return "/items", []string{"Authorization", "bearer   " + raw}
		}, true, nil},
		{"second of two headers", nil, func(_ *fixture, raw string) (string, []string) {
			return "/items", []string{"Authorization", "Basic dTpw", "Authorization", "Bearer " + raw}
		}, true, nil},
		{"token cookie", nil, func(_ *fixture, raw string) (string, []string) {
			return "/items", []string{"Cookie", "a=b; session=" + raw}
		}, true, nil},
		{"cookie of any name", nil, func(_ *fixture, raw string) (string, []string) {
			return "/items", []string{"Cookie", "x=" + raw}
		}, true, nil},
		{"query", nil, func(_ *fixture, raw string) (string, []string) { return "/items?access_token=" + raw, nil }, true, nil},
		{"query of any name", nil, func(_ *fixture, raw string) (string, []string) { return "/items?a=b&x=" + raw, nil }, true, nil},
		{"unknown host", nil, func(_ *fixture, raw string) (string, []string) {
			return "/items", []string{"Host", "evil.example", "Authorization", "Bearer " + raw}
		}, true, nil},
		{"ambiguous path", nil, func(_ *fixture, raw string) (string, []string) {
			return "/a/../b", []string{"Authorization", "Bearer " + raw}
		}, true, nil},
		{"without jti", map[string]any{"jti": nil}, sentBearer, true, nil},
		{"without jti, signed once more", map[string]any{"jti": nil}, func(f *fixture, raw string) (string, []string) {
			return "/items", []string{"Authorization", "Bearer " + resigned(f, raw)}
		}, true, nil},
		{"on trial", nil, sentBearer, true, func(c *guard.Config) { c.Observe = []guard.Rule{guard.RuleTransport} }},
		{"store that takes nothing", nil, sentBearer, true, func(c *guard.Config) {
			c.Store = &readOnlyStore{Store: store.NewMemory(time.Now, 100)}
		}},

		{"not told to burn", nil, sentBearer, false, func(c *guard.Config) { c.PlaintextToken = guard.Refuse }},
		{"forged with the same jti", map[string]any{"jti": "j-1"}, func(f *fixture, _ string) (string, []string) {
			return "/items", []string{"Authorization", "Bearer " + f.mintWith(other, map[string]any{"jti": "j-1"})}
		}, false, nil},
		{"unsigned with the same jti", map[string]any{"jti": "j-2"}, func(_ *fixture, raw string) (string, []string) {
			payload := strings.Split(raw, ".")[1]
			header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`))
			return "/items", []string{"Authorization", "Bearer " + header + "." + payload + "."}
		}, false, nil},
		{"spoiled signature", nil, func(_ *fixture, raw string) (string, []string) {
			return "/items", []string{"Authorization", "Bearer " + raw[:len(raw)-8] + "AAAAAAAA"}
		}, false, nil},
		{"another audience with the same jti", map[string]any{"jti": "j-3"}, func(f *fixture, _ string) (string, []string) {
			return "/items", []string{"Authorization", "Bearer " + f.mint(map[string]any{"jti": "j-3", "aud": "other"})}
		}, false, nil},
		{"another token of the same user", nil, func(f *fixture, _ string) (string, []string) {
			return "/items", []string{"Authorization", f.bearer()}
		}, false, nil},
		{"another token without jti", map[string]any{"jti": nil}, func(f *fixture, _ string) (string, []string) {
			return "/items", []string{"Authorization", "Bearer " + f.mint(map[string]any{"jti": nil, "nonce": "x"})}
		}, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(cfg *guard.Config) {
				cfg.Tokens.Sources = []string{"header", "cookie:session"}
				if c.change != nil {
					c.change(cfg)
				}
			})
			if c.change != nil && f.config.Store != nil {
				t.Cleanup(func() { _ = f.config.Store.Close() })
			}
			raw := f.mint(c.claims)
			if got := f.get("/items", "Authorization", "Bearer "+raw); got.status != 200 {
				t.Fatalf("before: got %v, want 200", got)
			}
			path, header := c.sent(f, raw)
			if got := f.inClear("GET", path, "", header...); got.status != 403 || got.problem().Detail != "HTTPS required" {
				t.Errorf("in clear: got %v, want 403 HTTPS required", got)
			}
			got := f.get("/items", "Authorization", "Bearer "+raw)
			if !c.burnt {
				if got.status != 200 {
					t.Errorf("after: got %v, want 200", got)
				}
				return
			}
			if got.status != 401 || got.problem().Detail != "Invalid token" {
				t.Fatalf("after: got %v, want 401 Invalid token", got)
			}
			if r := f.log.of(t, got.problem().RequestID); r[len(r)-1]["rule"] != "revoked" {
				t.Errorf("after: logged as %v, want rule revoked", r)
			}
			if n := f.metric("wiretight_burnt_tokens_total"); n != 1 {
				t.Errorf("got %v burnt tokens counted, want 1", n)
			}
			if f.upstream.count() != 1 {
				t.Errorf("%d requests reached the upstream, want 1", f.upstream.count())
			}
			if strings.Contains(f.log.String(), raw) {
				t.Error("the token is in the log")
			}
		})
	}
}

func sentBearer(_ *fixture, raw string) (string, []string) {
	return "/items", []string{"Authorization", "Bearer " + raw}
}

// resigned is the same token with another true signature.
func resigned(f *fixture, raw string) string {
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
	if err != nil {
		f.t.Fatal(err)
	}
	again, err := f.signer.Sign("at+jwt", jsonText(claims))
	if err != nil {
		f.t.Fatal(err)
	}
	if a, b := strings.LastIndexByte(raw, '.'), strings.LastIndexByte(again, '.'); raw[:a] != again[:b] || raw == again {
		f.t.Fatalf("%q is not %q with another signature", again, raw)
	}
	return again
}

type jsonText []byte

func (j jsonText) MarshalJSON() ([]byte, error) { return j, nil }

// TestBurntEverywhere holds that another guard on the same store hears of it.
func TestBurntEverywhere(t *testing.T) {
	t.Parallel()
	shared := store.NewMemory(time.Now, 100)
	t.Cleanup(func() { _ = shared.Close() })
	one := newFixture(t, func(c *guard.Config) { c.Store = shared })
	two := newFixture(t, func(c *guard.Config) {
		c.Store = shared
		c.Tokens.Issuers[0].JWKS = jwks(t, one.signer)
	})
	raw := one.mint(nil)
	if got := two.get("/items", "Authorization", "Bearer "+raw); got.status != 200 {
		t.Fatalf("before: got %v, want 200", got)
	}
	one.inClear("GET", "/items", "", "Authorization", "Bearer "+raw)
	eventually(t, "the other guard to refuse", func() bool {
		return two.get("/items", "Authorization", "Bearer "+raw).status == 401
	})
}

// readOnlyStore refuses every change.
type readOnlyStore struct{ store.Store }

func (readOnlyStore) Replace(context.Context, string, []byte, []byte, time.Time) error {
	return errors.New("disk full")
}

// TestHSTS holds that every HTTPS answer has it, whatever the upstream says.
func TestHSTS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		hsts guard.HSTS
		want string
	}{
		{"zero value", guard.HSTS{}, "max-age=31536000"},
		{"all of it", guard.HSTS{MaxAge: 2 * 365 * 24 * time.Hour, IncludeSubdomains: true, Preload: true}, "max-age=63072000; includeSubDomains; preload"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(cfg *guard.Config) { cfg.HSTS = c.hsts })
			f.upstream.answers(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Strict-Transport-Security"] = []string{"max-age=0", "max-age=1"}
			})
			for _, client := range []*http.Client{f.h1, f.h2} {
				for _, credential := range []string{f.bearer(), "Bearer x", ""} {
					got := f.send(client, "GET", "/items", "", "Authorization", credential)
					if h := got.header["Strict-Transport-Security"]; len(h) != 1 || h[0] != c.want {
						t.Errorf("%d: got %q, want %q", got.status, h, c.want)
					}
				}
			}
		})
	}
}
