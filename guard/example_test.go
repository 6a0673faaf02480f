package guard_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/token"
)

// A service in Go needs no proxy: the guard goes around its handler. With
// ListenAndServeTLS it is reached over TLS alone.
func ExampleGuard_Wrap() {
	keys, sign := provider()
	g, err := guard.New(guard.Config{
		Hosts: []string{"api.example.com"},
		Tokens: guard.Tokens{Issuers: []guard.Issuer{{
			Issuer: "https://id.example.com/", Audiences: []string{"api.example.com"}, JWKS: keys, // or JWKSURL
		}}},
		Routes: []guard.Route{{Path: "/healthz", Public: true}, {Path: "/admin/*", Scopes: []string{"admin"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()

	api := g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := guard.ClaimsFrom(r.Context()) // none on a public route
		fmt.Fprintf(w, "hello %q", claims.Subject)
	}))

	alice := sign(map[string]any{"sub": "alice", "aud": "api.example.com"})
	for _, ask := range []struct{ path, token string }{
		{"/healthz", ""},
		{"/me", ""},
		{"/me", alice},
		{"/admin/users", alice},
		{"/me", sign(map[string]any{"sub": "alice", "aud": "billing.example.com"})},
	} {
		r := httptest.NewRequest(http.MethodGet, ask.path, nil)
		r.Host, r.TLS = "api.example.com", &tls.ConnectionState{}
		if ask.token != "" {
			r.Header.Set("Authorization", "Bearer "+ask.token)
		}
		answer := httptest.NewRecorder()
		api.ServeHTTP(answer, r)
		var problem struct{ Detail string }
		if json.Unmarshal(answer.Body.Bytes(), &problem) != nil {
			problem.Detail = answer.Body.String()
		}
		fmt.Println(ask.path, answer.Code, problem.Detail)
	}
	// Output:
	// /healthz 200 hello ""
	// /me 401 Not authenticated
	// /me 200 hello "alice"
	// /admin/users 403 Insufficient scope
	// /me 401 Invalid token
}

// Check says all that is wrong with a configuration, and where.
func ExampleCheck() {
	for _, p := range guard.Check(guard.Config{
		Hosts: []string{"api.example.com"},
		Tokens: guard.Tokens{Issuers: []guard.Issuer{{
			Issuer: "https://id.example.com/", JWKSURL: "http://id.example.com/jwks",
		}}},
	}) {
		fmt.Println(p.Path)
	}
	// Output:
	// tokens.issuers[0].audiences
	// tokens.issuers[0].jwks_url
}

// provider stands for somebody who issues tokens: its key set, and how it signs.
func provider() (keys []byte, sign func(claims map[string]any) string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := token.NewSigner("ES256", "key-1", key)
	if err != nil {
		log.Fatal(err)
	}
	return fmt.Appendf(nil, `{"keys":[%s]}`, signer.JWK()), func(claims map[string]any) string {
		now := time.Now().Unix()
		claims["iss"], claims["iat"], claims["exp"] = "https://id.example.com/", now, now+300
		raw, err := signer.Sign("at+jwt", claims)
		if err != nil {
			log.Fatal(err)
		}
		return raw
	}
}
