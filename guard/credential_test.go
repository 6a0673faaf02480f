package guard_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// TestSources holds that a token is read from its one place and from no other.
func TestSources(t *testing.T) {
	t.Parallel()
	const header, cookie, both, query, all = "header", "cookie", "header and cookie", "header and query", "cookie and query"
	sources := map[string][]string{
		header: nil, cookie: {"cookie:session"}, both: {"header", "cookie:session"},
		query: {"header", "query:jwt"}, all: {"cookie:session", "query:jwt"},
	}
	fixtures := map[string]*fixture{}
	for name, s := range sources {
		fixtures[name] = newFixture(t, func(c *guard.Config) {
			c.RateLimit = neverLimited
			c.Tokens.Sources = s
			c.AcceptRisk = []string{"jwt.token-in-url"}
		})
	}
	type ask = []string // header names and values; $T is a good token, $U another one
	for _, c := range []struct {
		name, sources string
		path          string
		header        ask
		status        int
		detail        string
	}{
		{"header", header, "/", ask{"Authorization", "Bearer $T"}, 200, ""},
		{"scheme in small letters", header, "/", ask{"Authorization", "bearer $T"}, 200, ""},
		{"scheme in capitals", header, "/", ask{"Authorization", "BEARER $T"}, 200, ""},
		{"two spaces", header, "/", ask{"Authorization", "Bearer  $T"}, 200, ""},
		{"tab", header, "/", ask{"Authorization", "Bearer\t$T"}, 200, ""},
		{"nothing", header, "/", nil, 401, "Not authenticated"},
		{"other scheme", header, "/", ask{"Authorization", "Basic dTpw"}, 401, "Not authenticated"},
		{"scheme alone", header, "/", ask{"Authorization", "Bearer"}, 401, "Invalid token"},
		{"token alone", header, "/", ask{"Authorization", "$T"}, 401, "Not authenticated"},
		{"scheme with a colon", header, "/", ask{"Authorization", "Bearer: $T"}, 401, "Not authenticated"},
		{"quoted", header, "/", ask{"Authorization", `Bearer "$T"`}, 401, "Invalid token"},
		{"token68 padding", header, "/", ask{"Authorization", "Bearer $T="}, 401, "Invalid token"},
		{"DPoP scheme without a binding", header, "/", ask{"Authorization", "DPoP $T"}, 401, "Invalid token"},
		{"proxy's header", header, "/", ask{"Proxy-Authorization", "Bearer $T"}, 401, "Not authenticated"},
		{"own header", header, "/", ask{"X-Access-Token", "$T"}, 401, "Not authenticated"},
		{"header with an underscore", header, "/", ask{"Authorization_", "Bearer $T"}, 401, "Not authenticated"},
		{"cookie where only the header counts", header, "/", ask{"Cookie", "session=$T"}, 401, "Not authenticated"},
		{"two headers", header, "/", ask{"Authorization", "Bearer $T", "Authorization", "Bearer $U"}, 400, "Invalid request"},
		{"the same header twice", header, "/", ask{"Authorization", "Bearer $T", "Authorization", "Bearer $T"}, 400, "Invalid request"},
		{"Basic and Bearer", header, "/", ask{"Authorization", "Basic dTpw", "Authorization", "Bearer $T"}, 400, "Invalid request"},
		{"an empty header and a good one", header, "/", ask{"Authorization", "", "Authorization", "Bearer $T"}, 400, "Invalid request"},
		{"two tokens in a header", header, "/", ask{"Authorization", "Bearer $T, Bearer $U"}, 400, "Invalid request"},
		{"two tokens joined by a comma", header, "/", ask{"Authorization", "Bearer $T,$U"}, 400, "Invalid request"},
		{"parameters behind the token", header, "/", ask{"Authorization", "Bearer $T realm=x"}, 400, "Invalid request"},

		{"query alone", header, "/?access_token=$T", nil, 401, "Not authenticated"},
		{"query under its usual names", header, "/?token=$T&jwt=$T&id_token=$T", nil, 401, "Not authenticated"},
		{"header and query", header, "/?access_token=$U", ask{"Authorization", "Bearer $T"}, 400, "Invalid request"},
		{"header and opaque query", header, "/?access_token=x", ask{"Authorization", "Bearer $T"}, 400, "Invalid request"},
		{"header and query behind others", header, "/?a=b&access_token=$U&c", ask{"Authorization", "Bearer $T"}, 400, "Invalid request"},
		{"header and escaped name", header, "/?access%5Ftoken=$U", ask{"Authorization", "Bearer $T"}, 400, "Invalid request"},
		{"header and name in capitals", header, "/?ACCESS_TOKEN=$U", ask{"Authorization", "Bearer $T"}, 400, "Invalid request"},
		{"header and jwt", header, "/?jwt=$U", ask{"Authorization", "Bearer $T"}, 400, "Invalid request"},
		{"header and a token that is no JWT", header, "/?token=csrf", ask{"Authorization", "Bearer $T"}, 200, ""},
		{"header and an empty parameter", header, "/?access_token=", ask{"Authorization", "Bearer $T"}, 200, ""},
		{"Basic and query", header, "/?access_token=$U", ask{"Authorization", "Basic dTpw"}, 400, "Invalid request"},

		{"cookie", cookie, "/", ask{"Cookie", "session=$T"}, 200, ""},
		{"cookie among others", cookie, "/", ask{"Cookie", "a=b; session=$T; c=d"}, 200, ""},
		{"cookie twice", cookie, "/", ask{"Cookie", "session=$T; session=$U"}, 400, "Invalid request"},
		{"cookie in two headers", cookie, "/", ask{"Cookie", "session=$T", "Cookie", "session=$U"}, 400, "Invalid request"},
		{"cookie in other case", cookie, "/", ask{"Cookie", "Session=$T"}, 401, "Not authenticated"},
		{"empty cookie", cookie, "/", ask{"Cookie", "session="}, 401, "Not authenticated"},
		{"header where only the cookie counts", cookie, "/", ask{"Authorization", "Bearer $T"}, 401, "Not authenticated"},
		{"header beside the cookie that counts", cookie, "/", ask{"Authorization", "Bearer $U", "Cookie", "session=$T"}, 400, "Invalid request"},

		{"either: header", both, "/", ask{"Authorization", "Bearer $T"}, 200, ""},
		{"either: cookie", both, "/", ask{"Cookie", "session=$T"}, 200, ""},
		{"header and cookie", both, "/", ask{"Authorization", "Bearer $T", "Cookie", "session=$U"}, 400, "Invalid request"},
		{"the same in header and cookie", both, "/", ask{"Authorization", "Bearer $T", "Cookie", "session=$T"}, 400, "Invalid request"},

		{"accepted query", query, "/?jwt=$T", nil, 200, ""},
		{"accepted query twice", query, "/?jwt=$T&jwt=$U", nil, 400, "Invalid request"},
		{"accepted query beside a header", query, "/?jwt=$U", ask{"Authorization", "Bearer $T"}, 400, "Invalid request"},
		{"a query that was not accepted", query, "/?access_token=$T", nil, 401, "Not authenticated"},
		{"a query that cannot be parsed", query, "/?jwt=$T&a=%zz", nil, 400, "Invalid request"},
		{"accepted query beside a cookie", all, "/?jwt=$U", ask{"Cookie", "session=$T"}, 400, "Invalid request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := fixtures[c.sources]
			fill := strings.NewReplacer("$T", f.mint(nil), "$U", f.mint(map[string]any{"sub": "bob"}))
			header := slices.Clone(c.header)
			for i := range header {
				header[i] = fill.Replace(header[i])
			}
			got := f.get(fill.Replace(c.path), header...)
			if got.status != c.status || got.problem().Detail != c.detail {
				t.Errorf("got %v, want %d %s", got, c.status, c.detail)
			}
			if want := `Bearer error="invalid_request"`; c.status == 400 && got.header.Get("WWW-Authenticate") != want {
				t.Errorf("got challenge %q, want %q", got.header.Get("WWW-Authenticate"), want)
			}
			if c.status != 200 {
				if rule, _ := f.refusal(got); rule != "token" && rule != "binding" {
					t.Errorf("rule is %q, want token", rule)
				}
			}
		})
	}
}

