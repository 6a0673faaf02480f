package guard_test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/keyset"
)

// fastAPISecret stands in a tutorial that many have copied.
const fastAPISecret = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"

// goodConfig has nothing wrong with it.
func goodConfig() guard.Config {
	return guard.Config{
		Hosts: []string{testHost},
		Tokens: guard.Tokens{Issuers: []guard.Issuer{{
			Issuer: testIssuer, Audiences: []string{testAudience}, JWKSURL: "https://id.example.com/jwks",
		}}},
		Upstreams: []guard.Upstream{{Name: "app", URL: "http://127.0.0.1:8000"}},
	}
}

// mistakes are all that Check knows, each made once.
var mistakes = []struct {
	name   string
	change func(*guard.Config)
	path   string
	what   string // part of Problem.What
}{
	{"mode", func(c *guard.Config) { c.Mode = "log" }, "mode", `unknown mode "log"`},
	{"observe", func(c *guard.Config) { c.Observe = []guard.Rule{"scopes", "nothing"} }, "observe[1]", `unknown rule "nothing"`},
	{"no hosts", func(c *guard.Config) { c.Hosts = nil }, "hosts", "no host is allowed"},
	{"host with a scheme", func(c *guard.Config) { c.Hosts = []string{testHost, "https://x.example"} }, "hosts[1]", "is not a host name"},
	{"host with a wildcard", func(c *guard.Config) { c.Hosts = []string{"*.example.com"} }, "hosts[0]", "is not a host name"},
	{"host with a trailing dot", func(c *guard.Config) { c.Hosts = []string{"example.com."} }, "hosts[0]", "is not a host name"},
	{"host with port 0", func(c *guard.Config) { c.Hosts = []string{"example.com:0"} }, "hosts[0]", "is not a host name"},
	{"host with a high port", func(c *guard.Config) { c.Hosts = []string{"example.com:70000"} }, "hosts[0]", "is not a host name"},
	{"IPv6 host without brackets", func(c *guard.Config) { c.Hosts = []string{"::1"} }, "hosts[0]", "is not a host name"},
	{"risk", func(c *guard.Config) { c.AcceptRisk = []string{"jwt.alg-none"} }, "accept_risk[0]", `"jwt.alg-none" opens nothing`},
	{"plaintext token", func(c *guard.Config) { c.PlaintextToken = "keep" }, "plaintext_token", `unknown value "keep"`},
	{"redirect port", func(c *guard.Config) { c.RedirectPort = 65536 }, "redirect_port", "is not a port"},
	{"negative redirect port", func(c *guard.Config) { c.RedirectPort = -1 }, "redirect_port", "is not a port"},
	{"HSTS", func(c *guard.Config) { c.HSTS.MaxAge = -1 }, "tls.hsts.max_age", "is negative"},
	{"staleness", func(c *guard.Config) { c.StoreStaleness = -1 }, "store_staleness", "is negative"},
	{"negative rate", func(c *guard.Config) { c.RateLimit.AuthFailures.Count = -1 }, "rate_limit.auth_failures", "is not a rate"},
	{"rate without a time", func(c *guard.Config) { c.RateLimit.AuthFailures.Count = 1 }, "rate_limit.auth_failures", "is not a rate"},
	{"rate beyond the clock", func(c *guard.Config) { c.RateLimit.AuthFailures = guard.Rate{Count: 10, Per: 1} }, "rate_limit.auth_failures", "is not a rate"},

	{"source", func(c *guard.Config) { c.Tokens.Sources = []string{"body"} }, "tokens.sources[0]", "unknown token source"},
	{"cookie without a name", func(c *guard.Config) { c.Tokens.Sources = []string{"cookie:"} }, "tokens.sources[0]", "unknown token source"},
	{"cookie of an impossible name", func(c *guard.Config) { c.Tokens.Sources = []string{"cookie:a b"} }, "tokens.sources[0]", "unknown token source"},
	{"source twice", func(c *guard.Config) { c.Tokens.Sources = []string{"header", "header"} }, "tokens.sources[1]", "is named twice"},
	{"URL", func(c *guard.Config) { c.Tokens.Sources = []string{"query:t"} }, "tokens.sources[0]", "a token in a URL"},
	{"negative leeway", func(c *guard.Config) { c.Tokens.Leeway = -time.Second }, "tokens.leeway", "is negative"},
	{"long leeway", func(c *guard.Config) { c.Tokens.Leeway = time.Hour }, "tokens.leeway", "long after their end"},
	{"negative size", func(c *guard.Config) { c.Tokens.MaxSize = -1 }, "tokens.max_size", "is negative"},
	{"size over the header's", func(c *guard.Config) { c.Tokens.MaxSize = 1 << 20 }, "tokens.max_size", "more than the header limit"},
	{"cache", func(c *guard.Config) { c.Tokens.Cache = -1 }, "tokens.cache", "is negative"},
	{"binding", func(c *guard.Config) { c.Tokens.Binding = "strict" }, "tokens.binding", "unknown value"},
	{"forward", func(c *guard.Config) { c.Tokens.Forward = "all" }, "tokens.forward", "unknown value"},
	{"no issuer", func(c *guard.Config) { c.Tokens.Issuers = nil }, "tokens.issuers", "is empty"},
	{"issuer twice", func(c *guard.Config) { c.Tokens.Issuers = append(c.Tokens.Issuers, c.Tokens.Issuers[0]) }, "tokens.issuers[1].issuer", "is named twice"},

	{"no iss", issuer(func(i *guard.Issuer) { i.Issuer = "" }), "tokens.issuers[0].issuer", "without an issuer"},
	{"no aud", issuer(func(i *guard.Issuer) { i.Audiences = nil }), "tokens.issuers[0].audiences", "without an audience"},
	{"empty aud", issuer(func(i *guard.Issuer) { i.Audiences = []string{"a", ""} }), "tokens.issuers[0].audiences", "an audience is empty"},
	{"none", issuer(func(i *guard.Issuer) { i.Algorithms = []string{"RS256", "none"} }), "tokens.issuers[0].algorithms[1]", "unsigned tokens are never accepted"},
	{"None", issuer(func(i *guard.Issuer) { i.Algorithms = []string{"RS256", "NoNe"} }), "tokens.issuers[0].algorithms[1]", "unsigned tokens are never accepted"},
	{"unknown algorithm", issuer(func(i *guard.Issuer) { i.Algorithms = []string{"rs256"} }), "tokens.issuers[0].algorithms[0]", "unknown algorithm"},
	{"HMAC beside others", issuer(func(i *guard.Issuer) { i.Algorithms = []string{"HS256", "RS256"} }), "tokens.issuers[0].algorithms", "beside other algorithms"},
	{"HMAC without a secret", issuer(func(i *guard.Issuer) { i.Algorithms = []string{"HS256"} }), "tokens.issuers[0].algorithms", "needs a shared secret"},
	{"secret for a public key", issuer(func(i *guard.Issuer) { i.JWKSURL, i.Secret, i.Algorithms = "", []byte("x"), []string{"RS256"} }), "tokens.issuers[0].algorithms", "a shared secret cannot verify"},
	{"no keys", issuer(func(i *guard.Issuer) { i.JWKSURL = "" }), "tokens.issuers[0]", "has no keys"},
	{"two sources of keys", issuer(func(i *guard.Issuer) { i.JWKS = []byte("{}") }), "tokens.issuers[0]", "more than one source"},
	{"keys of the process beside others", issuer(func(i *guard.Issuer) { i.Keys = keyset.Static(nil) }), "tokens.issuers[0]", "more than one source"},
	{"keys over http", issuer(func(i *guard.Issuer) { i.JWKSURL = "http://id.example.com/jwks" }), "tokens.issuers[0].jwks_url", "keys that come over plain http"},
	{"keys over ftp", issuer(func(i *guard.Issuer) { i.JWKSURL = "ftp://id.example.com/jwks" }), "tokens.issuers[0].jwks_url", `scheme "ftp"`},
	{"keys from nowhere", issuer(func(i *guard.Issuer) { i.JWKSURL = "id.example.com" }), "tokens.issuers[0].jwks_url", "is not a URL"},
	{"keys with a password", issuer(func(i *guard.Issuer) { i.JWKSURL = "https://u:p@id.example.com/" }), "tokens.issuers[0].jwks_url", "user name or password"},
	{"keys with a fragment", issuer(func(i *guard.Issuer) { i.JWKSURL = "https://id.example.com/#x" }), "tokens.issuers[0].jwks_url", "fragment"},
	{"discovery of a name", issuer(func(i *guard.Issuer) { i.JWKSURL, i.Discovery, i.Issuer = "", true, "my-issuer" }), "tokens.issuers[0].discovery", "needs an issuer that is a URL"},
	{"discovery over http", issuer(func(i *guard.Issuer) { i.JWKSURL, i.Discovery, i.Issuer = "", true, "http://id.example.com" }), "tokens.issuers[0].discovery", "plain http"},
	{"no exp", issuer(func(i *guard.Issuer) { i.Require = []string{"sub"} }), "tokens.issuers[0].require", "good for ever"},
	{"empty claim", issuer(func(i *guard.Issuer) { i.Require = []string{"exp", ""} }), "tokens.issuers[0].require", "claim name is empty"},
	{"empty type", issuer(func(i *guard.Issuer) { i.Types = []string{""} }), "tokens.issuers[0].types", "a type is empty"},
	{"negative life", issuer(func(i *guard.Issuer) { i.MaxLifetime = -1 }), "tokens.issuers[0].max_lifetime", "is negative"},
	{"long life", issuer(func(i *guard.Issuer) { i.MaxLifetime = 25 * time.Hour }), "tokens.issuers[0].max_lifetime", "serves a thief as long"},

	{"upstream without a name", upstreamOf(func(u *guard.Upstream) { u.Name = "" }), "upstreams[0].name", "is missing"},
	{"upstream twice", func(c *guard.Config) { c.Upstreams = append(c.Upstreams, c.Upstreams[0]) }, "upstreams[1].name", "is named twice"},
	{"negative timeout", upstreamOf(func(u *guard.Upstream) { u.Timeout = -1 }), "upstreams[0].timeout", "is negative"},
	{"upstream that is no URL", upstreamOf(func(u *guard.Upstream) { u.URL = "http://[" }), "upstreams[0].url", "is not a URL"},
	{"upstream without a scheme", upstreamOf(func(u *guard.Upstream) { u.URL = "127.0.0.1" }), "upstreams[0].url", "is not an upstream"},
	{"upstream of a relative socket", upstreamOf(func(u *guard.Upstream) { u.URL = "unix://app.sock" }), "upstreams[0].url", "is not an upstream"},
	{"upstream with a password", upstreamOf(func(u *guard.Upstream) { u.URL = "http://u:p@127.0.0.1" }), "upstreams[0].url", "user name or password"},
	{"upstream with a path", upstreamOf(func(u *guard.Upstream) { u.URL = "http://127.0.0.1/api" }), "upstreams[0].url", "path or a query"},
	{"upstream on port 0", upstreamOf(func(u *guard.Upstream) { u.URL = "http://127.0.0.1:0" }), "upstreams[0].url", "is not a port"},
	{"upstream in clear", upstreamOf(func(u *guard.Upstream) { u.URL = "http://app.example.com" }), "upstreams[0].url", "clear text"},
	{"upstream in clear that looks like loopback", upstreamOf(func(u *guard.Upstream) { u.URL = "http://127.0.0.1.example.com" }), "upstreams[0].url", "clear text"},
	{"upstream in clear, told so there alone", upstreamOf(func(u *guard.Upstream) { u.URL, u.Insecure = "http://app.example.com", true }), "upstreams[0].url", "clear text"},
	{"upstream in clear, told so at the top alone", func(c *guard.Config) {
		c.AcceptRisk = []string{"transport.token-over-http"}
		c.Upstreams[0].URL = "http://app.example.com"
	}, "upstreams[0].url", "clear text"},
	{"unverified upstream", upstreamOf(func(u *guard.Upstream) { u.URL, u.Insecure = "https://app.example.com", true }), "upstreams[0].insecure", "unverified certificate"},

	{"relative route", route(guard.Route{Path: "x"}), "routes[0].path", "does not begin with a slash"},
	{"empty route", route(guard.Route{}), "routes[0].path", "does not begin with a slash"},
	{"star within a route", route(guard.Route{Path: "/a/*/b"}), "routes[0].path", "not its last segment"},
	{"star behind letters", route(guard.Route{Path: "/a*"}), "routes[0].path", "not its last segment"},
	{"query of a route", route(guard.Route{Path: "/a?b"}), "routes[0].path", "query or a fragment"},
	{"escape in a route", route(guard.Route{Path: "/a%20b"}), "routes[0].path", "percent sign"},
	{"dots in a route", route(guard.Route{Path: "/a/../b"}), "routes[0].path", "could never match"},
	{"two slashes in a route", route(guard.Route{Path: "/a//b"}), "routes[0].path", "could never match"},
	{"semicolon in a route", route(guard.Route{Path: "/a;b"}), "routes[0].path", "could never match"},
	{"route twice", func(c *guard.Config) { c.Routes = []guard.Route{{Path: "/a"}, {Path: "/a/"}} }, "routes[1].path", "is named twice"},
	{"tree twice", func(c *guard.Config) { c.Routes = []guard.Route{{Path: "/a/*"}, {Path: "/a/*"}} }, "routes[1].path", "is named twice"},
	{"method in small letters", route(guard.Route{Path: "/a", Methods: []string{"GET", "post"}}), "routes[0].methods[1]", "is not a method"},
	{"TRACE", route(guard.Route{Path: "/a", Methods: []string{"TRACE"}}), "routes[0].methods[0]", "is not a method"},
	{"public with scopes", route(guard.Route{Path: "/a", Public: true, Scopes: []string{"x"}}), "routes[0].public", "needs no token"},
	{"public and once", route(guard.Route{Path: "/a", Public: true, Once: true}), "routes[0].public", "needs no token"},
	{"public with issuers", route(guard.Route{Path: "/a", Public: true, Issuers: []string{testIssuer}}), "routes[0].public", "needs no token"},
	{"public and bound", route(guard.Route{Path: "/a", Public: true, Binding: guard.BindingRequired}), "routes[0].public", "needs no token"},
	{"two scopes in one", route(guard.Route{Path: "/a", Scopes: []string{"x y"}}), "routes[0].scopes[0]", "is not a scope"},
	{"scope that ends the challenge", route(guard.Route{Path: "/a", Scopes: []string{`x", error="`}}), "routes[0].scopes[0]", "is not a scope"},
	{"unknown issuer", route(guard.Route{Path: "/a", Issuers: []string{"x"}}), "routes[0].issuers[0]", "no issuer"},
	{"binding of a route", route(guard.Route{Path: "/a", Binding: "x"}), "routes[0].binding", "unknown value"},
	{"unknown upstream", route(guard.Route{Path: "/a", Upstream: "x"}), "routes[0].upstream", "no upstream"},

	{"no origins", corsWith(guard.CORS{}), "cors.origins", "is empty"},
	{"origin twice", corsWith(guard.CORS{Origins: []string{appOrigin, appOrigin}}), "cors.origins[1]", "is named twice"},
	{"any origin", corsWith(guard.CORS{Origins: []string{"*"}}), "cors.origins[0]", "lets every site read"},
	{"any origin with credentials", corsWith(guard.CORS{Origins: []string{"*"}, Credentials: true}), "cors.origins[0]", "lets every site act"},
	{"null", corsWith(guard.CORS{Origins: []string{"null"}}), "cors.origins[0]", "every sandboxed page"},
	{"origin without a scheme", corsWith(guard.CORS{Origins: []string{"app.example.com"}}), "cors.origins[0]", "is not an origin"},
	{"origin with a path", corsWith(guard.CORS{Origins: []string{appOrigin + "/x"}}), "cors.origins[0]", "more than scheme"},
	{"origin with a slash", corsWith(guard.CORS{Origins: []string{appOrigin + "/"}}), "cors.origins[0]", "more than scheme"},
	{"origin with a user", corsWith(guard.CORS{Origins: []string{"https://u@app.example.com"}}), "cors.origins[0]", "more than scheme"},
	{"origin with a wildcard", corsWith(guard.CORS{Origins: []string{"https://*.example.com"}}), "cors.origins[0]", "has a wildcard"},
	{"origin in capitals", corsWith(guard.CORS{Origins: []string{"https://App.example.com"}}), "cors.origins[0]", "has capitals"},
	{"origin in clear", corsWith(guard.CORS{Origins: []string{"http://app.example.com"}}), "cors.origins[0]", "plain-http origin"},
	{"origin with the default port", corsWith(guard.CORS{Origins: []string{appOrigin + ":443"}}), "cors.origins[0]", "default port"},
	{"origin with a high port", corsWith(guard.CORS{Origins: []string{appOrigin + ":70000"}}), "cors.origins[0]", "is not a port"},
	{"CORS method", corsWith(guard.CORS{Origins: []string{appOrigin}, Methods: []string{"*"}}), "cors.methods[0]", "is not a method"},
	{"request header", corsWith(guard.CORS{Origins: []string{appOrigin}, RequestHeaders: []string{"*"}}), "cors.request_headers[0]", "is not a header name"},
	{"response header", corsWith(guard.CORS{Origins: []string{appOrigin}, ResponseHeaders: []string{"X-A\r\nX-B"}}), "cors.response_headers[0]", "is not a header name"},
	{"negative age", corsWith(guard.CORS{Origins: []string{appOrigin}, MaxAge: -1}), "cors.max_age", "is negative"},
}

