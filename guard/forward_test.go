package guard_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"pgregory.net/rapid"

	"github.com/wiretight/wiretight/guard"
)

var identityHeaders = []string{"X-Auth-Subject", "X-Auth-Issuer", "X-Auth-Scopes", "X-Auth-Client", "X-Auth-Claims"}

// forwarding starts a guard in one mode, with every source of tokens.
func forwarding(t testing.TB, mode guard.Forward) *fixture {
	return newFixture(t, func(c *guard.Config) {
		c.RateLimit = neverLimited
		c.Tokens.Forward = mode
		c.Tokens.Sources = []string{"header", "cookie:session"}
		c.Upstreams[0].Audience = "internal.example"
		c.Upstreams = append(c.Upstreams, guard.Upstream{Name: "second", URL: c.Upstreams[0].URL})
		c.Routes = []guard.Route{{Path: "/open", Public: true}, {Path: "/second", Upstream: "second"}}
	})
}

// TestForwardClaims holds what the upstream is told, in place of what the
// client says.
func TestForwardClaims(t *testing.T) {
	t.Parallel()
	f := forwarding(t, guard.ForwardClaims)
	raw := f.mint(map[string]any{"scope": "read write", "client_id": "app", "tenant": map[string]any{"id": 7}})
	_, rest, _ := strings.Cut(raw, ".")
	payload, _, _ := strings.Cut(rest, ".")
	want := map[string]string{"X-Auth-Subject": "alice", "X-Auth-Issuer": testIssuer, "X-Auth-Scopes": "read write", "X-Auth-Client": "app", "X-Auth-Claims": payload}
	for range 2 { // verified, then remembered
		for _, header := range [][]string{
			{"Authorization", "Bearer " + raw},
			{"Cookie", "a=b; session=" + raw},
			{
				"Authorization", "Bearer " + raw, "X-Auth-Subject", "admin", "x-auth-scopes", "admin", "X_Auth_Subject", "admin",
				"X-Auth-Claims", "e30", "X-Auth-Client", "a", "X-Auth-Client", "b", "X.Auth.Issuer", "x",
			},
		} {
			if got := f.get("/", header...); got.status != 200 {
				t.Fatalf("got %v", got)
			}
			up := f.upstream.last(t)
			for name, v := range want {
				if got := up.header[name]; !slices.Equal(got, []string{v}) {
					t.Errorf("%s: got %q, want %q", name, got, v)
				}
			}
			f.wantNoToken(up, raw)
		}
	}
	// What the token does not say, the client does not say either.
	bare := f.mint(nil)
	f.get("/", "Authorization", "Bearer "+bare, "X-Auth-Scopes", "admin", "X-Auth-Client", "admin")
	up := f.upstream.last(t)
	for _, name := range []string{"X-Auth-Scopes", "X-Auth-Client"} {
		if v, ok := up.header[name]; ok {
			t.Errorf("%s: got %q, want none", name, v)
		}
	}
}

// wantNoToken checks that no part of a client's token went along.
func (f *fixture) wantNoToken(up seen, raw string) {
	f.t.Helper()
	if up.header["Dpop"] != nil {
		f.t.Errorf("the upstream got a proof")
	}
	signature := raw[strings.LastIndexByte(raw, '.')+1:]
	if s := fmt.Sprint(up.target, up.header, up.body); strings.Contains(s, signature) {
		f.t.Errorf("the upstream got the client's token: %s", s)
	}
}