// TestUnusedSourceGoesNoFurther holds that an upstream never sees a token in a
// place where the guard does not look.
func TestUnusedSourceGoesNoFurther(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Tokens.Sources = []string{"cookie:session"}
		c.Routes = []guard.Route{{Path: "/open", Public: true}}
	})
	if got := f.get("/open", "Authorization", f.bearer()); got.status != 200 {
		t.Fatalf("got %v", got)
	}
	if v := f.upstream.last(t).header["Authorization"]; v != nil {
		t.Errorf("upstream got Authorization %q", v)
	}
}

// TestPublicRoutes holds that a public route needs no token, and that a token
// which nobody vouches for does not reach its upstream.
func TestPublicRoutes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.Tokens.Sources = []string{"header", "cookie:session", "query:jwt"}
		c.AcceptRisk = []string{"jwt.token-in-url"}
		c.Routes = []guard.Route{{Path: "/open/*", Public: true}}
		c.RateLimit.AuthFailures = guard.Rate{Count: 1, Per: time.Hour}
	})
	good := f.mint(nil)
	revoked := f.mint(map[string]any{"jti": "revoked"})
	if err := f.guard.Revoke(t.Context(), guard.Revocation{JTI: "revoked"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the revocation", func() bool { return f.get("/items", "Authorization", "Bearer "+revoked).status == 401 })
	forged := good[:len(good)-4] + "AAAA"
	expired := f.mint(map[string]any{"iat": f.clock.now().Add(-time.Hour).Unix(), "exp": f.clock.now().Add(-time.Minute).Unix()})
	bound := f.mint(map[string]any{"cnf": map[string]any{"jkt": base64url(make([]byte, 32))}})
	for _, c := range []struct {
		name, path   string
		header       []string
		want, cookie string // what the upstream gets
		target       string
	}{
		{"no token", "/open/a", nil, "", "", "/open/a"},
		{"good token", "/open/a", []string{"Authorization", "Bearer " + good}, "Bearer " + good, "", "/open/a"},
		{"forged token", "/open/a", []string{"Authorization", "Bearer " + forged}, "", "", "/open/a"},
		{"forged token behind a tab", "/open/a", []string{"Authorization", "Bearer\t" + forged}, "", "", "/open/a"},
		{"expired token", "/open/a", []string{"Authorization", "Bearer " + expired}, "", "", "/open/a"},
		{"revoked token", "/open/a", []string{"Authorization", "Bearer " + revoked}, "", "", "/open/a"},
		{"bound token without its proof", "/open/a", []string{"Authorization", "DPoP " + bound}, "", "", "/open/a"},
		{"bound token under Bearer", "/open/a", []string{"Authorization", "Bearer " + bound}, "", "", "/open/a"},
		{"unsigned token", "/open/a", []string{"Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."}, "", "", "/open/a"},
		{"opaque token", "/open/a", []string{"Authorization", "Bearer 2YotnFZFEjr1zCsicMWpAA"}, "Bearer 2YotnFZFEjr1zCsicMWpAA", "", "/open/a"},
		{"Basic", "/open/a", []string{"Authorization", "Basic dTpw"}, "Basic dTpw", "", "/open/a"},
		{"good cookie", "/open/a", []string{"Cookie", "a=b; session=" + good}, "", "a=b; session=" + good, "/open/a"},
		{"forged cookie", "/open/a", []string{"Cookie", "a=b; session=" + forged + "; c=d"}, "", "a=b; c=d", "/open/a"},
		{"forged query", "/open/a?x=1&jwt=" + forged + "&y=2", nil, "", "", "/open/a?x=1&y=2"},
		{"forged query alone", "/open/a?jwt=" + forged, nil, "", "", "/open/a"},
		{"good query", "/open/a?jwt=" + good, nil, "", "", "/open/a?jwt=" + good},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := f.get(c.path, c.header...)
			if got.status != 200 {
				t.Fatalf("got %v, want 200", got)
			}
			up := f.upstream.last(t)
			if a := up.header.Get("Authorization"); a != c.want {
				t.Errorf("upstream got Authorization %q, want %q", a, c.want)
			}
			if a := up.header.Get("Cookie"); a != c.cookie {
				t.Errorf("upstream got Cookie %q, want %q", a, c.cookie)
			}
			if up.target != c.target {
				t.Errorf("upstream got target %q, want %q", up.target, c.target)
			}
		})
	}
}

// TestQueryTokenGoesNoFurther holds that forward takes the token out of the
// query too, under whatever spelling of its name.
func TestQueryTokenGoesNoFurther(t *testing.T) {
	t.Parallel()
	for _, mode := range []guard.Forward{guard.ForwardClaims, guard.ForwardInternal, guard.ForwardNone} {
		f := newFixture(t, func(c *guard.Config) {
			c.Tokens.Sources = []string{"query:jwt"}
			c.Tokens.Forward = mode
			c.AcceptRisk = []string{"jwt.token-in-url"}
		})
		raw := f.mint(nil)
		for target, want := range map[string]string{
			"/a?jwt=" + raw: "/a", "/a?x=1&%6awt=" + url.QueryEscape(raw) + "&y": "/a?x=1&y",
		} {
			if got := f.get(target); got.status != 200 {
				t.Fatalf("%s: got %v", mode, got)
			}
			if up := f.upstream.last(t); up.target != want {
				t.Errorf("%s: upstream got %q, want %q", mode, up.target, want)
			}
		}
	}
}
