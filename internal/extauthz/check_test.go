package extauthz_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/testpki"
	"github.com/wiretight/wiretight/internal/token"
)

func TestCheckIdentity(t *testing.T) {
	t.Parallel()
	claims := map[string]any{"scope": "read write"}
	spoofed := []string{
		"X-Auth-Subject", "root", "X_auth_subject", "root", "X-Auth-Client", "root", "X-Original-Url", "/", "X-Forwarded-Host", "evil",
		"X-Envoy-Original-Path", "/", "Forwarded", "for=::1", "Dpop", "proof", "Cookie", "theme=dark; __Host-refresh=secret",
	}
	// What Envoy is to remove in every mode; x-auth-* unless it is set.
	removed := []string{"forwarded", "x-envoy-original-path", "x-forwarded-host", "x-original-url", "x_auth_subject"}
	for _, tc := range []struct {
		forward guard.Forward
		set     map[string]string
		remove  []string
	}{
		{guard.ForwardToken, map[string]string{"cookie": "theme=dark"}, []string{"x-auth-client", "x-auth-subject"}},
		{guard.ForwardClaims, map[string]string{
			"cookie": "theme=dark", "x-auth-subject": "alice", "x-auth-issuer": testIssuer, "x-auth-scopes": "read write", "x-auth-claims": "P",
		}, []string{"authorization", "dpop", "x-auth-client"}},
		{guard.ForwardInternal, map[string]string{"cookie": "theme=dark", "authorization": "I"}, []string{"dpop", "x-auth-client", "x-auth-subject"}},
		{guard.ForwardNone, map[string]string{"cookie": "theme=dark"}, []string{"authorization", "dpop", "x-auth-client", "x-auth-subject"}},
	} {
		for _, f := range []form{merged, raw} {
			t.Run(string(tc.forward)+" "+string(f), func(t *testing.T) {
				t.Parallel()
				b := newBed(t, func(c *guard.Config) { c.Tokens.Forward = tc.forward })
				raw := b.mint(claims)
				got := b.check(question(ask{header: append([]string{"Authorization", "Bearer " + raw}, spoofed...)}, f))
				if got.status != 200 {
					t.Fatalf("got %+v, want 200", got)
				}
				want := map[string]string{}
				for name, value := range tc.set {
					switch value {
					case "P":
						value = strings.Split(raw, ".")[1]
					case "I":
						value = got.set[name]
						if c := parse(t, value).Claims; c.Subject != "alice" || c.Audience[0] != "app" {
							t.Errorf("got %+v, want the caller for the upstream", c)
						}
					}
					want[name] = value
				}
				if d := cmp.Diff(want, got.set); d != "" {
					t.Errorf("headers that are set (-want +got):\n%s", d)
				}
				for _, name := range append(tc.remove, removed...) {
					if !got.has(name) {
						t.Errorf("got %q removed, want %s among them", got.remove, name)
					}
				}
				if n := len(tc.remove) + len(removed); n != len(got.remove) {
					t.Errorf("got %q removed, want %d", got.remove, n)
				}
			})
		}
	}
}

func parse(t *testing.T, authorization string) *token.Token {
	t.Helper()
	raw, _ := strings.CutPrefix(authorization, "Bearer ")
	p, err := token.Parse(raw, token.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCheckPublicRoute takes a token away that nobody vouches for.
func TestCheckPublicRoute(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) { c.Routes = []guard.Route{{Path: "/*", Public: true}} })
	got := b.check(question(ask{header: []string{"Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."}}, merged))
	if got.status != 200 || !got.has("authorization") {
		t.Errorf("got %+v, want 200 without the token", got)
	}
	over := b.http(ask{header: []string{"Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."}})
	if values := over.header["Authorization"]; over.status != 200 || len(values) != 1 || values[0] != "" {
		t.Errorf("got %+v, want 200 with an empty Authorization", over)
	}
}

func TestCheckCORS(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) {
		c.CORS = &guard.CORS{Origins: []string{appOrigin}, Credentials: true, Methods: []string{"GET"}, ResponseHeaders: []string{"X-Request-ID"}}
	})
	got := b.check(question(ask{method: "OPTIONS", header: []string{"Origin", appOrigin, "Access-Control-Request-Method", "GET"}}, merged))
	if got.status != 204 || got.body != "" || got.header.Get("Access-Control-Allow-Methods") != "GET" {
		t.Errorf("got %+v, want 204 that Envoy answers itself", got)
	}
	got = b.check(question(ask{header: []string{"Origin", appOrigin, "Authorization", "Bearer " + b.mint(nil)}}, merged))
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": appOrigin, "Access-Control-Allow-Credentials": "true", "Access-Control-Expose-Headers": "X-Request-ID",
		"Vary": "Origin", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got.status != 200 || got.header.Get(name) != want {
			t.Errorf("got %d with %s %q for the answer, want %q", got.status, name, got.header.Get(name), want)
		}
	}
	if got = b.check(question(ask{header: []string{"Origin", appOrigin}}, merged)); got.status != 401 || got.header.Get("Access-Control-Allow-Origin") != appOrigin {
		t.Errorf("got %+v, want a 401 that the origin can read", got)
	}
}