// TestForwardModes crosses the modes with what a request may carry.
func TestForwardModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []guard.Forward{"", guard.ForwardToken, guard.ForwardClaims, guard.ForwardInternal, guard.ForwardNone} {
		t.Run("mode "+string(mode), func(t *testing.T) {
			t.Parallel()
			f := forwarding(t, mode)
			h := newHolder(f)
			raw, bound := f.mint(nil), h.token(nil)
			keeps := mode == "" || mode == guard.ForwardToken
			forged := raw[:len(raw)-4] + "AAAA"
			spoofed := []string{"X-Auth-Subject", "admin", "x-auth-claims", "e30", "X_AUTH_SUBJECT", "admin"}
			for _, c := range []struct {
				name, path string
				header     []string
				secret     string // goes along only in token mode
				identity   bool   // is told of in claims mode
			}{
				{"header", "/", []string{"Authorization", "Bearer " + raw}, raw, true},
				{"cookie", "/", []string{"Cookie", "session=" + raw}, raw, true},
				{"proof", "/", []string{"Authorization", "DPoP " + bound, "Dpop", h.proof(bound, "/", nil)}, bound, true},
				{"public with a token", "/open", []string{"Authorization", "Bearer " + raw}, raw, true},
				{"public with a forged token", "/open", []string{"Authorization", "Bearer " + forged}, "", false},
				{"public without", "/open", nil, "", false},
			} {
				if got := f.get(c.path, append(c.header, spoofed...)...); got.status != 200 {
					t.Fatalf("%s: got %v", c.name, got)
				}
				up := f.upstream.last(t)
				whole := fmt.Sprint(up.header)
				if c.secret != "" && strings.Contains(whole, c.secret) != keeps {
					t.Errorf("%s: token goes along: %v, want %v", c.name, !keeps, keeps)
				}
				if strings.Contains(whole, forged) || strings.Contains(whole, "admin") {
					t.Errorf("%s: upstream got %s", c.name, whole)
				}
				for _, name := range identityHeaders {
					told := mode == guard.ForwardClaims && c.identity && name != "X-Auth-Scopes" && name != "X-Auth-Client"
					if (up.header[name] != nil) != told {
						t.Errorf("%s: %s is %q, want told: %v", c.name, name, up.header[name], told)
					}
				}
				internal := mode == guard.ForwardInternal && c.identity
				if a := up.header.Get("Authorization"); internal && (!strings.HasPrefix(a, "Bearer ") || strings.Contains(a, c.secret)) {
					t.Errorf("%s: Authorization is %q, want an internal token", c.name, a)
				} else if !internal && !keeps && a != "" {
					t.Errorf("%s: Authorization is %q, want none", c.name, a)
				}
			}
		})
	}
}

