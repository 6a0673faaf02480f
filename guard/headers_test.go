package guard_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/guard"
)

// forgeable are headers that applications believe, of every family.
var forgeable = []string{
	"X-Auth-Subject", "X-Auth-Issuer", "X-Auth-Scopes", "X-Auth-Client", "X-Auth-Claims", "X-Auth-User", "X-Auth-Request-Email",
	"Remote-User", "X-Remote-User", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Access-Token",
	"X-Consumer-Username", "X-Userinfo", "X-Amzn-Oidc-Data", "X-Goog-Authenticated-User-Email", "Cf-Access-Jwt-Assertion",
	"X-Ms-Client-Principal", "X-Pomerium-Jwt-Assertion", "X-Authentik-Username",
	"X-Forwarded-Client-Cert", "Client-Cert", "X-Ssl-Client-Verify", "Ssl-Client-Cert", "X-Forwarded-Tls-Client-Cert",
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Uri", "X-Forwarded-Method",
	"X-Forwarded-Prefix", "X-Forwarded-Server", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Forwarded", "Forwarded", "Forwarded-For",
	"X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Cluster-Client-Ip", "X-Envoy-External-Address",
	"X-Original-Url", "X-Original-Uri", "X-Original-Host", "X-Original-Method", "X-Rewrite-Url", "X-Envoy-Original-Path",
	"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Middleware-Subrequest",
	"X-Url-Scheme", "Front-End-Https", "X-Script-Name", "X-Host", "X-Request-Id", "Early-Data", "Proxy",
}

// forms of one name that some server takes for the same.
func forms(name string) []string {
	mixed := []byte(strings.ToLower(name))
	for i := 0; i < len(mixed); i += 2 {
		mixed[i] = strings.ToUpper(string(mixed[i]))[0]
	}
	all := []string{name, strings.ToLower(name), strings.ToUpper(name), string(mixed)}
	for _, between := range []string{"_", ".", "+", "~", "!"} {
		all = append(all, strings.ReplaceAll(name, "-", between), strings.Replace(name, "-", between, 1))
	}
	return all
}

// TestForgedHeaders sends every form of every header that an application
// might believe; none arrives with a value of the client's.
func TestForgedHeaders(t *testing.T) {
	t.Parallel()
	for _, mode := range []guard.Forward{guard.ForwardToken, guard.ForwardClaims, guard.ForwardInternal, guard.ForwardNone} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *guard.Config) {
				c.Tokens.Forward = mode
				c.Routes = []guard.Route{{Path: "/public", Public: true}}
			})
			for _, name := range forgeable {
				header := []string{"X-Custom", "kept"}
				for _, form := range forms(name) {
					header = append(header, form, "forged", form, "forged again")
				}
				for proto, client := range map[string]*http.Client{"HTTP/1.1": f.h1, "HTTP/2": f.h2} {
					for path, credentials := range map[string][]string{"/items": {"Authorization", f.bearer()}, "/public": nil} {
						got := f.send(client, "GET", path, "", append(credentials, header...)...)
						if got.status != 200 {
							t.Errorf("%s %s with %s: got %v", proto, path, name, got)
							continue
						}
						up := f.upstream.last(t)
						for n, values := range up.header {
							if strings.Contains(strings.Join(values, " "), "forged") {
								t.Errorf("%s %s: the upstream got %s: %q", proto, path, n, values)
							}
						}
						if up.header.Get("X-Custom") != "kept" {
							t.Errorf("%s %s with %s: X-Custom was lost", proto, path, name)
						}
					}
				}
			}
			up := f.upstream.last(t)
			for name, want := range map[string]string{
				"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": testHost,
				"Forwarded": `for=127.0.0.1;host="` + testHost + `";proto=https`,
			} {
				if got := up.header[name]; len(got) != 1 || got[0] != want {
					t.Errorf("%s: got %q, want %q alone", name, got, want)
				}
			}
		})
	}
}