// TestCheckUnclear holds what no honest Envoy sends. All of it is denied, not
// an error, which failure_mode_allow would let pass.
func TestCheckUnclear(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	good := []string{"Authorization", "Bearer " + b.mint(nil)}
	for _, tc := range []struct {
		name   string
		ask    ask
		change func(*bedQuestion)
	}{
		{"no request", ask{}, func(q *bedQuestion) { q.Attributes.Request = nil }},
		{"no attributes", ask{}, func(q *bedQuestion) { q.Attributes = nil }},
		{"no method", ask{}, func(q *bedQuestion) { q.http().Method = "" }},
		{"no path", ask{}, func(q *bedQuestion) { q.http().Path = "" }},
		{"no host", ask{}, func(q *bedQuestion) { q.http().Host = "" }},
		{"no scheme", ask{}, func(q *bedQuestion) { q.http().Scheme = ""; delete(q.http().Headers, "x-forwarded-proto") }},
		{"another path", ask{}, func(q *bedQuestion) { q.http().Headers[":path"] = "/healthz" }},
		{"another method", ask{}, func(q *bedQuestion) { q.http().Headers[":method"] = "POST" }},
		{"another host", ask{}, func(q *bedQuestion) { q.http().Headers["host"] = "other.example.com" }},
		{"control bytes", ask{}, func(q *bedQuestion) { q.http().Headers["x-a"] = "a\r\nb" }},
		{"no name", ask{}, func(q *bedQuestion) { q.http().Headers["x a"] = "b" }},
		{"client that is no address", ask{client: "unknown"}, nil},
		{"certificate that is none", ask{}, func(q *bedQuestion) { q.Attributes.Source.Certificate = "-----BEGIN CERTIFICATE-----" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.ask.header = good
			q := &bedQuestion{question(tc.ask, merged)}
			if tc.change != nil {
				tc.change(q)
			}
			got := b.check(q.CheckRequest)
			if got.status != 400 || got.detail() != "Invalid request" {
				t.Errorf("got %+v, want 400 Invalid request", got)
			}
			if r := b.record(got.header.Get("X-Request-Id")); r["rule"] != "headers" || r["reason"] == nil {
				t.Errorf("got %v, want the rule headers and a reason", r)
			}
		})
	}
	over := question(ask{header: good}, merged)
	over.Attributes.Request.Http.Body = strings.Repeat("x", 1<<20)
	if got := b.check(over); got.status != 400 {
		t.Errorf("more than 1 MiB: got %+v, want 400", got)
	}
}

func TestCheckScheme(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	for _, tc := range []struct {
		name, scheme, forwarded string
		token                   bool
		status                  int
	}{
		{"both secure", "https", "https", true, 200},
		{"only the header", "", "https", true, 200},
		{"only the attribute", "https", "", true, 200},
		{"both plain, token", "http", "http", true, 403},
		{"attribute plain", "http", "https", true, 403},
		{"header plain", "https", "http", true, 403},
		{"plain, nothing to lose", "http", "http", false, 308},
	} {
		a := ask{}
		raw := b.mint(nil)
		if tc.token {
			a.header = []string{"Authorization", "Bearer " + raw}
		}
		q := question(a, merged)
		h := q.Attributes.Request.Http
		h.Scheme, h.Headers[":scheme"], h.Headers["x-forwarded-proto"] = tc.scheme, tc.scheme, tc.forwarded
		if tc.forwarded == "" {
			delete(h.Headers, "x-forwarded-proto")
		}
		if tc.scheme == "" {
			delete(h.Headers, ":scheme")
		}
		got := b.check(q)
		if got.status != tc.status {
			t.Errorf("%s: got %+v, want %d", tc.name, got, tc.status)
		}
		if tc.token && tc.status == 403 { // burnt
			if again := b.check(question(a, merged)); again.status != 401 {
				t.Errorf("%s: got %d for a token that was sent in clear, want 401", tc.name, again.status)
			}
		}
	}
}

