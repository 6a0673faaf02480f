package guard_test

import (
	"crypto/tls"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/token"
)

// blank is a ResponseWriter that costs next to nothing.
type blank struct{ header http.Header }

func (b *blank) Header() http.Header         { return b.header }
func (b *blank) Write(p []byte) (int, error) { return len(p), nil }
func (b *blank) WriteHeader(int)             {}

// BenchmarkRules measures the rules with a remembered RS256 token: a request as
// the server read it comes in, a decision comes out. Everything in the ordered
// list is looked at, and what it stands on is made: the exchange, the request's
// id, the canonical path, the token's key, the lookups among the remembered and
// the revoked. What is made of the decision is not in it: see BenchmarkExchange.
// The target is under 2 µs of processor time (cpu-ns/op, which what else runs
// on the machine moves less than ns/op) with nothing that grows with the token;
// TestAllocations holds the allocations. To see where they go:
//
//	go test -run '^$' -bench Rules -cpuprofile cpu.out -memprofile mem.out -memprofilerate 1 ./guard
//	go tool pprof -sample_index alloc_objects -list 'guard\.' mem.out
func BenchmarkRules(b *testing.B) {
	benchmark(b, func(g *guard.Guard, _ http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !g.Decide(w, r) {
				b.Fatal("the request that is measured does not pass")
			}
		})
	})
}

// BenchmarkExchange measures a whole request to a handler in this process: what
// BenchmarkRules does, then the context that the handler gets, the list of what
// is under way, the answer's header, the metrics and the record that nobody
// wants. No network, no upstream, no server.
func BenchmarkExchange(b *testing.B) {
	benchmark(b, func(_ *guard.Guard, wrapped http.Handler) http.Handler { return wrapped })
}

func benchmark(b *testing.B, measured func(g *guard.Guard, wrapped http.Handler) http.Handler) {
	for _, bench := range []struct {
		name string
		more http.Header
	}{
		{"usual", nil},
		{"browser", http.Header{
			"Origin": {appOrigin}, "Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"},
			"Accept-Language": {"de-DE,de;q=0.9"}, "Referer": {appOrigin + "/"}, "Sec-Ch-Ua": {`"Chromium";v="130"`}, "Cookie": {"theme=dark"},
		}},
		{"forged headers", http.Header{"X-Forwarded-For": {"6.6.6.6"}, "X_auth_subject": {"root"}, "X-Real-Ip": {"6.6.6.6"}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			g, wrapped, template := benchGuard(b, nil)
			maps.Copy(template, bench.more)
			ask := repeated(measured(g, wrapped), template)
			b.ReportAllocs()
			used := cpuTime()
			for b.Loop() {
				ask()
			}
			b.ReportMetric(float64(cpuTime()-used)/float64(b.N), "cpu-ns/op")
		})
	}
}

// repeated sends one request again and again. What a server makes anew for each
// is made again without an allocation.
func repeated(handler http.Handler, template http.Header) (ask func()) {
	header := make(http.Header, len(template))
	w := &blank{header: http.Header{}}
	state := &tls.ConnectionState{ServerName: testHost, Version: tls.VersionTLS13}
	url := *secureRequest("GET", "/items/42?fields=all").URL
	r := secureRequest("GET", "/items/42?fields=all")
	return func() {
		if len(header) != len(template) { // some were removed, or this is the first time
			maps.Copy(header, template)
		}
		clear(w.header)
		*r.URL = url
		r.Header, r.TLS = header, state
		handler.ServeHTTP(w, r)
	}
}

// benchGuard has every rule at work, a handler that it wraps, and the header of
// a request that passes. Its token has the usual claims and more.
func benchGuard(b testing.TB, more map[string]any) (*guard.Guard, http.Handler, http.Header) {
	b.Helper()
	signer, err := token.NewSigner("RS256", "rsa-1", rsaKey())
	if err != nil {
		b.Fatal(err)
	}
	cfg := guard.Config{
		Hosts: []string{testHost, "www.example.com"},
		Tokens: guard.Tokens{Cache: 1000, Leeway: 30 * time.Second, Issuers: []guard.Issuer{{
			Issuer: testIssuer, Audiences: []string{testAudience}, Algorithms: []string{"RS256"}, JWKS: jwks(b, signer),
		}}},
		Routes: []guard.Route{
			{Path: "/healthz", Public: true},
			{Path: "/admin/*", Scopes: []string{"admin"}},
			{Path: "/items/*", Methods: []string{"GET", "POST"}, Scopes: []string{"read"}},
		},
	}
	cfg.CORS = &guard.CORS{
		Origins: []string{appOrigin}, Credentials: true, Methods: []string{"GET", "POST"},
		RequestHeaders: []string{"Authorization"}, ResponseHeaders: []string{"X-Request-ID"}, MaxAge: time.Hour,
	}
	g, err := guard.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = g.Close() })
	now := time.Now()
	claims := map[string]any{
		"iss": testIssuer, "aud": testAudience, "sub": "alice", "jti": randomID(),
		"iat": now.Unix(), "exp": now.Add(50 * time.Minute).Unix(), "scope": "read write",
	}
	maps.Copy(claims, more)
	raw, err := signer.Sign("at+jwt", claims)
	if err != nil {
		b.Fatal(err)
	}
	passed := 0
	handler := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed++ }))
	template := http.Header{
		"Authorization": {"Bearer " + raw}, "Accept": {"application/json"}, "User-Agent": {"bench/1.0"}, "Accept-Encoding": {"gzip"},
	}
	r := secureRequest("GET", "/items/42?fields=all")
	r.Header = template.Clone()
	handler.ServeHTTP(&blank{header: http.Header{}}, r)
	if passed != 1 {
		b.Fatal("the request that is measured does not pass")
	}
	return g, handler, template
}