func issuer(change func(*guard.Issuer)) func(*guard.Config) {
	return func(c *guard.Config) { change(&c.Tokens.Issuers[0]) }
}

func upstreamOf(change func(*guard.Upstream)) func(*guard.Config) {
	return func(c *guard.Config) { change(&c.Upstreams[0]) }
}

func route(r guard.Route) func(*guard.Config) {
	return func(c *guard.Config) { c.Routes = []guard.Route{r} }
}

func corsWith(cors guard.CORS) func(*guard.Config) {
	return func(c *guard.Config) { c.CORS = &cors }
}

// TestCheck makes every mistake once, alone, and holds that it is the one that
// is told, with what to write instead, and that no Guard starts on it.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			cfg := goodConfig()
			m.change(&cfg)
			problems := guard.Check(cfg)
			if len(problems) != 1 {
				t.Fatalf("got %v, want one problem", problems)
			}
			p := problems[0]
			if p.Path != m.path || !strings.Contains(p.What, m.what) || p.Instead == "" {
				t.Errorf("got %v, want %s: …%s…; and what to write instead", p, m.path, m.what)
			}
			g, err := guard.New(cfg)
			var told guard.Problems
			if err == nil {
				_ = g.Close()
				t.Fatal("a Guard started on it")
			}
			if !errors.As(err, &told) || !cmp.Equal([]guard.Problem(told), problems) {
				t.Errorf("New says %v, Check says %v", err, problems)
			}
		})
	}
}