func TestCheckCertificate(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	own, other := newCertificate(t), newCertificate(t)
	sum := sha256.Sum256(own)
	bound := []string{"Authorization", "Bearer " + b.mint(map[string]any{"cnf": map[string]any{"x5t#S256": base64url(sum[:])}})}
	for name, tc := range map[string]struct {
		der  []byte
		want int
	}{"own": {own, 200}, "another": {other, 401}, "none": {nil, 401}} {
		q := question(ask{header: bound}, merged)
		if tc.der != nil {
			q.Attributes.Source.Certificate = certificateOf(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tc.der}))
		}
		if got := b.check(q); got.status != tc.want {
			t.Errorf("%s: got %+v, want %d", name, got, tc.want)
		}
	}
	// Over HTTP anybody can write the certificate into a header.
	header := append([]string{
		"X-Ssl-Client-Cert", certificateOf(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own})),
		"X-Forwarded-Client-Cert", "Hash=00",
	}, bound...)
	if got := b.http(ask{header: header}); got.status != 401 {
		t.Errorf("over HTTP: got %v, want 401", got)
	}
}

func newCertificate(t *testing.T) []byte {
	t.Helper()
	id, err := testpki.SelfSigned("client")
	if err != nil {
		t.Fatal(err)
	}
	return id.Cert.Raw
}

// TestServerName refuses a request for another host than the handshake's.
func TestServerName(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) { c.Hosts = []string{testHost, "www.example.com"} })
	for sni, want := range map[string]int{testHost: 200, "www.example.com": 421, "": 200} {
		q := question(ask{header: []string{"Authorization", "Bearer " + b.mint(nil)}}, merged)
		q.Attributes.TlsSession = session(sni)
		if got := b.check(q); got.status != want {
			t.Errorf("SNI %q: got %+v, want %d", sni, got, want)
		}
	}
}

// TestProofsAreForTheOriginalRequest compares DPoP with what the client has
// sent to the proxy, not with how the proxy asks.
func TestProofsAreForTheOriginalRequest(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jkt, err := token.Thumbprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.NewSigner("ES256", "k", key)
	if err != nil {
		t.Fatal(err)
	}
	var jwk map[string]any
	if err := json.Unmarshal(signer.JWK(), &jwk); err != nil {
		t.Fatal(err)
	}
	public := map[string]any{"kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"]}
	raw := b.mint(map[string]any{"cnf": map[string]any{"jkt": jkt}})
	proof := func(method, url string) string {
		ath := sha256.Sum256([]byte(raw))
		h, _ := json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": public}) // plain strings always encode
		c, _ := json.Marshal(map[string]any{"jti": randomID(), "htm": method, "htu": url, "iat": time.Now().Unix(), "ath": base64url(ath[:])})
		p, err := signES256(key, string(h), string(c))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	used := proof("POST", "https://"+testHost+"/items")
	for _, tc := range []struct {
		name, proof string
		want        int
	}{
		{"for the client's request", used, 200},
		{"again", used, 401},
		{"for the question", proof("GET", "https://"+testHost+"/authorize"), 401},
		{"for another method", proof("GET", "https://"+testHost+"/items"), 401},
		{"for another host", proof("POST", "https://www.example.com/items"), 401},
		{"for plain HTTP", proof("POST", "http://"+testHost+"/items"), 401},
	} {
		a := ask{method: "POST", target: "/items?page=2", header: []string{"Authorization", "DPoP " + raw, "Dpop", tc.proof}}
		if got := b.http(a); got.status != tc.want {
			t.Errorf("%s, over HTTP: got %v, want %d", tc.name, got, tc.want)
		}
		a.header[3] = tc.proof
		if tc.want == 200 { // used up by now
			continue
		}
		if got := b.check(question(a, merged)); got.status != tc.want {
			t.Errorf("%s, over gRPC: got %+v, want %d", tc.name, got, tc.want)
		}
	}
	fresh := ask{method: "POST", header: []string{"Authorization", "DPoP " + raw, "Dpop", proof("POST", "https://"+testHost+"/items")}}
	if got := b.check(question(fresh, merged)); got.status != 200 {
		t.Errorf("over gRPC: got %+v, want 200", got)
	}
}

// TestOnceIsUsedUpByTheDecision lets many ask at the same time.
func TestOnceIsUsedUpByTheDecision(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) { c.Routes = []guard.Route{{Path: "/pay", Once: true}} })
	a := ask{target: "/pay", header: []string{"Authorization", "Bearer " + b.mint(nil)}}
	var wg sync.WaitGroup
	results := make([]int, 32)
	for i := range results {
		wg.Go(func() {
			switch i % 3 {
			case 0:
				results[i] = b.http(a).status
			case 1:
				results[i] = b.check(question(a, merged)).status
			default:
				results[i] = b.carry(a).status
			}
		})
	}
	wg.Wait()
	passed := 0
	for _, r := range results {
		if r == 200 {
			passed++
		} else if r != 401 {
			t.Errorf("got %d, want 200 or 401", r)
		}
	}
	if passed != 1 {
		t.Errorf("%d of %d passed, want one", passed, len(results))
	}
}