// TestInternalToken verifies what the guard signs with another library and the
// key set that the guard publishes.
func TestInternalToken(t *testing.T) {
	t.Parallel()
	f := forwarding(t, guard.ForwardInternal)
	w := httptest.NewRecorder()
	f.guard.InternalJWKS().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/-/jwks.json", nil))
	if ct := w.Header().Get("Content-Type"); ct != "application/jwk-set+json" {
		t.Errorf("got Content-Type %q", ct)
	}
	var set struct {
		Keys []struct{ Kid, Kty, Crv, X, Y, D, Alg, Use string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil || len(set.Keys) != 1 || set.Keys[0].D != "" {
		t.Fatalf("got %s (%v), want one public key", w.Body, err)
	}
	k := set.Keys[0]
	point := []byte{4} // uncompressed
	for _, coordinate := range []string{k.X, k.Y} {
		b, err := base64.RawURLEncoding.DecodeString(coordinate)
		if err != nil {
			t.Fatal(err)
		}
		point = append(point, b...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(raw, audience string, now time.Time) (jwt.MapClaims, error) {
		claims := jwt.MapClaims{}
		_, err := jwt.ParseWithClaims(raw, claims, func(t *jwt.Token) (any, error) {
			if t.Header["kid"] != k.Kid {
				return nil, errors.New("unknown kid")
			}
			return public, nil
		}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience(audience), jwt.WithIssuer(guard.InternalIssuer),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return now }))
		return claims, err
	}
	sent := func(path, raw string) string {
		t.Helper()
		if got := f.get(path, "Authorization", "Bearer "+raw); got.status != 200 {
			t.Fatalf("got %v", got)
		}
		internal, _ := strings.CutPrefix(f.upstream.last(t).header.Get("Authorization"), "Bearer ")
		return internal
	}
	now := f.clock.now()
	raw := f.mint(map[string]any{"scope": "read", "client_id": "app", "secret": "of the client"})
	first := sent("/", raw)
	claims, err := verify(first, "internal.example", now)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"sub": "alice", "scope": "read", "client_id": "app", "origin_iss": testIssuer,
		"iat": float64(now.Unix()), "exp": float64(now.Add(time.Minute).Unix()), "secret": nil,
	} {
		if claims[name] != want {
			t.Errorf("%s: got %v, want %v", name, claims[name], want)
		}
	}
	if _, err := verify(first, "internal.example", now.Add(61*time.Second)); !errors.Is(err, jwt.ErrTokenExpired) {
		t.Errorf("a minute later: got %v, want expired", err)
	}
	if _, err := verify(sent("/second", raw), "second", now); err != nil {
		t.Errorf("audience of an upstream without one: got %v, want its name", err)
	}
	if _, err := verify(first, "second", now); err == nil {
		t.Error("the token of one upstream is good for another")
	}
	if second, _ := verify(sent("/", raw), "internal.example", now); second["jti"] == claims["jti"] || second["jti"] == nil {
		t.Errorf("got jti %v twice", second["jti"])
	}
	brief := f.mint(map[string]any{"exp": now.Add(10 * time.Second).Unix()})
	if c, err := verify(sent("/", brief), "internal.example", now); err != nil || c["exp"] != float64(now.Add(10*time.Second).Unix()) {
		t.Errorf("got exp %v (%v), want that of the client's token", c["exp"], err)
	}
	// An internal token is no way in.
	if got := f.get("/", "Authorization", "Bearer "+first); got.status != 401 {
		t.Errorf("the internal token from outside: got %v, want 401", got)
	}
}

// TestOwnCookies holds that the guard's and the issuer's cookies go no further,
// in any mode.
func TestOwnCookies(t *testing.T) {
	t.Parallel()
	for _, mode := range []guard.Forward{guard.ForwardToken, guard.ForwardClaims, guard.ForwardInternal, guard.ForwardNone} {
		f := newFixture(t, func(c *guard.Config) {
			c.Tokens.Forward = mode
			c.Routes = []guard.Route{{Path: "/open", Public: true}}
		})
		for _, c := range []struct {
			send, want []string
		}{
			{[]string{"a=b; __Host-refresh=x; c=d"}, []string{"a=b; c=d"}},
			{[]string{"__Host-refresh=x"}, nil},
			{[]string{"__Host-refresh=x;__Host-access=y;__Host-fingerprint=z"}, nil},
			{[]string{"__Host-refresh = x; a=b"}, []string{"a=b"}},
			{[]string{"__Host-refresh; a=b"}, []string{"a=b"}},
			{[]string{"__Host-refresh=x", "a=b"}, []string{"a=b"}},
			{[]string{`__Host-access="x"; a="b"`}, []string{`a="b"`}},
			{[]string{"my__Host-refresh=x; __Host-refresh2=y"}, []string{"my__Host-refresh=x; __Host-refresh2=y"}},
			{[]string{"a=__Host-refresh=x"}, []string{"a=__Host-refresh=x"}},
			{[]string{"a=b;;; c"}, []string{"a=b;;; c"}},
		} {
			for path, auth := range map[string]string{"/": f.bearer(), "/open": ""} {
				header := []string{}
				if auth != "" {
					header = append(header, "Authorization", auth)
				}
				for _, v := range c.send {
					header = append(header, "Cookie", v)
				}
				if got := f.get(path, header...); got.status != 200 {
					t.Fatalf("got %v", got)
				}
				if got := f.upstream.last(t).header["Cookie"]; !slices.Equal(got, c.want) {
					t.Errorf("%s%s of %q: got %q, want %q", mode, path, c.send, got, c.want)
				}
			}
		}
	}
}

// hostile are claim values that would end a header, a log record or a line, or
// stand for something else once somebody decodes them.
var hostile = []string{
	"alice\r\nX-Auth-Scopes: admin", "alice\nx", "alice\x00", "alice\x1b[31m", "alice\x7f", "alice\u0085x", "alice\u2028x",
	"älice", "\u202eecila", "a\u0301", "😀", " alice", "alice ", "\talice", "alice,bob", "alice, bob", "a;b", `a"b`, `a\"b`,
	"%0d%0aX-Auth-Scopes: admin", "%c3%a4lice", "%C3%A4lice", "%20alice", "100%", "{{.Env.SECRET}}", "${jndi:ldap://x}", "$(id)", "`id`", "<script>", "' OR 1=1--",
	"\ufeffalice", "\u200balice", strings.Repeat("x", 3000), "level=ERROR msg=forged", `","rule":"none`,
}

// TestHostileClaims holds that whatever a claim says stays one value of one
// header, and one of one record (T5).
func TestHostileClaims(t *testing.T) {
	t.Parallel()
	f := forwarding(t, guard.ForwardClaims)
	seen := map[string]string{}
	passed := 0
	for _, claim := range []string{"sub", "scope", "client_id"} {
		for _, value := range hostile {
			raw := f.mint(map[string]any{claim: value})
			for _, c := range []*http.Client{f.h1, f.h2} {
				before := f.upstream.count()
				got := f.send(c, "GET", "/", "", "Authorization", "Bearer "+raw)
				if got.status != 200 {
					if rule, _ := f.refusal(got); got.status != 401 || rule != "token" || f.upstream.count() != before {
						t.Errorf("%s %q: got %v by %q", claim, value, got, rule)
					}
					continue
				}
				passed++
				up := f.upstream.last(t)
				name := map[string]string{"sub": "X-Auth-Subject", "scope": "X-Auth-Scopes", "client_id": "X-Auth-Client"}[claim]
				if v := up.header[name]; claim != "scope" && len(v) != 1 {
					t.Errorf("%s %q: upstream got %q", claim, value, v)
				} else if claim != "scope" {
					if was, ok := seen[name+v[0]]; ok && was != value {
						t.Errorf("%s: %q and %q are both forwarded as %q", claim, was, value, v[0])
					}
					seen[name+v[0]] = value
				}
				for _, n := range identityHeaders {
					for _, v := range up.header[n] {
						if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) || strings.TrimSpace(v) != v {
							t.Errorf("%s %q: %s is %q", claim, value, n, v)
						}
					}
				}
				if scopes := up.header.Get("X-Auth-Scopes"); claim != "scope" && scopes != "" {
					t.Errorf("%s %q: forged scopes %q", claim, value, scopes)
				}
				if b, err := base64.RawURLEncoding.DecodeString(up.header.Get("X-Auth-Claims")); err != nil || !json.Valid(b) {
					t.Errorf("%s %q: X-Auth-Claims is %q", claim, value, up.header.Get("X-Auth-Claims"))
				}
			}
		}
	}
	if passed < 40 {
		t.Errorf("only %d requests passed: the test shows little", passed)
	}
	f.wantOrderlyLog()
}

