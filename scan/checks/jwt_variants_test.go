package checks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// claimed is an API whose tokens have these claims besides.
func claimed(claims map[string]any) func(testing.TB) *fixture {
	return weakAPI(tokenAPI{claims: claims})
}

// altered changes the scan of a fixture.
func altered(mk func(testing.TB) *fixture, change func(f *fixture)) func(testing.TB) *fixture {
	return func(t testing.TB) *fixture {
		f := mk(t)
		change(f)
		return f
	}
}

// TestJWTVariants is about what each check makes of circumstances.
func TestJWTVariants(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	secret := unguessed()
	api := tokenAPI{secret: secret}
	signer := api
	signer.apiState, signer.alg = &apiState{}, "HS256"
	expired := signer.mint(nil, map[string]any{"iat": now - 7200, "exp": now - 3600})
	fresh := signer.mint(nil, nil)
	elsewhere := signer.mint(nil, map[string]any{"aud": "billing.example"})
	stranger := signer.mint(nil, map[string]any{"iss": "https://other.example/"})
	lax := func(overlook string) tokenAPI { return tokenAPI{secret: secret, overlook: overlook} }
	given := func(a tokenAPI, change func(c *scan.Config)) func(testing.TB) *fixture {
		return altered(weakAPI(a), func(f *fixture) { change(&f.Config) })
	}
	refreshing := func(a *tokenAPI) string { return a.mint(map[string]any{"typ": "refresh+jwt"}, nil) }
	opaque := func(*tokenAPI) string { return rand.Text() }

	tests := []struct {
		name  string
		check scan.Check
		api   func(testing.TB) *fixture
		want  scan.Outcome
		// text is in the evidence or the reason.
		text     string
		severity catalog.Severity
	}{
		{"garbage is a token", jwtSignatureUnverified, garbled(), scan.Found, "Any text is taken for a token", ""},
		{"no credential is asked for", jwtSignatureUnverified, public(), scan.Inconclusive, "no operation tells", ""},
		{"an opaque token", jwtSignatureUnverified, opaqueToken(), scan.Skipped, "opaque", ""},
		{"an opaque token cannot be forged", jwtAlgNone, opaqueToken(), scan.Skipped, "no JWT", ""},
		{"an opaque token has no claims", jwtNoExpiry, opaqueToken(), scan.Skipped, "opaque", ""},
		{"zeros are another check's", jwtSignatureUnverified, weakAPI(tokenAPI{alg: "ES256", signature: byZeros}), scan.Passed, "", ""},
		{"only RSA is in use", jwtPsychicSignature, weakAPI(tokenAPI{alg: "RS256", publish: true}), scan.Skipped, "ECDSA", ""},
		{"None in capitals", jwtAlgNone, weakAPI(tokenAPI{signature: func(a *tokenAPI, s sent) bool { return alg(s) == "NONE" && byNone(a, s) }}), scan.Found, "alg NONE", ""},
		{"none, if the payload is as it was", jwtAlgNone, weakAPI(tokenAPI{signature: func(a *tokenAPI, s sent) bool {
			return s.claims["wt_nonce"] == nil && byNone(a, s)
		}}), scan.Found, "alg none", ""},
		{"none with its signature", jwtAlgNone, weakAPI(tokenAPI{signature: func(_ *tokenAPI, s sent) bool {
			return alg(s) == "none" && len(s.signature) > 0
		}}), scan.Found, "signature kept", ""},
		{"a published key that nobody knows", jwtAlgConfusion, weakAPI(tokenAPI{alg: "RS256"}), scan.Inconclusive, "not known", ""},
		{"one of several keys, no kid", jwtAlgConfusion, weakAPI(tokenAPI{alg: "RS256", publish: true, beside: strangers(), signature: byPublicKey}), scan.Found, "SPKI PEM", ""},
		{"one of several keys, mended", jwtAlgConfusion, weakAPI(tokenAPI{alg: "RS256", publish: true, beside: strangers()}), scan.Passed, "", ""},
		{"several keys of others", jwtAlgConfusion, weakAPI(tokenAPI{alg: "RS256", publish: true, withheld: true, beside: strangers(), signature: byPublicKey}), scan.Inconclusive, "none of the published keys", ""},
		{"HMAC without a published key", jwtAlgConfusion, weakAPI(tokenAPI{secret: secret}), scan.Skipped, "no public key", ""},
		{"a key of its own by URL", jwtEmbeddedKey, weakAPI(tokenAPI{alg: "RS256", signature: byURL}), scan.Found, "jku naming a foreign key set", ""},
		{"a URL that is only fetched", jwtEmbeddedKey, weakAPI(tokenAPI{alg: "RS256", before: func(_ *tokenAPI, s sent) { fetched(s) }}), scan.Passed, "", ""},
		{"a URL whose key is trusted", jwtKeyFetch, weakAPI(tokenAPI{alg: "RS256", signature: byURL}), scan.Found, "listener was called", ""},
		{"a URL at which signatures do not matter", jwtKeyFetch, weakAPI(tokenAPI{signature: anything, before: func(_ *tokenAPI, s sent) { fetched(s) }}), scan.Found, "listener was called", ""},
		{"kid in a query", jwtKidInjection, weakAPI(tokenAPI{signature: byQuery}), scan.Found, "UNION query", ""},
		{"a quote in kid", jwtKidInjection, weakAPI(tokenAPI{fails: func(s sent) bool {
			kid, _ := s.header["kid"].(string)
			return strings.ContainsAny(kid, "'\"")
		}}), scan.Found, "without a quote: 401", catalog.Medium},
		{"every odd kid fails", jwtKidInjection, weakAPI(tokenAPI{fails: func(s sent) bool { return s.header["kid"] != nil }}), scan.Inconclusive, "500", ""},
		{"no HMAC", jwtWeakSecret, weakAPI(tokenAPI{}), scan.Skipped, "ES256", ""},
		{"the secret in hexadecimal", jwtWeakSecret, weakAPI(tokenAPI{secret: inHex("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7")}), scan.Found, "32 bytes", ""},
		{"the host's name and more", jwtWeakSecret, weakAPI(tokenAPI{secret: []byte("id-example-secret"), claims: map[string]any{"iss": "https://id.example/"}}), scan.Found, "17 bytes", ""},
		{"a number", jwtWeakSecret, weakAPI(tokenAPI{secret: []byte("493817")}), scan.Found, "6 bytes", ""},
		{"given, and published", jwtWeakSecret, given(tokenAPI{secret: []byte("changethis")}, func(c *scan.Config) { c.Secret = text("changethis") }), scan.Found, "was accepted", ""},
		{"given, and good", jwtWeakSecret, given(lax(""), func(c *scan.Config) { c.Secret = text(string(secret)) }), scan.Passed, "", ""},
		{"in a passive scan", jwtWeakSecret, given(tokenAPI{secret: []byte("changethis")}, func(c *scan.Config) { c.Passive = true }), scan.Found, "not", ""},

		{"HMAC beside published keys", jwtWeakAlgorithm, keysBeside(), scan.Found, "public keys are published", catalog.Medium},
		{"HMAC alone", jwtWeakAlgorithm, weakAPI(tokenAPI{secret: secret}), scan.Passed, "", ""},
		{"an algorithm that nobody knows", jwtWeakAlgorithm, weakAPI(tokenAPI{secret: secret, header: map[string]any{"alg": "HS1"}}), scan.Found, "registered", catalog.Medium},

		{"the given token is accepted", jwtExpiredAccepted, given(lax("exp"), func(c *scan.Config) { c.ExpiredToken = text(expired) }), scan.Found, "--expired-token", catalog.Severity("")},
		{"the given token is refused", jwtExpiredAccepted, given(lax(""), func(c *scan.Config) { c.ExpiredToken = text(expired) }), scan.Passed, "", ""},
		{"the given token is not over", jwtExpiredAccepted, given(lax(""), func(c *scan.Config) { c.ExpiredToken = text(fresh) }), scan.Inconclusive, "five minutes", ""},
		{"nothing to try with", jwtExpiredAccepted, weakAPI(tokenAPI{}), scan.Skipped, "--expired-token", ""},
		{"the scan's own token is over", jwtExpiredAccepted, weakAPI(tokenAPI{overlook: "exp", claims: map[string]any{"exp": now - 3600}}), scan.Found, "It expired at", ""},
		{"a wrong secret", jwtExpiredAccepted, given(lax(""), func(c *scan.Config) { c.Secret = text("something else") }), scan.Inconclusive, "nothing wrong is refused", ""},
		{"a wrong secret says nothing of nbf", jwtNotBeforeIgnored, given(lax("nbf"), func(c *scan.Config) { c.Secret = text("something else") }), scan.Inconclusive, "refused", ""},

		{"exp a text", jwtNoExpiry, weakAPI(tokenAPI{overlook: "exp", claims: map[string]any{"exp": "2030-01-01"}}), scan.Found, "the text", ""},
		{"exp in milliseconds", jwtNoExpiry, claimed(map[string]any{"exp": (now + 600) * 1000}), scan.Found, "no time in seconds", ""},
		{"two hours", jwtLongLived, claimed(map[string]any{"iat": now, "exp": now + 7300}), scan.Found, "2 hours", catalog.Severity("")},
		{"two days", jwtLongLived, claimed(map[string]any{"iat": now, "exp": now + 2*86400 + 60}), scan.Found, "2 days", catalog.High},
		{"no iat", jwtLongLived, claimed(map[string]any{"exp": now + 7300, "iat": nil}), scan.Found, "from now", ""},
		{"a refresh token", jwtLongLived, claimed(map[string]any{"iat": now, "exp": now + 7300, "token_use": "refresh"}), scan.Skipped, "refresh", ""},
		{"no end", jwtLongLived, claimed(map[string]any{"exp": nil}), scan.Skipped, "jwt.no-expiry", ""},
		{"no iss", jwtMissingClaims, claimed(map[string]any{"iss": nil}), scan.Found, "no iss", ""},

		{"iss may be absent", jwtIssuerUnchecked, secretKnown(tokenAPI{optional: "iss"}), scan.Found, "No iss", catalog.Medium},
		{"a token of another issuer", jwtIssuerUnchecked, given(lax("iss"), func(c *scan.Config) { c.OtherToken = text(stranger) }), scan.Found, "other.example", ""},
		{"a token of another issuer is refused", jwtIssuerUnchecked, given(lax(""), func(c *scan.Config) { c.OtherToken = text(stranger) }), scan.Passed, "", ""},
		{"the other token is of the same issuer", jwtIssuerUnchecked, given(lax("iss"), func(c *scan.Config) { c.OtherToken = text(elsewhere) }), scan.Skipped, "another issuer", ""},
		{"no iss to check", jwtIssuerUnchecked, secretKnown(tokenAPI{claims: map[string]any{"iss": nil}}), scan.Skipped, "no iss", ""},
		{"a token for another audience", jwtAudienceUnchecked, given(lax("aud"), func(c *scan.Config) { c.OtherToken = text(elsewhere) }), scan.Found, "billing.example", ""},
		{"a token for another audience is refused", jwtAudienceUnchecked, given(lax(""), func(c *scan.Config) { c.OtherToken = text(elsewhere) }), scan.Passed, "", ""},
		{"the other token is for the same audience", jwtAudienceUnchecked, given(lax("aud"), func(c *scan.Config) { c.OtherToken = text(stranger) }), scan.Inconclusive, "same audience", ""},
		{"no aud to check", jwtAudienceUnchecked, secretKnown(tokenAPI{claims: map[string]any{"aud": nil}}), scan.Skipped, "no aud", ""},
		{"no secret and no other token", jwtAudienceUnchecked, weakAPI(tokenAPI{}), scan.Skipped, "--other-token", ""},

		{"a refresh token with its own typ", jwtTypeConfusion, weakAPI(tokenAPI{login: true, refresh: refreshing}), scan.Passed, "", ""},
		{"an opaque refresh token", jwtTypeConfusion, weakAPI(tokenAPI{login: true, refresh: opaque}), scan.Passed, "", ""},
		{"no other tokens", jwtTypeConfusion, weakAPI(tokenAPI{login: true}), scan.Skipped, "neither", ""},
		{"typ does not matter", jwtTypeConfusion, secretKnown(tokenAPI{login: true, overlook: "typ"}), scan.Found, "typ of a refresh token", catalog.Low},
		{"typ is said and does not matter", jwtTypeConfusion, secretKnown(tokenAPI{login: true, overlook: "typ", header: map[string]any{"typ": "at+jwt"}}), scan.Found, "typ of a refresh token", ""},

		{"an identifier of the time", jwtPredictableID, weakAPI(tokenAPI{login: true, id: func(int) string { return time.Now().Format("20060102150405.000000000") }}), scan.Found, "bits", ""},
		{"no identifier", jwtPredictableID, weakAPI(tokenAPI{login: true, claims: map[string]any{"jti": nil}}), scan.Skipped, "no jti", ""},
		{"the parameter of the description", jwtTokenInURL, inDescription("ticket"), scan.Found, "ticket", ""},
		{"a token in no query", jwtTokenInURL, weakAPI(tokenAPI{}), scan.Passed, "", ""},
		{"a query token at which signatures do not matter", jwtTokenInURL, weakAPI(tokenAPI{query: "jwt", signature: anything}), scan.Found, "parameter jwt", ""},
		{"no logout", jwtNotRevoked, weakAPI(tokenAPI{login: true}), scan.Skipped, "--logout-url", ""},
		{"the logout is refused", jwtNotRevoked, altered(weakAPI(tokenAPI{login: true}), func(f *fixture) { f.Config.LogoutURL = "/login" }), scan.Inconclusive, "logout was refused", ""},
		{"the login fails", jwtNotRevoked, altered(weakAPI(tokenAPI{login: true, logout: "nothing"}), func(f *fixture) { f.Config.LoginData = "username=alice&password=wrong" }), scan.Inconclusive, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := look(t, tt.api(t), tt.check)
			if v.Outcome != tt.want {
				t.Fatalf("%s: got %s, want outcome %v", tt.check.ID, describe(v), tt.want)
			}
			said := v.Reason
			for _, e := range v.Findings {
				said += e.Text
				if e.Severity != tt.severity && tt.severity != "" {
					t.Errorf("%s: got severity %q, want %q", tt.check.ID, e.Severity, tt.severity)
				}
			}
			if !strings.Contains(said, tt.text) {
				t.Errorf("%s: got %q, want %q in it", tt.check.ID, said, tt.text)
			}
		})
	}
}