// lostStore is a store that does not answer.
type lostStore struct{ store.Store }

var errLost = errors.New("the store is away")

func (lostStore) Replace(context.Context, string, []byte, []byte, time.Time) error { return errLost }

// TestLostStoreRefuses asks with a store that takes no record.
func TestLostStoreRefuses(t *testing.T) {
	t.Parallel()
	memory := store.NewMemory(time.Now, 1000)
	t.Cleanup(func() { _ = memory.Close() })
	b := newBed(t, func(c *guard.Config) {
		c.Store = lostStore{memory}
		c.Routes = []guard.Route{{Path: "/pay", Once: true}}
	})
	a := ask{target: "/pay", header: []string{"Authorization", "Bearer " + b.mint(nil)}}
	for way, got := range map[string]reply{"http": b.http(a), "envoy": b.check(question(a, merged)).reply} {
		if got.status != 503 || got.detail() != "Temporarily unavailable" || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: got %v, want 503 with Retry-After", way, got)
		}
	}
}

// TestObserve lets pass and counts, but carries nothing that came in clear.
func TestObserve(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) {
		c.Mode = guard.ObserveOnly
		c.Routes = []guard.Route{{Path: "/admin/*", Scopes: []string{"admin"}}}
	})
	good := []string{"Authorization", "Bearer " + b.mint(nil)}
	for name, tc := range map[string]struct {
		ask  ask
		want int
	}{
		"scope":         {ask{target: "/admin/x", header: good}, 200},
		"no token":      {ask{}, 200},
		"odd path":      {ask{target: "/%61dmin/x", header: good}, 200},
		"token, plain":  {ask{scheme: "http", header: good}, 403},
		"unknown proto": {ask{scheme: "gopher", header: good}, 400},
	} {
		for way, got := range map[string]reply{"http": b.http(tc.ask), "envoy": b.check(question(tc.ask, raw)).reply} {
			if got.status != tc.want {
				t.Errorf("%s, %s: got %v, want %d", name, way, got, tc.want)
			}
		}
	}
	if n := count(t, b, "wiretight_observed_refusals_total", "rule", "scopes"); n != 4 {
		t.Errorf("got %v observed refusals for scopes, want 4", n)
	}
}

// TestDecisionsAreCounted finds every decision in the same series as requests.
func TestDecisionsAreCounted(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) { c.Routes = []guard.Route{{Path: "/items"}} })
	good := ask{header: []string{"Authorization", "Bearer " + b.mint(nil)}}
	b.http(good)
	b.check(question(good, merged))
	b.http(ask{})
	b.check(question(ask{}, merged))
	if n := count(t, b, "wiretight_requests_total", "route", "/items", "decision", "allowed"); n != 2 {
		t.Errorf("got %v allowed, want 2", n)
	}
	if n := count(t, b, "wiretight_requests_total", "route", "/items", "decision", "refused", "rule", "token"); n != 2 {
		t.Errorf("got %v refused, want 2", n)
	}
}

// TestUntrustedEnvoy denies, and says so.
func TestUntrustedEnvoy(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) { c.TrustedPeers = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	got := b.check(question(ask{header: []string{"Authorization", "Bearer " + b.mint(nil)}}, merged))
	if got.status != 403 || got.detail() != "Proxy not trusted" {
		t.Errorf("got %+v, want 403 Proxy not trusted", got)
	}
}

// TestInternalTokensNeedAnUpstream is a mistake in the configuration.
func TestInternalTokensNeedAnUpstream(t *testing.T) {
	t.Parallel()
	problems := guard.Check(guard.Config{
		Hosts: []string{testHost}, TrustedPeers: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		Tokens: guard.Tokens{Forward: guard.ForwardInternal, Issuers: []guard.Issuer{{
			Issuer: testIssuer, Audiences: []string{testAudience}, JWKS: jwks(t, newSigner(t, "k")),
		}}},
	})
	if len(problems) != 1 || problems[0].Path != "tokens.forward" {
		t.Errorf("got %v, want tokens.forward", problems)
	}
}

// TestTokensStayOutOfTheLog grants and refuses, and reads what was logged.
func TestTokensStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	raw := b.mint(nil)
	for _, value := range []string{"Bearer " + raw, "Bearer " + raw + "x", "Bearer " + raw + "," + raw} {
		a := ask{header: []string{"Authorization", value}}
		b.record(b.http(a).header.Get("X-Request-Id"))
		b.check(question(a, merged))
	}
	for _, part := range strings.Split(raw, ".")[1:] {
		if strings.Contains(b.log.String(), part) {
			t.Error("a part of the token is in the log")
		}
	}
}
