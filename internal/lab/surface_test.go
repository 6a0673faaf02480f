package lab_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wiretight/wiretight/internal/lab"
	"github.com/wiretight/wiretight/internal/token"
)

// shows tells, of each flaw that is not the verifier's, whether it can be seen.
var shows = map[lab.Flaw]func(b *bed) bool{
	lab.NoTLS: func(b *bed) bool { return b.inClear("GET", "/profile", "").status == 401 },
	lab.TokenOverHTTP: func(b *bed) bool {
		return b.inClear("GET", "/profile", "", "Authorization", b.bearer()).status == 200 &&
			b.inClear("POST", "/token", "username=alice&password=wonderland-7", "Content-Type", "application/x-www-form-urlencoded").status == 200
	},
	lab.NoHTTPSRedirect: func(b *bed) bool { return b.inClear("GET", "/healthz", "").status == 200 },
	lab.RedirectDowngrade: func(b *bed) bool {
		return strings.HasPrefix(b.ask("GET", "/profile/", "").header.Get("Location"), "http://127.0.0.1") &&
			strings.HasPrefix(b.ask("GET", "/legacy", "", "Authorization", b.bearer()).header.Get("Location"), "http://")
	},
	lab.RedirectLeaksToken: func(b *bed) bool {
		raw := b.mint()
		return strings.Contains(b.ask("GET", "/export", "", "Authorization", "Bearer "+raw).header.Get("Location"), raw)
	},
	lab.ForwardedProtoTrusted: func(b *bed) bool {
		return b.inClear("GET", "/profile", "", "X-Forwarded-Proto", "https").status == 401 &&
			b.inClear("GET", "/profile", "", "Forwarded", "for=1.2.3.4;proto=https").status == 401 && b.inClear("GET", "/profile", "").status == 308
	},
	lab.NoHSTS: func(b *bed) bool { return b.ask("GET", "/healthz", "").header.Get("Strict-Transport-Security") == "" },
	lab.WeakHSTS: func(b *bed) bool {
		return b.ask("GET", "/healthz", "").header.Get("Strict-Transport-Security") == "max-age=300"
	},
	lab.CleartextReference: func(b *bed) bool {
		return strings.Contains(b.ask("GET", "/openapi.json", "", "Authorization", b.bearer()).body, `"http://`) &&
			strings.Contains(b.ask("GET", "/.well-known/openid-configuration", "").body, `"http://`)
	},
	lab.WebSocketCleartext: func(b *bed) bool { return b.handshake(b.plain.URL, b.bearer(), "") == 101 },

	lab.HostUnvalidated: func(b *bed) bool { return b.ask("GET", "/healthz", "", "Host", "evil.example").status == 200 },
	lab.HostReflected: func(b *bed) bool {
		return strings.Contains(b.ask("GET", "/profile/", "", "X-Forwarded-Host", "evil.example").header.Get("Location"), "evil.example")
	},

	lab.WeakSecret: func(b *bed) bool { return b.algorithm() == "HS256" && b.signedWithPublished(b.login().Access) },
	lab.WeakAlgorithm: func(b *bed) bool {
		return b.algorithm() == "HS256" && !b.signedWithPublished(b.login().Access) && b.ask("GET", "/profile", "", "Authorization", "Bearer "+b.login().Access).status == 200
	},
	lab.NoExpiry:        func(b *bed) bool { _, there := claims(b.t, b.login().Access)["exp"]; return !there },
	lab.LongLived:       func(b *bed) bool { return b.lifetime() > 24*time.Hour },
	lab.MissingClaims:   func(b *bed) bool { _, there := claims(b.t, b.login().Access)["iss"]; return !there },
	lab.SensitiveClaims: func(b *bed) bool { return claims(b.t, b.login().Access)["password"] == "wonderland-7" },
	lab.PredictableID: func(b *bed) bool {
		first, second := claims(b.t, b.login().Access)["jti"].(string), claims(b.t, b.login().Access)["jti"].(string)
		return len(first) == 4 && len(second) == 4 && first < second
	},
	lab.TypeConfusion: func(b *bed) bool {
		return b.ask("GET", "/profile", "", "Authorization", "Bearer "+b.login().Identity).status == 200
	},
	lab.TokenInURL: func(b *bed) bool { return b.ask("GET", "/profile?access_token="+b.mint(), "").status == 200 },
	lab.NotRevoked: func(b *bed) bool {
		bearer := "Bearer " + b.login().Access
		if got := b.ask("POST", "/logout", "", "Authorization", bearer).status; got != 200 {
			b.t.Errorf("log out: got %d, want 200", got)
		}
		return b.ask("GET", "/profile", "", "Authorization", bearer).status == 200
	},

	lab.RefreshReuse: func(b *bed) bool {
		first := b.login().Refresh
		next := b.refresh(first)
		return next.status == 200 && decodeTokens(b.t, next.body).Refresh != first && b.refresh(first).status == 200
	},
	lab.RefreshPredictable: func(b *bed) bool { return strings.HasPrefix(b.login().Refresh, "refresh-00") },
	lab.RefreshNotRotated: func(b *bed) bool {
		first := b.login().Refresh
		return decodeTokens(b.t, b.refresh(first).body).Refresh == first
	},

	lab.JWKSWeakKey: func(b *bed) bool {
		_, warnings, err := token.ParseJWKS([]byte(b.ask("GET", "/.well-known/jwks.json", "").body))
		return err == nil && len(warnings) == 1 && strings.Contains(warnings[0], "1024")
	},
	lab.JWKSPrivateKey: func(b *bed) bool {
		return strings.Contains(b.ask("GET", "/.well-known/jwks.json", "").body, `"d":"`)
	},
	lab.JWKSInconsistent: func(b *bed) bool {
		first := b.ask("GET", "/.well-known/jwks.json", "").body
		return b.ask("GET", "/.well-known/jwks.json", "").body != first
	},

	lab.CookieNotSecure:   func(b *bed) bool { return !strings.Contains(b.cookie(), "; Secure") },
	lab.CookieNotHTTPOnly: func(b *bed) bool { return !strings.Contains(b.cookie(), "; HttpOnly") },
	lab.CookieSameSite:    func(b *bed) bool { return !strings.Contains(b.cookie(), "; SameSite=Strict") },
	lab.CrossSiteCookie: func(b *bed) bool {
		return b.ask("POST", "/items", `{"name": "x"}`, "Cookie", "session="+b.mint(), "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site").status == 201 &&
			b.handshake(b.tls.URL, b.bearer(), "https://evil.example") == 101
	},

	lab.CORSWildcard: func(b *bed) bool { allow, _ := b.origin("https://evil.example"); return allow == "*" },
	lab.CORSReflectedOrigin: func(b *bed) bool {
		allow, with := b.origin("https://evil.example")
		return allow == "https://evil.example" && with
	},
	lab.CORSNullOrigin: func(b *bed) bool { allow, with := b.origin("null"); return allow == "null" && with },
	lab.CORSWeakOriginMatch: func(b *bed) bool {
		for _, o := range []string{lab.DefaultOrigin + ".evil.example", "https://evil" + "app.lab.example", "http://app.lab.example", "https://appxlab.example"} {
			if allow, with := b.origin(o); allow != o || !with {
				return false
			}
		}
		random, _ := b.origin("https://evil.example")
		return random == ""
	},
	lab.CORSBroadMethods: func(b *bed) bool {
		r := b.ask("OPTIONS", "/profile", "", "Origin", lab.DefaultOrigin, "Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "x-wt")
		return r.status == 204 && r.header.Get("Access-Control-Allow-Methods") == "DELETE" && r.header.Get("Access-Control-Allow-Headers") == "x-wt"
	},
	lab.CORSMissingVary: func(b *bed) bool {
		return b.ask("GET", "/profile", "", "Origin", lab.DefaultOrigin).header.Get("Vary") == ""
	},

	lab.TokenEcho: func(b *bed) bool {
		raw := b.mint()
		return strings.Contains(b.ask("GET", "/items/99", "", "Authorization", "Bearer "+raw).body, raw)
	},
	lab.StackTrace: func(b *bed) bool {
		return strings.Contains(b.ask("POST", "/login", `{`, "Content-Type", "application/json").body, "goroutine ")
	},
	lab.CacheableToken: func(b *bed) bool {
		return b.ask("POST", "/login", `{"username": "bob", "password": "builder-42"}`, "Content-Type", "application/json").header.Get("Cache-Control") == ""
	},
	lab.ServerVersion: func(b *bed) bool { return b.ask("GET", "/healthz", "").header.Get("Server") == "labserver/1.4.2" },
	lab.DebugEndpoint: func(b *bed) bool {
		return strings.Contains(b.ask("GET", "/env", "").body, "SECRET_KEY") && strings.Contains(b.ask("GET", "/metrics", "").body, "# TYPE ")
	},
	lab.KeyFile: func(b *bed) bool {
		return strings.Contains(b.ask("GET", "/private.pem", "").body, "PRIVATE KEY") && strings.Contains(b.ask("GET", "/.env", "").body, "SECRET_KEY=") &&
			strings.Contains(b.ask("GET", "/.git/config", "").body, "[core]")
	},

	lab.AuthMissing: func(b *bed) bool { return b.ask("GET", "/admin/stats", "").status == 200 },
	lab.MethodBypass: func(b *bed) bool {
		return b.ask("HEAD", "/profile", "").status == 200 && b.ask("get", "/profile", "").status == 200 &&
			b.ask("POST", "/profile", "", "X-HTTP-Method-Override", "GET").status == 200
	},
	lab.EncodedPassword: func(b *bed) bool {
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:wonderland-7"))
		return b.ask("GET", "/profile", "", "Authorization", basic).status == 200 && b.ask("GET", "/login?username=alice&password=wonderland-7", "").status == 200
	},
	lab.NoRateLimit: func(b *bed) bool {
		for range 12 {
			if r := b.ask("POST", "/login", `{"username": "nobody", "password": "x"}`, "Content-Type", "application/json"); r.status == 429 {
				return r.header.Get("Retry-After") == ""
			}
		}
		return true
	},
	lab.VulnerableVersion: func(b *bed) bool { return strings.HasPrefix(b.ask("GET", "/", "").header.Get("Server"), "Werkzeug/") },
	lab.DocsExposed: func(b *bed) bool {
		return b.ask("GET", "/openapi.json", "").status == 200 && strings.Contains(b.ask("GET", "/docs", "").body, "swagger-ui")
	},

	lab.LaxPath: func(b *bed) bool {
		return b.ask("GET", "/public/..%2fprofile", "", "Authorization", b.bearer()).status == 200 && b.ask("GET", "/x/../profile", "", "Authorization", b.bearer()).status == 200
	},
	lab.HeaderIdentity: func(b *bed) bool {
		return strings.Contains(b.ask("GET", "/profile", "", "X-Auth-Subject", "root").body, "root")
	},
	lab.TwoCredentials: func(b *bed) bool {
		return b.ask("GET", "/profile", "", "Authorization", b.bearer(), "Authorization", "Bearer x").status == 200
	},
}

func TestEachFlawShowsAloneAndIsMended(t *testing.T) {
	t.Parallel()
	for _, flaw := range lab.All() {
		probe := shows[flaw]
		if probe == nil {
			if forgeries[flaw] == "" {
				t.Errorf("no test shows flaw %s", flaw)
			}
			continue
		}
		t.Run(string(flaw), func(t *testing.T) {
			t.Parallel()
			if !probe(newBed(t, lab.Flaws{flaw})) {
				t.Error("with the flaw: it does not show")
			}
			if probe(newBed(t, lab.Mended())) {
				t.Error("mended: it still shows")
			}
			if probe(newBed(t, lab.All().Without(append(hiding[flaw], flaw)...))) {
				t.Error("mended alone: it still shows")
			}
		})
	}
}

// hiding lists the flaws that show the same as one does, so that mending it
// alone changes nothing to see.
var hiding = map[lab.Flaw][]lab.Flaw{
	lab.TokenOverHTTP:      {lab.NoTLS, lab.ForwardedProtoTrusted},
	lab.NoTLS:              {lab.NoHTTPSRedirect},
	lab.NoHTTPSRedirect:    {lab.NoTLS},
	lab.NoHSTS:             {lab.WeakHSTS},
	lab.WebSocketCleartext: {lab.NoTLS, lab.TokenOverHTTP},
	lab.TypeConfusion:      {lab.SignatureUnverified},
	lab.RefreshReuse:       {lab.RefreshNotRotated},
	lab.WeakAlgorithm:      {lab.WeakSecret},
}

func TestGoodRequestsPassWithAndWithoutFlaws(t *testing.T) {
	t.Parallel()
	for name, flaws := range map[string]lab.Flaws{"mended": lab.Mended(), "weak": lab.Weak(), "all": lab.All()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, flaws)
			in := b.login()
			for _, c := range []struct {
				method, path, body string
				status             int
				header             []string
			}{
				{"GET", "/", "", 200, nil},
				{"GET", "/healthz", "", 200, nil},
				{"GET", "/profile", "", 200, []string{"Authorization", b.bearer()}},
				{"GET", "/profile", "", 200, []string{"Authorization", "Bearer " + in.Access}},
				{"GET", "/profile", "", 200, []string{"Cookie", "session=" + in.Access}},
				{"GET", "/items", "", 200, []string{"Authorization", b.bearer()}},
				{"GET", "/items/1", "", 200, []string{"Authorization", b.bearer()}},
				{"POST", "/items", `{"name": "boat"}`, 201, []string{"Authorization", b.bearer()}},
				{"GET", "/items/4", "", 200, []string{"Authorization", b.bearer()}},
				{"GET", "/admin/stats", "", 200, []string{"Authorization", b.bearer()}},
				{"POST", "/pay", "", 200, []string{"Authorization", b.bearer()}},
				{"POST", "/login", "username=bob&password=builder-42", 200, []string{"Content-Type", "application/x-www-form-urlencoded"}},
				{"POST", "/token", "grant_type=password&username=bob&password=builder-42", 200, []string{"Content-Type", "application/x-www-form-urlencoded"}},
				{"POST", "/token", "grant_type=refresh_token&refresh_token=" + b.login().Refresh, 200, []string{"Content-Type", "application/x-www-form-urlencoded"}},
				{"OPTIONS", "/profile", "", 204, []string{"Origin", lab.DefaultOrigin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization"}},
				{"GET", "/nothing", "", 404, []string{"Authorization", b.bearer()}},
				{"GET", "/profile", "", 401, nil},
				{"DELETE", "/profile", "", 405, []string{"Authorization", b.bearer()}},
				{"POST", "/login", "username=bob&password=wrong", 401, []string{"Content-Type", "application/x-www-form-urlencoded"}},
				{"POST", "/refresh", `{"refresh_token": "x"}`, 401, nil},
			} {
				if got := b.ask(c.method, c.path, c.body, c.header...); got.status != c.status {
					t.Errorf("%s %s: got %d %s, want %d", c.method, c.path, got.status, got.body, c.status)
				}
			}
			if allow, with := b.origin(lab.DefaultOrigin); allow != lab.DefaultOrigin || !with {
				t.Errorf("own origin: got %q, %v; want it allowed with credentials", allow, with)
			}
		})
	}
}