// inHex is what a text stands for in hexadecimal.
func inHex(text string) []byte {
	raw, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return raw
}

// plainAPI has GET /me, and takes what good says.
func plainAPI(t testing.TB, token string, good func(credential string) bool, more map[string]string) *fixture {
	t.Helper()
	f := serve(t, server{Token: token, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		credential := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if credential == "" {
			credential = r.URL.Query().Get("ticket")
		}
		switch doc := more[r.URL.Path]; {
		case doc != "":
			answer(w, 200, doc)
		case r.URL.Path != "/me":
			answer(w, 404, "{}")
		case good(credential):
			answer(w, 200, `{"name":"alice"}`)
		default:
			answer(w, 401, `{"detail":"Not authenticated"}`)
		}
	})})
	f.Config.Protected = []string{"/me"}
	return f
}

// garbled takes any text.
func garbled() func(testing.TB) *fixture {
	return func(t testing.TB) *fixture {
		return plainAPI(t, goodToken(t), func(c string) bool { return c != "" }, nil)
	}
}

// public asks for nothing.
func public() func(testing.TB) *fixture {
	return func(t testing.TB) *fixture {
		return plainAPI(t, goodToken(t), func(string) bool { return true }, nil)
	}
}

// opaqueToken has tokens that nobody can read.
func opaqueToken() func(testing.TB) *fixture {
	return func(t testing.TB) *fixture {
		token := rand.Text()
		return plainAPI(t, token, func(c string) bool { return c == token }, nil)
	}
}

