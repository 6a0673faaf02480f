package extauthz_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/token"
)

// verdict is what must be the same however a request came.
type verdict struct {
	Status    int
	Detail    string
	Challenge []string
	Rule      string
	Reason    string
}

func (b *bed) verdict(r reply) verdict {
	b.t.Helper()
	record := b.record(r.header.Get("X-Request-Id"))
	rule, _ := record["rule"].(string)
	reason, _ := record["reason"].(string)
	if reason == "more than one Authorization header" || reason == "Authorization holds more than one value" {
		reason = "two credentials" // which Envoy joins with a comma
	}
	if mismatch := "signature does not match"; strings.HasPrefix(reason, mismatch) {
		reason = mismatch // the second time it is remembered
	}
	return verdict{r.status, r.detail(), r.header.Values("WWW-Authenticate"), rule, reason}
}

// sameEverywhere puts one request to the guard's own proxy and to every way of
// asking. What was refused must have reached nobody.
func (b *bed) sameEverywhere(t *testing.T, name string, a ask) verdict {
	t.Helper()
	before := b.reached.Load()
	want := b.verdict(b.carry(a))
	if want.Status != 200 && b.reached.Load() != before {
		t.Errorf("%s: a refused request reached the upstream", name)
	}
	for way, got := range map[string]reply{
		"http":     b.http(a),
		"headers":  b.check(question(a, merged)).reply,
		"raw form": b.check(question(a, raw)).reply,
	} {
		if d := cmp.Diff(want, b.verdict(got)); d != "" {
			t.Errorf("%s: asked by %s it is another decision (-proxy +asked):\n%s", name, way, d)
		}
	}
	return want
}

// TestForgedTokens throws every forged token at the guard in every way.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	p := newParty(t)
	b := newBed(t, func(c *guard.Config) { c.Tokens.Issuers[0].JWKS = p.jwks })
	genuine, err := p.sign(map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": "party"}, withClaims(nil))
	if err != nil {
		t.Fatal(err)
	}
	forged := attack.All(attack.Material{
		Token: genuine, JWKS: p.jwks, PublicKey: p.key.Public(), Sign: p.sign, SignText: p.signText, Now: time.Now(),
	})
	if len(forged) < 100 {
		t.Fatalf("got %d forged tokens, want all that the material allows", len(forged))
	}
	sent := 0
	for _, f := range forged {
		value := "Bearer " + f.Token
		if !httpguts.ValidHeaderFieldValue(value) || strings.TrimSpace(value) != value || strings.Contains(f.Token, " ") || f.Name == "spelling/space-before" {
			// HTTP would change it on its way; but gRPC carries all bytes.
			if got := b.check(question(ask{header: []string{"Authorization", value}}, raw)); got.status == 200 && !strings.HasPrefix(f.Name, "spelling/space-") {
				t.Errorf("%s: got 200", f.Name)
			}
			continue
		}
		sent++
		if v := b.sameEverywhere(t, f.Name, ask{header: []string{"Authorization", value}}); v.Status == 200 {
			t.Errorf("%s: got 200", f.Name)
		}
	}
	if v := b.sameEverywhere(t, "genuine", ask{header: []string{"Authorization", "Bearer " + genuine}}); v.Status != 200 {
		t.Errorf("genuine: got %+v", v)
	}
	if n := b.reached.Load(); n != 1 {
		t.Errorf("%d requests reached the upstream, want the genuine one alone", n)
	}
	t.Logf("%d of %d forged tokens compared", sent, len(forged))
}

