package issuer_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/issuer"
)

// An issuer and a guard in one program: alice logs in, and her token opens the
// API together with the cookie that it is bound to.
func ExampleNew() {
	const origin = "https://api.example.com"
	is, err := issuer.New(issuer.Config{URL: origin, Audience: "api.example.com"}) // keeps all in memory
	if err != nil {
		log.Fatal(err)
	}
	defer is.Close()
	if err := is.Users().Add(context.Background(), "alice", "correct horse battery", nil); err != nil {
		log.Fatal(err)
	}
	g, err := guard.New(guard.Config{
		Hosts:  []string{"api.example.com"},
		Tokens: guard.Tokens{Issuers: []guard.Issuer{{Issuer: origin, Audiences: []string{"api.example.com"}, Keys: is.Keys()}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()
	api := g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := guard.ClaimsFrom(r.Context()) // every path needs a token
		fmt.Fprint(w, "hello ", claims.Subject)
	}))

	login := httptest.NewRequest(http.MethodPost, origin+"/auth/login", strings.NewReader(`{"username":"alice","password":"correct horse battery"}`))
	login.Header.Set("Content-Type", "application/json")
	login = login.WithContext(issuer.WithClient(login.Context(), netip.MustParseAddr("192.0.2.7"))) // who is in front knows
	answer := httptest.NewRecorder()
	is.Handler().ServeHTTP(answer, login)
	var tokens struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
		Life  int    `json:"expires_in"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &tokens); err != nil {
		log.Fatal(err)
	}
	fmt.Println("login:", answer.Code, tokens.Type, tokens.Life)

	for _, stolen := range []bool{false, true} {
		r := httptest.NewRequest(http.MethodGet, "/me", nil)
		r.Host, r.TLS = "api.example.com", &tls.ConnectionState{}
		r.Header.Set("Authorization", "Bearer "+tokens.Token)
		for _, c := range answer.Result().Cookies() {
			if !stolen {
				r.AddCookie(c)
			}
		}
		me := httptest.NewRecorder()
		api.ServeHTTP(me, r)
		fmt.Println("stolen", stolen, "->", me.Code)
	}
	// Output:
	// login: 200 Bearer 300
	// stolen false -> 200
	// stolen true -> 401
}