// keysBeside publishes a key that its tokens of HMAC do not use.
func keysBeside() func(testing.TB) *fixture {
	return func(t testing.TB) *fixture {
		token := goodToken(t)
		return plainAPI(t, token, func(c string) bool { return c == token }, map[string]string{
			"/.well-known/jwks.json": `{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`,
		})
	}
}

// inDescription documents a token in the query, and takes it.
func inDescription(name string) func(testing.TB) *fixture {
	return func(t testing.TB) *fixture {
		token := goodToken(t)
		return plainAPI(t, token, func(c string) bool { return c == token }, map[string]string{
			"/openapi.json": `{"openapi":"3.1.0","info":{"title":"T","version":"1"},"paths":{"/me":{"get":{"security":[{"q":[]}],"responses":{"200":{"description":"OK"}}}}},
				"components":{"securitySchemes":{"q":{"type":"apiKey","in":"query","name":"` + name + `"}}}}`,
		})
	}
}

// TestJWTKidCommand has a service that runs what kid says. A command is tried only
// when the user permits it.
func TestJWTKidCommand(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	run := func(slow func(kid string) bool) *fixture {
		f := serve(t, server{Token: token, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			credential := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			if s, ok := parse(credential); ok {
				if kid, _ := s.header["kid"].(string); slow(kid) {
					<-r.Context().Done() // as long as the client waits
					return
				}
			}
			guarded(token)(w, r)
		})})
		f.Config.Protected, f.Config.Timeout = []string{"/me"}, time.Second
		return f
	}
	weak := run(func(kid string) bool { return strings.Contains(kid, "|sleep") })
	mustPass(t, weak, jwtKidInjection)
	weak.Config.Intrusive = true
	for _, e := range mustFind(t, weak, jwtKidInjection, "sleeps for 5 s", "with it, without it") {
		if e.Confidence != "medium" {
			t.Errorf("got confidence %q, want medium: only the time tells", e.Confidence)
		}
	}
	// A service that is slow with any token of the kind shows nothing.
	mended := run(func(string) bool { return false })
	mended.Config.Intrusive = true
	mustPass(t, mended, jwtKidInjection)
}