func TestMendedRefreshReuseEndsTheFamily(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	first := b.login()
	second := decodeTokens(t, b.refresh(first.Refresh).body)
	if got := b.refresh(first.Refresh).status; got != 401 {
		t.Errorf("first refresh token again: got %d, want 401", got)
	}
	if got := b.refresh(second.Refresh).status; got != 401 {
		t.Errorf("its successor after that: got %d, want 401", got)
	}
	if got := b.ask("GET", "/profile", "", "Authorization", "Bearer "+second.Access).status; got != 401 {
		t.Errorf("access token of the family: got %d, want 401", got)
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", b.tls.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", b.bearer())
	res, err := b.tls.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	var data []string
	for len(data) < 2 && lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			data = append(data, text)
		}
	}
	if len(data) != 2 || data[0] != `{"for": "alice"}` {
		t.Errorf("got events %q, want two for alice", data)
	}
	conn, _, err := websocket.Dial(ctx, b.tls.URL+"/ws", &websocket.DialOptions{HTTPClient: b.tls.Client(), HTTPHeader: http.Header{"Authorization": {b.bearer()}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(ctx); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v; want the echo", got, err)
	}
}

func TestOpenAPIDescribesSecuredOperations(t *testing.T) {
	t.Parallel()
	var doc struct {
		OpenAPI    string
		Components struct{ SecuritySchemes map[string]any }
		Paths      map[string]map[string]struct{ Security []map[string][]string }
	}
	if err := json.Unmarshal(lab.New(lab.Options{}).OpenAPI("https://localhost"), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Components.SecuritySchemes["bearer"] == nil {
		t.Errorf("got version %q, schemes %v", doc.OpenAPI, doc.Components.SecuritySchemes)
	}
	if len(doc.Paths["/profile"]["get"].Security) == 0 || len(doc.Paths["/healthz"]["get"].Security) != 0 {
		t.Errorf("got security %v and %v, want /profile secured and /healthz not", doc.Paths["/profile"], doc.Paths["/healthz"])
	}
}

func TestServerKeepsToLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0", "nonsense"} {
		if s, err := lab.Start(context.Background(), addr); err == nil {
			_ = s.Close()
			t.Errorf("%s: the lab started", addr)
		}
	}
	if _, err := lab.StartWith(context.Background(), "127.0.0.1:0", lab.Options{Flaws: lab.Flaws{"jwt.alg-nine"}}, nil); err == nil || !strings.Contains(err.Error(), "jwt.alg-nine") {
		t.Errorf("unknown flaw: got %v, want an error that names it", err)
	}
}

