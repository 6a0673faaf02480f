package guard_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/keyset"
)

// TestBadReload holds that a configuration with a mistake changes nothing.
func TestBadReload(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) { c.Routes = []guard.Route{{Path: "/open", Public: true}} })
	raw := f.mint(nil)
	for name, change := range map[string]func(*guard.Config){
		"no hosts":         func(c *guard.Config) { c.Hosts = nil },
		"no issuers":       func(c *guard.Config) { c.Tokens.Issuers = nil },
		"unreadable keys":  func(c *guard.Config) { c.Tokens.Issuers = []guard.Issuer{issuerOf([]byte("garbage"))} },
		"no usable key":    func(c *guard.Config) { c.Tokens.Issuers = []guard.Issuer{issuerOf([]byte(`{"keys":[]}`))} },
		"alg none":         func(c *guard.Config) { c.Tokens.Issuers = []guard.Issuer{{Issuer: "x", Algorithms: []string{"none"}}} },
		"unknown upstream": func(c *guard.Config) { c.Routes = []guard.Route{{Path: "/x", Upstream: "nobody"}} },
		"plain upstream": func(c *guard.Config) {
			c.Upstreams = []guard.Upstream{{Name: "app", URL: "http://10.0.0.1"}}
		},
		"all open, with a mistake": func(c *guard.Config) {
			c.Mode, c.Routes, c.Observe = guard.ObserveOnly, []guard.Route{{Path: "/*", Public: true}}, []guard.Rule{"nothing"}
		},
	} {
		c := f.config
		change(&c)
		var problems guard.Problems
		if err := f.guard.Reload(c); !errors.As(err, &problems) || len(problems) == 0 {
			t.Errorf("%s: got %v, want Problems", name, err)
		}
		for path, want := range map[string][2]int{"/": {200, 401}, "/open": {200, 200}} {
			got := [2]int{f.get(path, "Authorization", "Bearer "+raw).status, f.get(path).status}
			if got != want {
				t.Errorf("%s: %s answers %v with and without a token, want %v", name, path, got, want)
			}
		}
	}
}

func issuerOf(jwks []byte) guard.Issuer {
	return guard.Issuer{Issuer: testIssuer, Audiences: []string{testAudience}, Algorithms: []string{"ES256"}, JWKS: jwks}
}

// TestReloadForgets holds that a token which was verified under the old
// configuration is judged anew under the new one.
func TestReloadForgets(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *guard.Issuer){
		"audience":  func(_ *testing.T, i *guard.Issuer) { i.Audiences = []string{"other"} },
		"issuer":    func(_ *testing.T, i *guard.Issuer) { i.Issuer = "https://other.example/" },
		"algorithm": func(_ *testing.T, i *guard.Issuer) { i.Algorithms = []string{"RS256"} },
		"keys":      func(t *testing.T, i *guard.Issuer) { i.Keys = keyset.NewLocal(keysOf(t, newSigner(t, "key-1"))) },
		"type":      func(_ *testing.T, i *guard.Issuer) { i.Types = []string{"JWT"} },
		"lifetime":  func(_ *testing.T, i *guard.Issuer) { i.MaxLifetime = time.Minute },
		"claims":    func(_ *testing.T, i *guard.Issuer) { i.Require = []string{"exp", "tenant"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signer := newSigner(t, "key-1")
			f := newFixture(t, func(c *guard.Config) {
				c.RateLimit = neverLimited
				// Keys that stay the same are no reason to look again.
				c.Tokens.Issuers[0].JWKS, c.Tokens.Issuers[0].Keys = nil, keyset.NewLocal(keysOf(t, signer))
			})
			raw := f.mintWith(signer, nil)
			strict := f.config
			strict.Tokens.Issuers = append([]guard.Issuer{}, strict.Tokens.Issuers...)
			change(t, &strict.Tokens.Issuers[0])
			for range 2 { // there and back, twice
				for _, c := range []struct {
					config guard.Config
					want   int
				}{{f.config, 200}, {strict, 401}} {
					if err := f.guard.Reload(c.config); err != nil {
						t.Fatal(err)
					}
					for range 2 {
						if got := f.get("/", "Authorization", "Bearer "+raw); got.status != c.want {
							t.Errorf("got %v, want %d", got, c.want)
						}
					}
				}
			}
		})
	}
}