// TestMistakableFraming holds that no header stands in for one that delimits or
// authenticates a message.
func TestMistakableFraming(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Authorization", "Cookie", "Host", "DPoP", "Content-Type"} {
		for _, between := range []string{"_", ".", "+", "~"} {
			form := strings.ReplaceAll(name, "-", between)
			if form == name {
				form = name[:1] + "x" // no hyphen in it, so no other form
			}
			before := f.upstream.count()
			for _, client := range []*http.Client{f.h1, f.h2} {
				got := f.send(client, "GET", "/items", "", "Authorization", f.bearer(), form, "1")
				refused := got.status == 400 && got.problem().Detail == "Invalid request" && f.upstream.count() == before
				if want := form != name[:1]+"x"; refused != want {
					t.Errorf("%s: got %v, want a refusal: %v", form, got, want)
				}
				before = f.upstream.count()
			}
		}
	}
}

// TestConnectionNames holds that no client can make a hop remove what matters.
func TestConnectionNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, c := range []struct {
		name   string
		lines  []string
		passes bool
	}{
		{"close", []string{"close"}, true},
		{"keep-alive and a header of its own", []string{"keep-alive, X-Custom"}, true},
		{"empty", []string{""}, true},
		{"Authorization", []string{"Authorization"}, false},
		{"without a comma", []string{"close authorization"}, false},
		{"in quotes", []string{"\"Authorization\""}, false},
		{"authorization behind close", []string{"close, authorization"}, false},
		{"in a second line", []string{"close", "Authorization"}, false},
		{"with spaces", []string{"keep-alive ,\tAuthorization "}, false},
		{"Cookie", []string{"cookie"}, false},
		{"DPoP", []string{"DPoP"}, false},
		{"Host", []string{"Host"}, false},
		{"Content-Length", []string{"Content-Length"}, false},
		{"Transfer-Encoding", []string{"transfer-encoding"}, false},
		{"identity", []string{"X-Auth-Subject"}, false},
		{"identity in capitals", []string{"X-AUTH-SUBJECT"}, false},
		{"identity with underscores", []string{"X_Auth_Subject"}, false},
		{"scopes", []string{"x-auth-scopes"}, false},
		{"address", []string{"X-Forwarded-For"}, false},
		{"scheme", []string{"close, X-Forwarded-Proto"}, false},
		{"Forwarded", []string{"forwarded"}, false},
		{"client certificate", []string{"X-Forwarded-Tls-Client-Cert"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := f.upstream.count()
			text := "GET /items HTTP/1.1\r\nHost: " + testHost + "\r\nAuthorization: " + f.bearer() + "\r\nX-Custom: gone\r\nX-Other: kept\r\n"
			for _, line := range c.lines {
				text += "Connection: " + line + "\r\n"
			}
			got := f.raw(testHost, text+"\r\n")
			if !c.passes {
				if len(got) != 1 || got[0].status != 400 || f.upstream.count() != before {
					t.Fatalf("got %v, want 400", got)
				}
				rule := ""
				for _, r := range f.log.of(t, got[0].header.Get("X-Request-Id")) {
					rule, _ = r["rule"].(string)
				}
				if rule != "headers" {
					t.Errorf("got rule %q, want headers", rule)
				}
				return
			}
			if len(got) != 1 || got[0].status != 200 {
				t.Fatalf("got %v, want 200", got)
			}
			up := f.upstream.last(t)
			if up.header.Get("Authorization") == "" || up.header.Get("X-Other") != "kept" {
				t.Errorf("upstream got %v", up.header)
			}
			if strings.Contains(c.lines[0], "X-Custom") && up.header.Get("X-Custom") != "" {
				t.Error("X-Custom went on although Connection names it")
			}
		})
	}
}