func TestServerAnswersUntilClosed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := lab.Start(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	raw, err := s.Mint(map[string]any{"sub": "bob"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/profile", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+raw)
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("got %d, want 200", res.StatusCode)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if res, err := client.Do(r); err == nil {
		_ = res.Body.Close()
		t.Error("it answers after Close")
	}
}

// cookie is the Set-Cookie of the login.
func (b *bed) cookie() string {
	return b.ask("POST", "/login", `{"username": "alice", "password": "wonderland-7"}`, "Content-Type", "application/json").header.Get("Set-Cookie")
}

// origin is what the profile says to an origin.
func (b *bed) origin(o string) (allow string, credentials bool) {
	h := b.ask("GET", "/profile", "", "Origin", o, "Authorization", b.bearer()).header
	return h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Credentials") == "true"
}

// lifetime is how long a token of the login is good; zero if it has no end.
func (b *bed) lifetime() time.Duration {
	exp, dated := claims(b.t, b.login().Access)["exp"].(float64)
	if !dated {
		return 0
	}
	return time.Until(time.Unix(int64(exp), 0))
}

// algorithm is that of the tokens that the login gives.
func (b *bed) algorithm() string {
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(b.login().Access, ".")[0])
	if err != nil {
		b.t.Fatal(err)
	}
	var h struct{ Alg string }
	if err := json.Unmarshal(header, &h); err != nil {
		b.t.Fatal(err)
	}
	return h.Alg
}

func (b *bed) signedWithPublished(raw string) bool {
	for _, secret := range token.PublishedSecrets() {
		ks, err := token.DangerouslyNewSecret([]byte(secret), []string{"HS256"})
		if err != nil {
			continue
		}
		t, err := token.Parse(raw, token.Limits{})
		if err != nil {
			b.t.Fatal(err)
		}
		p := token.Policy{Issuer: lab.Issuer, Audiences: []string{lab.Audience}, Algorithms: []string{"HS256"}}
		if t.Verify(&p, ks, time.Now()) == nil {
			return true
		}
	}
	return false
}

// handshake is the status of a WebSocket handshake.
func (b *bed) handshake(url, authorization, origin string) int {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	h := http.Header{"Authorization": {authorization}}
	if origin != "" {
		h.Set("Origin", origin)
	}
	roots := x509.NewCertPool()
	roots.AddCert(b.tls.Certificate())
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer tr.CloseIdleConnections()
	conn, res, err := websocket.Dial(ctx, url+"/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}, HTTPHeader: h})
	if err == nil {
		_ = conn.CloseNow()
	}
	if res == nil {
		b.t.Fatal(err)
	}
	return res.StatusCode
}