// TestRequestsAreJudgedAlike compares what attackers do around the token.
func TestRequestsAreJudgedAlike(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) {
		c.Tokens.Sources = []string{"header", "cookie:session"}
		c.CORS = &guard.CORS{Origins: []string{appOrigin}, Credentials: true, Methods: []string{"GET", "POST"}, RequestHeaders: []string{"Authorization"}}
		c.Routes = []guard.Route{
			{Path: "/healthz", Public: true},
			{Path: "/admin/*", Methods: []string{"GET"}, Scopes: []string{"admin"}},
			{Path: "/bound", Binding: guard.BindingRequired},
		}
	})
	raw := b.mint(nil)
	good := "Bearer " + raw
	for _, tc := range []struct {
		name   string
		ask    ask
		status int
	}{
		{"good", ask{header: []string{"Authorization", good}}, 200},
		{"public", ask{target: "/healthz"}, 200},
		{"public, bad token", ask{target: "/healthz", header: []string{"Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."}}, 200},
		{"none", ask{}, 401},
		{"other scheme", ask{header: []string{"Authorization", "Basic eDp5"}}, 401},
		{"DPoP scheme", ask{header: []string{"Authorization", "DPoP " + raw}}, 401},
		{"unbound where binding is required", ask{target: "/bound", header: []string{"Authorization", good}}, 401},
		{"scope", ask{target: "/admin/users", header: []string{"Authorization", good}}, 403},
		{"scope, trailing slash", ask{target: "/admin/", header: []string{"Authorization", good}}, 403},
		{"method", ask{target: "/admin/users", method: "DELETE", header: []string{"Authorization", good}}, 405},
		{"OPTIONS that is no preflight", ask{target: "/admin/users", method: "OPTIONS"}, 405},
		{"dot segments", ask{target: "/healthz/../admin/users"}, 400},
		{"encoded dot segments", ask{target: "/healthz/%2e%2e/admin"}, 400},
		{"encoded slash", ask{target: "/healthz%2f..%2fadmin"}, 400},
		{"backslash", ask{target: "/healthz%5cadmin"}, 400},
		{"semicolon", ask{target: "/healthz;/admin"}, 400},
		{"double slash", ask{target: "/healthz//admin"}, 400},
		{"double encoding", ask{target: "/%252e%252e/admin"}, 400},
		{"NUL", ask{target: "/healthz%00"}, 400},
		{"invalid UTF-8", ask{target: "/%ff"}, 400},
		{"query does not match", ask{target: "/items?/../healthz"}, 401},
		{"capital letters", ask{target: "/HEALTHZ"}, 401},
		{"foreign host", ask{host: "evil.example.com", target: "/healthz"}, 400},
		{"trailing dot", ask{host: testHost + ".", target: "/healthz"}, 400},
		{"header and query token", ask{target: "/items?access_token=" + raw, header: []string{"Authorization", good}}, 400},
		{"query token alone", ask{target: "/items?access_token=" + raw}, 401},
		{"header and cookie token", ask{header: []string{"Authorization", good, "Cookie", "session=" + raw}}, 400},
		{"two token cookies", ask{header: []string{"Cookie", "session=" + raw + "; session=" + raw}}, 400},
		{"cookie token", ask{header: []string{"Cookie", "session=" + raw}}, 200},
		{"cross-site form", ask{method: "POST", header: []string{"Cookie", "session=" + raw, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}}, 403},
		{"cross-site without Origin", ask{method: "POST", header: []string{"Cookie", "session=" + raw, "Sec-Fetch-Site", "same-site"}}, 403},
		{"the allowed origin's form", ask{method: "POST", header: []string{"Cookie", "session=" + raw, "Origin", appOrigin, "Sec-Fetch-Site", "cross-site"}}, 200},
		{"refused preflight", ask{method: "OPTIONS", header: []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "GET"}}, 403},
		{"preflight for a method", ask{method: "OPTIONS", header: []string{"Origin", appOrigin, "Access-Control-Request-Method", "DELETE"}}, 403},
		{"two origins", ask{header: []string{"Authorization", good, "Origin", appOrigin, "Origin", "https://evil.example"}}, 400},
		{"alias of Authorization", ask{header: []string{"Authorization_", good}}, 401},
		{"underscore for a hyphen in framing", ask{header: []string{"Authorization", good, "Content_length", "5"}}, 400},
		{"identity headers", ask{header: []string{"X-Auth-Subject", "root", "X-Auth-Scopes", "admin"}}, 401},
		{"override of path and method", ask{target: "/admin/users", header: []string{"Authorization", good, "X-Original-Url", "/healthz", "X-Http-Method-Override", "GET"}}, 403},
		{"lower-case method", ask{method: "get", header: []string{"Authorization", good}}, 400},
	} {
		t.Run(tc.name, func(t *testing.T) { // not in parallel: what reaches the upstream is counted
			if got := b.sameEverywhere(t, tc.name, tc.ask); got.Status != tc.status {
				t.Errorf("got %+v, want %d", got, tc.status)
			}
		})
	}
}

// TestCrossSiteWebSocket is a handshake whose Upgrade the proxy has kept to
// itself, as proxies do.
func TestCrossSiteWebSocket(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) { c.Tokens.Sources = []string{"cookie:session"} })
	handshake := ask{header: []string{
		"Cookie", "session=" + b.mint(nil), "Origin", "https://evil.example", "Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-Websocket-Version", "13",
	}}
	for way, got := range map[string]reply{"http": b.http(handshake), "envoy": b.check(question(handshake, merged)).reply} {
		if got.status != 403 || got.detail() != "Cross-site request" {
			t.Errorf("%s: got %v, want 403 Cross-site request", way, got)
		}
	}
}

// party is an issuer that signs whatever it is given.
type party struct {
	key  *ecdsa.PrivateKey
	jwks []byte
}

func newParty(t testing.TB) *party {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.NewSigner("ES256", "party", key)
	if err != nil {
		t.Fatal(err)
	}
	return &party{key, jwks(t, signer)}
}

func (p *party) sign(header, claims map[string]any) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return p.signText(string(h), string(c))
}

func (p *party) signText(header, claims string) (string, error) {
	return signES256(p.key, header, claims)
}

func signES256(key *ecdsa.PrivateKey, header, claims string) (string, error) {
	text := base64url([]byte(header)) + "." + base64url([]byte(claims))
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", err
	}
	return text + "." + base64url(append(fill(r), fill(s)...)), nil
}

func fill(n *big.Int) []byte { return n.FillBytes(make([]byte, 32)) }

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