// TestEveryMistakeIsMade holds that the table above has a row for each place
// where Check finds fault.
func TestEveryMistakeIsMade(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("check.go")
	if err != nil {
		t.Fatal(err)
	}
	places := len(regexp.MustCompile(`c\.(add|needs)\(`).FindAll(source, -1))
	if len(mistakes) < places {
		t.Errorf("%d mistakes are made, but check.go finds fault at %d places", len(mistakes), places)
	}
}

// TestGoodConfigs holds what is no mistake.
func TestGoodConfigs(t *testing.T) {
	t.Parallel()
	accept := func(change func(*guard.Config), risks ...string) func(*guard.Config) {
		return func(c *guard.Config) { change(c); c.AcceptRisk = risks }
	}
	for name, change := range map[string]func(*guard.Config){
		"as it is":               func(*guard.Config) {},
		"all public":             func(c *guard.Config) { c.Tokens.Issuers, c.Routes = nil, []guard.Route{{Path: "/*", Public: true}} },
		"keys on loopback":       issuer(func(i *guard.Issuer) { i.JWKSURL = "http://localhost:8080/jwks" }),
		"discovery":              issuer(func(i *guard.Issuer) { i.JWKSURL, i.Discovery = "", true }),
		"Ed25519":                issuer(func(i *guard.Issuer) { i.Algorithms = []string{"Ed25519"} }),
		"a socket":               upstreamOf(func(u *guard.Upstream) { u.URL = "unix:///run/app.sock" }),
		"h2c on loopback":        upstreamOf(func(u *guard.Upstream) { u.URL = "h2c://[::1]:50051" }),
		"https":                  upstreamOf(func(u *guard.Upstream) { u.URL = "https://app.example.com" }),
		"no aud, accepted":       accept(issuer(func(i *guard.Issuer) { i.Audiences = nil }), "jwt.audience-unchecked"),
		"no iss, accepted":       accept(issuer(func(i *guard.Issuer) { i.Issuer = "" }), "jwt.issuer-unchecked"),
		"no exp, accepted":       accept(issuer(func(i *guard.Issuer) { i.Require = []string{"sub"} }), "jwt.no-expiry"),
		"long life, accepted":    accept(issuer(func(i *guard.Issuer) { i.MaxLifetime = 48 * time.Hour }), "jwt.long-lived"),
		"URL, accepted":          accept(func(c *guard.Config) { c.Tokens.Sources = []string{"query:t"} }, "jwt.token-in-url"),
		"any origin, accepted":   accept(corsWith(guard.CORS{Origins: []string{"*"}, Credentials: true}), "cors.wildcard"),
		"clear, accepted":        accept(upstreamOf(func(u *guard.Upstream) { u.URL, u.Insecure = "http://app.example.com", true }), "transport.token-over-http"),
		"unverified, accepted":   accept(upstreamOf(func(u *guard.Upstream) { u.URL, u.Insecure = "https://app.example.com", true }), "tls.cert-untrusted"),
		"tree beside its root":   func(c *guard.Config) { c.Routes = []guard.Route{{Path: "/a"}, {Path: "/a/*"}, {Path: "/*"}} },
		"route of other letters": route(guard.Route{Path: "/ä/b c"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := goodConfig()
			change(&cfg)
			if problems := guard.Check(cfg); len(problems) > 0 {
				t.Errorf("got %v, want no problem", problems)
			}
		})
	}
}