// TestReloadChanges holds that everything else takes effect too, at once.
func TestReloadChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	second := newUpstream(t)
	raw := f.mint(map[string]any{"scope": "a"})
	status := func(path string, header ...string) int { return f.get(path, header...).status }
	auth := []string{"Authorization", "Bearer " + raw}
	if a, b, c := status("/open"), status("/scoped", auth...), status("/cookie", "Cookie", "session="+raw); a != 401 || b != 200 || c != 401 {
		t.Fatalf("before: got %d, %d, %d", a, b, c)
	}
	c := f.config
	c.Routes = []guard.Route{{Path: "/open", Public: true}, {Path: "/scoped", Scopes: []string{"b"}}, {Path: "/get", Methods: []string{"POST"}}}
	c.Tokens.Sources = []string{"cookie:session"}
	c.Tokens.Forward = guard.ForwardClaims
	c.Upstreams = []guard.Upstream{{Name: "second", URL: second.URL}}
	c.Hosts = []string{testHost}
	c.HSTS.Preload = true
	c.Logger, c.Store, c.Metrics, c.Now = nil, nil, nil, nil // stay as they were
	if err := f.guard.Reload(c); err != nil {
		t.Fatal(err)
	}
	before := f.upstream.count()
	cookie := []string{"Cookie", "session=" + raw}
	for _, got := range []struct {
		what         string
		status, want int
	}{
		{"public now", status("/open"), 200},
		{"scope now", status("/scoped", cookie...), 403},
		{"method now", status("/get", cookie...), 405},
		{"cookie now", status("/", cookie...), 200},
		{"header no more", status("/", auth...), 401},
		{"host no more", status("/open", "Host", "www.example.com"), 400},
	} {
		if got.status != got.want {
			t.Errorf("%s: got %d, want %d", got.what, got.status, got.want)
		}
	}
	if n := f.upstream.count(); n != before || second.count() != 2 {
		t.Errorf("the old upstream got %d requests, the new one %d, want 0 and 2", n-before, second.count())
	}
	if got := second.last(t).header.Get("X-Auth-Subject"); got != "alice" {
		t.Errorf("got X-Auth-Subject %q", got)
	}
	got := f.get("/open")
	if h := got.header.Get("Strict-Transport-Security"); !strings.HasSuffix(h, "preload") {
		t.Errorf("got HSTS %q", h)
	}
	f.log.of(t, got.header.Get("X-Request-Id")) // is still written
	if n := f.metric("wiretight_requests_total", "route", "/open", "decision", "allowed"); n < 2 {
		t.Errorf("got %v counted requests, want them counted still", n)
	}
}

// TestReloadKeepsState holds that what was revoked, burnt or consumed stays so.
func TestReloadKeepsState(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) { c.Routes = []guard.Route{{Path: "/once", Once: true}} })
	revoked, burnt, used := f.mint(map[string]any{"jti": "one"}), f.mint(nil), f.mint(nil)
	if err := f.guard.Revoke(t.Context(), guard.Revocation{JTI: "one"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the revocation", func() bool { return f.get("/", "Authorization", "Bearer "+revoked).status == 401 })
	f.inClear("GET", "/", "", "Authorization", "Bearer "+burnt)
	if got := f.get("/once", "Authorization", "Bearer "+used); got.status != 200 {
		t.Fatalf("got %v", got)
	}
	if err := f.guard.Reload(f.config); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]reply{
		"revoked": f.get("/", "Authorization", "Bearer "+revoked), "burnt": f.get("/", "Authorization", "Bearer "+burnt),
		"used": f.get("/once", "Authorization", "Bearer "+used),
	} {
		if got.status != 401 {
			t.Errorf("%s: got %v, want 401", name, got)
		}
	}
}

// TestReloadKeepsKeys holds that an issuer which is down at a reload does no
// harm as long as it is asked at the same place, and that keys do not follow
// to another place.
func TestReloadKeepsKeys(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, "k")
	i := newIDP(t, jwks(t, signer))
	f := newFixture(t, func(c *guard.Config) { c.Tokens.Issuers = []guard.Issuer{i.issuer(testIssuer)} })
	eventually(t, "the keys", func() bool { return f.guard.Ready().Ready })
	raw := f.mintWith(signer, nil)
	want := func(what string, status int) {
		t.Helper()
		for _, raw := range []string{raw, f.mintWith(signer, nil)} {
			if got := f.get("/", "Authorization", "Bearer "+raw); got.status != status {
				t.Errorf("%s: got %v, want %d", what, got, status)
			}
		}
	}
	want("before", 200)
	asked := i.asked()
	i.serve(nil)
	c := f.config
	c.Tokens.Issuers = append([]guard.Issuer{}, c.Tokens.Issuers...)
	c.Routes = []guard.Route{{Path: "/new", Public: true}}
	for range 3 {
		if err := f.guard.Reload(c); err != nil {
			t.Fatal(err)
		}
		want("issuer down at the reload", 200)
	}
	if n := i.asked() - asked; n != 0 {
		t.Errorf("the issuer was asked %d times for three reloads, want not at all", n)
	}
	c.Tokens.Issuers[0].Audiences = append([]string{"more"}, testAudience)
	if err := f.guard.Reload(c); err != nil {
		t.Fatal(err)
	}
	want("issuer's other settings changed", 200)
	c.Tokens.Issuers[0].JWKSURL = i.URL + "/elsewhere"
	if err := f.guard.Reload(c); err != nil {
		t.Fatal(err)
	}
	want("keys of another place", 503)
	i.serve(jwks(t, signer))
	eventually(t, "the keys of the other place", func() bool { return f.guard.Ready().Ready })
	want("when they came", 200)
}