// wantOrderlyLog checks that each line of the log is a record of the guard's,
// in characters that print.
func (f *fixture) wantOrderlyLog() {
	f.t.Helper()
	for line := range strings.Lines(f.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil || m["msg"] == nil || m["level"] == "ERROR" {
			f.t.Errorf("log has the line %q", line)
		}
		for k, v := range m {
			if s, ok := v.(string); ok && strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				f.t.Errorf("log has %s=%q", k, s)
			}
		}
	}
}

// TestHostileSubjects does the same with any text for a subject.
func TestHostileSubjects(t *testing.T) {
	t.Parallel()
	p := newParty(t, "HS256")
	f := newFixture(t, func(c *guard.Config) {
		c.Tokens.Forward = guard.ForwardClaims
		c.RateLimit = neverLimited
		c.Tokens.Issuers = []guard.Issuer{p.issuer(testIssuer)}
	})
	seen := map[string]string{}
	rapid.Check(t, func(rt *rapid.T) {
		sub := rapid.StringN(1, 40, 100).Draw(rt, "sub")
		got := f.get("/", "Authorization", "Bearer "+p.mint(f, map[string]any{"sub": sub}))
		if got.status == 401 {
			return
		}
		up := f.upstream.last(t)
		v := up.header["X-Auth-Subject"]
		if got.status != 200 || len(v) != 1 || len(up.header["X-Auth-Scopes"]) != 0 {
			rt.Fatalf("got %v, upstream got %v", got, up.header)
		}
		if was, ok := seen[v[0]]; ok && was != sub {
			rt.Fatalf("%q and %q are both forwarded as %q", was, sub, v[0])
		}
		seen[v[0]] = sub
	})
	f.wantOrderlyLog()
}