// TestClientAddress holds whose word counts for the client's address.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"nobody says anything", "192.0.2.7:1", nil, "192.0.2.7"},
		{"a stranger", "192.0.2.7:1", []string{"198.51.100.1"}, "192.0.2.7"},
		{"a stranger who says a proxy's address", "192.0.2.7:1", []string{"10.0.0.1"}, "192.0.2.7"},
		{"our proxy", "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"our proxy says nothing", "10.0.0.1:1", nil, "10.0.0.1"},
		{"a client that says what it likes", "10.0.0.1:1", []string{"6.6.6.6, 198.51.100.1"}, "198.51.100.1"},
		{"in a line of its own", "10.0.0.1:1", []string{"6.6.6.6", "198.51.100.1"}, "198.51.100.1"},
		{"behind two of our proxies", "10.0.0.1:1", []string{"6.6.6.6, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"a proxy's address behind a stranger's", "10.0.0.1:1", []string{"10.0.0.9, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"only our proxies", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"garbage", "10.0.0.1:1", []string{"198.51.100.1, garbage"}, "10.0.0.1"},
		{"garbage before it", "10.0.0.1:1", []string{"garbage, 198.51.100.1"}, "198.51.100.1"},
		{"nothing between commas", "10.0.0.1:1", []string{"198.51.100.1,"}, "10.0.0.1"},
		{"IPv6", "[2001:db8:1::5]:1", []string{"2001:db8:2::9"}, "2001:db8:2::9"},
		{"IPv4 within IPv6", "[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"zone", "10.0.0.1:1", []string{"fe80::1%eth0"}, "fe80::1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newInProcess(t, func(cfg *guard.Config) { cfg.TrustedProxies = trusted })
			r := secureRequest("GET", "/items")
			r.RemoteAddr = c.peer
			if c.forwarded != nil {
				r.Header["X-Forwarded-For"] = c.forwarded
			}
			got, answer := p.ask(r)
			if got == nil {
				t.Fatalf("refused: %s", answer.Body)
			}
			if a := guard.ClientFrom(got.Context()); a.String() != c.want {
				t.Errorf("got %v, want %s", a, c.want)
			}
		})
	}
}

// TestForwardedByTrustedProxy holds that a trusted proxy's chain is continued.
func TestForwardedByTrustedProxy(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *guard.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	got := f.get("/items", "Authorization", f.bearer(), "X-Forwarded-For", "198.51.100.1", "Forwarded", "for=198.51.100.1;proto=https",
		"X-Forwarded-Proto", "http", "X-Forwarded-Host", "evil.example", "X-Real-Ip", "6.6.6.6", "X-Auth-Subject", "root", "X-Original-Url", "/admin")
	if got.status != 200 {
		t.Fatalf("got %v", got)
	}
	up := f.upstream.last(t).header
	for name, want := range map[string]string{
		"X-Forwarded-For": "198.51.100.1, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": testHost, "X-Real-Ip": "",
		"Forwarded":      `for=198.51.100.1;proto=https, for=127.0.0.1;host="` + testHost + `";proto=https`,
		"X-Auth-Subject": "", "X-Original-Url": "",
	} {
		if got := strings.Join(up[name], "|"); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for said, want := range map[string]string{
		"www.example.com": "www.example.com", "WWW.example.com:444": "WWW.example.com:444", // in hosts
		"": testHost, "www.example.com.": testHost, "www.example.com, evil.example": testHost,
	} {
		if got := f.get("/items", "Authorization", f.bearer(), "X-Forwarded-Host", said); got.status != 200 {
			t.Fatalf("got %v", got)
		}
		if got := f.upstream.last(t).header["X-Forwarded-Host"]; len(got) != 1 || got[0] != want {
			t.Errorf("our proxy says host %q: the upstream gets %q, want %q", said, got, want)
		}
	}
	f.get("/items", "Authorization", f.bearer(), "X-Forwarded-Host", "www.example.com", "X-Forwarded-Host", "www.example.com")
	if got := f.upstream.last(t).header["X-Forwarded-Host"]; len(got) != 1 || got[0] != testHost {
		t.Errorf("two hosts: the upstream gets %q, want %q", got, testHost)
	}
}

// TestTLSBeforeTheGuard holds who may say that a request came over HTTPS. A
// request in clear that carries a token is refused even on trial.
func TestTLSBeforeTheGuard(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, peer string
		proto      []string
		passes     bool
	}{
		{"our proxy says https", "10.0.0.1:1", []string{"https"}, true},
		{"our proxy says HTTPS", "10.0.0.1:1", []string{"HTTPS"}, true},
		{"our proxy says http", "10.0.0.1:1", []string{"http"}, false},
		{"our proxy says nothing", "10.0.0.1:1", nil, false},
		{"our proxy says both", "10.0.0.1:1", []string{"http, https"}, false},
		{"our proxy says both in two lines", "10.0.0.1:1", []string{"https", "http"}, false},
		{"a stranger says https", "192.0.2.7:1", []string{"https"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, mode := range []guard.Mode{guard.Enforce, guard.ObserveOnly} {
				p := newInProcess(t, func(cfg *guard.Config) {
					cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
					cfg.Mode = mode
				})
				for _, credential := range []string{"", "Bearer x", "Basic eDp5"} {
					r := secureRequest("POST", "/items")
					r.TLS, r.RemoteAddr = nil, c.peer
					if c.proto != nil {
						r.Header["X-Forwarded-Proto"] = c.proto
					}
					if credential != "" {
						r.Header["Authorization"] = []string{credential}
					}
					want := c.passes || mode == guard.ObserveOnly && credential == ""
					got, answer := p.ask(r)
					if (got != nil) != want || !want && answer.Code != 403 {
						t.Errorf("%s, %q: got %d %s, want it to pass: %v", mode, credential, answer.Code, answer.Body, want)
					}
				}
			}
		})
	}
}