// TestStreamsOutliveReload holds that a reload cuts no stream, even where its
// upstream is no longer one.
func TestStreamsOutliveReload(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		f := newFixture(t, nil)
		events := make(chan string)
		f.upstream.streams(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			for e := range events {
				_, _ = io.WriteString(w, e+"\n")
				_ = http.NewResponseController(w).Flush()
			}
		})
		res, err := f.client(h2, nil).Do(f.request("https", "GET", "/events", "", "Authorization", f.bearer()))
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(res.Body)
		for i := range 3 {
			events <- fmt.Sprint("event ", i)
			if line, err := in.ReadString('\n'); err != nil || line != fmt.Sprintf("event %d\n", i) {
				t.Fatalf("event %d: got %q, %v", i, line, err)
			}
			c := f.config
			c.Upstreams = []guard.Upstream{{Name: "second", URL: newUpstream(t).URL}}
			c.Tokens.Issuers = append([]guard.Issuer{}, c.Tokens.Issuers...)
			c.Tokens.Issuers[0].JWKS = jwks(t, newSigner(t, "other"))
			if err := f.guard.Reload(c); err != nil {
				t.Fatal(err)
			}
		}
		close(events)
		if rest, err := io.ReadAll(in); err != nil || len(rest) != 0 {
			t.Errorf("the end: got %q, %v", rest, err)
		}
		_ = res.Body.Close()
	}
}

// TestReloadSwapsIssuers holds that a remembered token keeps its issuer when
// the order of issuers changes.
func TestReloadSwapsIssuers(t *testing.T) {
	t.Parallel()
	const one, two = "https://one.example/", "https://two.example/"
	a, b := newParty(t, "ES256"), newParty(t, "HS256")
	f := newFixture(t, func(c *guard.Config) {
		c.Tokens.Issuers = []guard.Issuer{a.issuer(one), b.issuer(two)}
		c.Routes = []guard.Route{{Path: "/one", Issuers: []string{one}}, {Path: "/two", Issuers: []string{two}}}
	})
	raw := a.mint(f, map[string]any{"iss": one})
	for i := range 6 {
		if got := []int{f.get("/one", "Authorization", "Bearer "+raw).status, f.get("/two", "Authorization", "Bearer "+raw).status}; got[0] != 200 || got[1] != 401 {
			t.Errorf("after %d reloads: got %v, want [200 401]", i, got)
		}
		c := f.config
		c.Tokens.Issuers = []guard.Issuer{b.issuer(two), a.issuer(one)}
		if i%2 == 1 {
			c = f.config
		}
		if err := f.guard.Reload(c); err != nil {
			t.Fatal(err)
		}
	}
}

// TestConfigIsCopied holds that what its owner does to a Config later changes
// nothing.
func TestConfigIsCopied(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Routes = []guard.Route{{Path: "/scoped", Scopes: []string{"a"}, Methods: []string{"GET"}, Issuers: []string{testIssuer}}}
	})
	r := &f.config.Routes[0]
	r.Scopes[0], r.Methods[0], r.Issuers[0] = "b", "POST", "nobody"
	i := &f.config.Tokens.Issuers[0]
	i.Audiences[0], i.Algorithms[0], i.Issuer = "other", "RS256", "nobody"
	f.config.Hosts[0] = "elsewhere.example.com"
	clear(i.JWKS)
	raw := f.mint(map[string]any{"scope": "a"})
	for range 2 {
		if got := f.get("/scoped", "Authorization", "Bearer "+raw); got.status != 200 {
			t.Errorf("got %v, want 200", got)
		}
	}
}