// TestAllMistakesAtOnce holds that one run tells all of them.
func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	cfg := guard.Config{Mode: "x", RedirectPort: -1, Tokens: guard.Tokens{Leeway: -1}, Upstreams: []guard.Upstream{{}}, Routes: []guard.Route{{}}, CORS: &guard.CORS{}}
	var paths []string
	for _, p := range guard.Check(cfg) {
		paths = append(paths, p.Path)
	}
	want := []string{"mode", "hosts", "redirect_port", "tokens.leeway", "tokens.issuers", "upstreams[0].name", "upstreams[0].url", "routes[0].path", "cors.origins"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestNothingOpensNone holds that unsigned tokens stay out whatever is accepted.
func TestNothingOpensNone(t *testing.T) {
	t.Parallel()
	cfg := goodConfig()
	cfg.AcceptRisk = guard.Risks()
	cfg.Tokens.Issuers[0].Algorithms = []string{"none"}
	if problems := guard.Check(cfg); len(problems) != 1 {
		t.Errorf("got %v, want one problem", problems)
	}
}

// TestWhatOnlyNewFinds are mistakes that show when keys are read.
func TestWhatOnlyNewFinds(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*guard.Issuer){
		"key set that is no JSON":      func(i *guard.Issuer) { i.JWKS = []byte("x") },
		"key set without a usable key": func(i *guard.Issuer) { i.JWKS = []byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`) },
		"short secret":                 func(i *guard.Issuer) { i.Secret = []byte("short") },
		"published secret":             func(i *guard.Issuer) { i.Secret = []byte(fastAPISecret) },
		"empty secret":                 func(i *guard.Issuer) { i.Secret = []byte{} },
	} {
		cfg := goodConfig()
		cfg.Tokens.Issuers[0].JWKSURL = ""
		change(&cfg.Tokens.Issuers[0])
		g, err := guard.New(cfg)
		var problems guard.Problems
		if err == nil {
			_ = g.Close()
			t.Errorf("%s: a Guard started on it", name)
		} else if !errors.As(err, &problems) || !strings.HasPrefix(problems[0].Path, "tokens.issuers[0]") {
			t.Errorf("%s: got %v, want a problem of tokens.issuers[0]", name, err)
		}
	}
}

// TestReload holds that a bad configuration changes nothing and a good one
// counts at once.
func TestReload(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	bearer := f.bearer()
	bad := f.config
	bad.Hosts = nil
	if err := f.guard.Reload(bad); err == nil {
		t.Error("a configuration without hosts was taken")
	}
	if got := f.get("/items", "Authorization", bearer); got.status != 200 {
		t.Errorf("after a bad reload: got %v, want 200", got)
	}
	good := f.config
	good.Routes = []guard.Route{{Path: "/items", Scopes: []string{"admin"}}}
	if err := f.guard.Reload(good); err != nil {
		t.Fatal(err)
	}
	if got := f.get("/items", "Authorization", bearer); got.status != 403 {
		t.Errorf("after a reload with a scope: got %v, want 403", got)
	}
	good.Routes, good.Hosts = nil, []string{"www.example.com"}
	if err := f.guard.Reload(good); err != nil {
		t.Fatal(err)
	}
	if got := f.get("/items", "Authorization", bearer); got.status != 400 {
		t.Errorf("after a reload without the host: got %v, want 400", got)
	}
}