// TestNoWayAround holds that nothing that a client can say about itself opens a
// route.
func TestNoWayAround(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, header := range [][2]string{
		{"User-Agent", "GoogleHC/1.0"},
		{"User-Agent", "kube-probe/1.30"},
		{"User-Agent", "ELB-HealthChecker/2.0"},
		{"User-Agent", "AlwaysOn"},
		{"X-Health-Check", "1"},
		{"X-Forwarded-For", "127.0.0.1"},
		{"X-Real-Ip", "127.0.0.1"},
		{"Referer", "https://" + testHost + "/login"},
		{"Origin", "https://" + testHost},
		{"X-Requested-With", "XMLHttpRequest"},
		{"X-Original-Url", "/healthz"},
		{"X-Http-Method-Override", "OPTIONS"},
		{"X-Middleware-Subrequest", "middleware:middleware"},
		{"Sec-Fetch-Site", "none"},
		{"Upgrade", "websocket"},
		{"Access-Control-Request-Method", "GET"},
		{"X-Internal", "true"},
	} {
		for _, path := range []string{"/items", "/ping", "/healthz", "/-/healthz", "/metrics", "/-/console", "/robots.txt", "/favicon.ico", "/.well-known/jwks.json", "/auth/login"} {
			if got := f.get(path, header[0], header[1]); got.status != 401 {
				t.Errorf("%s with %s: %s: got %v, want 401", path, header[0], header[1], got)
			}
		}
	}
	if n := f.upstream.count(); n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
}

// FuzzHeaders holds of any header that passes that no name in it folds to one
// that an application might believe.
func FuzzHeaders(f *testing.F) {
	for _, seed := range [][2]string{
		{"X-Auth-Subject", "root"},
		{"x_auth_subject", "root"},
		{"X.Auth.Subject", "root"},
		{"Connection", "close, authorization"},
		{"Content_Length", "5"},
		{"Content-Length", "5"},
		{"Upgrade", "h2c"},
		{"X-Custom", "x"},
		{"x-auth-request-x", "y"},
		{"~", "z"},
	} {
		f.Add(seed[0], seed[1])
	}
	p := newInProcess(f, nil)
	believed := map[string]bool{}
	for _, name := range forgeable {
		believed[foldForTest(name)] = true
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		if !isHeaderName(name) || strings.ContainsAny(value, "\x00\r\n") {
			return // no server hands on such a header
		}
		r := secureRequest("GET", "/items")
		r.Header[http.CanonicalHeaderKey(name)] = []string{value, value}
		got, answer := p.ask(r)
		if got == nil {
			if answer.Code != 400 {
				t.Fatalf("%q: %q: refused with %d, want 400", name, value, answer.Code)
			}
			return
		}
		for n, values := range got.Header {
			folded := foldForTest(n)
			switch {
			case believed[folded]:
				t.Fatalf("%q went on with %q", n, values)
			case (folded == "content-length" || folded == "transfer-encoding" || folded == "authorization" || folded == "host") && n != http.CanonicalHeaderKey(folded):
				t.Fatalf("%q went on", n)
			case n == "Connection":
				for _, named := range strings.FieldsFunc(strings.Join(values, ","), func(r rune) bool { return strings.ContainsRune(", \t", r) }) {
					if n := foldForTest(named); believed[n] || n == "authorization" || n == "cookie" {
						t.Fatalf("Connection went on with %q", values)
					}
				}
			case n == "Content-Length":
				t.Fatalf("two lengths went on: %q", values)
			}
		}
	})
}

// foldForTest is how a CGI-like server would name a header.
func foldForTest(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return '-'
	}, name)
}

func isHeaderName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`"(),/:;<=>?@[\]{}`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}