// TestJWTCookie has a service whose token travels in a cookie.
func TestJWTCookie(t *testing.T) {
	t.Parallel()
	api := tokenAPI{signature: byNone}
	api.key, api.alg, api.apiState = testKeys()["ES256"], "ES256", &apiState{revoked: map[string]bool{}}
	f := serve(t, server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			http.SetCookie(w, &http.Cookie{Name: "__Host-access", Value: api.mint(nil, nil), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
			answer(w, 200, `{"detail":"welcome"}`)
		case "/me":
			c, err := r.Cookie("__Host-access")
			if err != nil {
				c = &http.Cookie{}
			}
			api.serveMe(w, c.Value)
		case "/logout":
			answer(w, 200, `{"detail":"bye"}`)
		default:
			answer(w, 404, "{}")
		}
	})})
	f.Config.Protected = []string{"/me"}
	f.Config.LoginURL, f.Config.LoginJSON = "/login", `{"username":"alice","password":"correct horse"}`
	mustFind(t, f, jwtAlgNone, "alg none", "__Host-access=$TOKEN")
	mustFind(t, f, jwtNotRevoked, "still accepted", "__Host-access=$TOKEN")
	mustPass(t, f, jwtNullSignature)
}

// strangers are keys that sign nobody's tokens.
func strangers() []crypto.PublicKey {
	var keys []crypto.PublicKey
	for range 2 {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		keys = append(keys, k.Public())
	}
	return keys
}
