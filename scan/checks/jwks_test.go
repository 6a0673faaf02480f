package checks

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/scan"
)

const keySetPath = "/.well-known/jwks.json"

// modulus is a number of so many bits, in base64url.
func modulus(bits int) string {
	raw := make([]byte, bits/8)
	for i := range raw {
		raw[i] = 0xC5
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func keySet(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func rsaJWK(kid string, bits int, more string) string {
	return fmt.Sprintf(`{"kty":"RSA","kid":%q,"use":"sig","n":%q,"e":"AQAB"%s}`, kid, modulus(bits), more)
}

const (
	p256JWK    = `{"kty":"EC","kid":"ec","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	ed25519JWK = `{"kty":"OKP","kid":"ed","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
)

func published(t testing.TB, document string) *fixture {
	t.Helper()
	return serve(t, server{Handler: documents(map[string]string{keySetPath: document})})
}

func TestJWKSWeakKey(t *testing.T) {
	t.Parallel()
	found := map[string]string{
		"RSA of 1024 bits":   keySet(p256JWK, rsaJWK("old", 1024, "")),
		"RSA of 512 bits":    keySet(rsaJWK("old", 512, "")),
		"exponent":           keySet(strings.Replace(rsaJWK("odd", 2048, ""), "AQAB", "AQ", 1)),
		"no kid":             keySet(strings.Replace(rsaJWK("old", 1024, ""), `"kid":"old",`, "", 1)),
		"on the curve P-224": keySet(`{"kty":"EC","kid":"ec","crv":"P-224","x":"AA","y":"AA"}`),
	}
	for want, document := range found {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			mustFind(t, published(t, document), jwksWeakKey, want, keySetPath, "curl")
		})
	}
	mustPass(t, published(t, keySet(p256JWK, ed25519JWK, rsaJWK("new", 2048, ""))), jwksWeakKey)
	mustSkip(t, published(t, `{}`), jwksWeakKey)
	mustNotDecideDead(t, published(t, keySet(p256JWK)), jwksWeakKey)

	small, err := x509.MarshalPKIXPublicKey(&rsaKey(t, 1024).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	document := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: small}))
	key := serve(t, server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/public-key" {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, document)
			return
		}
		answer(w, 404, "{}")
	})})
	mustFind(t, key, jwksWeakKey, "RSA of 1024 bits", "/public-key")
}

// An RSA key that is not published shows its size in the token's signature.
func TestJWKSWeakKeyByToken(t *testing.T) {
	t.Parallel()
	signed := func(bytes int) *fixture {
		f := serve(t, server{})
		enc := base64.RawURLEncoding
		f.Token = enc.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + enc.EncodeToString([]byte(`{"sub":"a"}`)) + "." + enc.EncodeToString(make([]byte, bytes))
		f.Config.Token = redact.NewText(f.Token)
		return f
	}
	mustFind(t, signed(128), jwksWeakKey, "1024 bits")
	mustPass(t, signed(256), jwksWeakKey)
}

func TestJWKSPrivateKeyExposed(t *testing.T) {
	t.Parallel()
	const secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
	found := map[string]string{
		"private members d":       keySet(p256JWK, strings.Replace(p256JWK, `"x"`, `"d":"`+secret+`","x"`, 1)),
		"private members d, p, q": keySet(rsaJWK("rsa", 2048, `,"d":"`+secret+`","p":"`+secret+`","q":"`+secret+`"`)),
		"symmetric (oct)":         keySet(`{"kty":"oct","kid":"hs","k":"` + secret + `"}`),
		"symmetric member k":      keySet(strings.Replace(p256JWK, `"x"`, `"k":"`+secret+`","x"`, 1)),
	}
	for want, document := range found {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			f := published(t, document)
			for _, e := range mustFind(t, f, jwksPrivateKeyExposed, want, keySetPath) {
				if strings.Contains(e.Text, secret) {
					t.Errorf("the evidence shows the key: %q", e.Text)
				}
			}
		})
	}
	mustPass(t, published(t, keySet(p256JWK, ed25519JWK, rsaJWK("rsa", 2048, `,"d":null,"p":""`))), jwksPrivateKeyExposed)
	mustSkip(t, published(t, `{}`), jwksPrivateKeyExposed)
	mustNotDecideDead(t, published(t, keySet(p256JWK)), jwksPrivateKeyExposed)
}

// instances answers the nth look by what of it returns.
func instances(of func(n int64) string) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != keySetPath {
			answer(w, 404, "{}")
			return
		}
		answer(w, 200, of(n.Add(1)))
	}
}

func TestJWKSInconsistent(t *testing.T) {
	t.Parallel()
	other := strings.Replace(p256JWK, `"kid":"ec"`, `"kid":"ec2"`, 1)
	keys := func(of func(n int64) string) *fixture { return serve(t, server{Handler: instances(of)}) }
	mustFind(t, keys(func(n int64) string {
		if n%2 == 0 {
			return keySet(other)
		}
		return keySet(p256JWK)
	}), jwksInconsistent, `"ec"`, `"ec2"`, "connection of its own")
	mustPass(t, keys(func(n int64) string {
		if n%2 == 0 {
			return keySet(ed25519JWK, p256JWK) // another order
		}
		return keySet(p256JWK, ed25519JWK)
	}), jwksInconsistent)
	rotating := keys(func(n int64) string {
		if n > 6 {
			return keySet(other)
		}
		return keySet(p256JWK)
	})
	if v := look(t, rotating, jwksInconsistent); v.Outcome != scan.Inconclusive || !strings.Contains(v.Reason, "rotation") {
		t.Errorf("keys that change once: got %s, want inconclusive because of a rotation", describe(v))
	}
	mustSkip(t, serve(t, server{}), jwksInconsistent)
	mustBeUnsure(t, keys(func(int64) string { return keySet(p256JWK) }), jwksInconsistent)
}

// Every other request meets an instance that does not know the token's key.
func TestJWKSInconsistentToken(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	var begun atomic.Bool
	var n atomic.Int64
	f := serve(t, server{Token: token, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if begun.Load() && n.Add(1)%2 == 0 {
			answer(w, 401, `{"detail":"Invalid token"}`)
			return
		}
		guarded(token)(w, r)
	})})
	f.Config.Protected = []string{"/items"}
	v, _ := lookAt(t, f, jwksInconsistent, func() { begun.Store(true) })
	if v.Outcome != scan.Found || !strings.Contains(describe(v), "refused (401)") || !strings.Contains(describe(v), "taken (200)") {
		t.Errorf("got %s, want a finding with both answers", describe(v))
	}
	begun.Store(false)
	mustPass(t, f, jwksInconsistent)
}

func FuzzWeakJWK(f *testing.F) {
	f.Add(rsaJWK("a", 1024, ""))
	f.Add(p256JWK)
	f.Add(`{"kty":"RSA","n":1,"e":[],"d":{}}`)
	f.Fuzz(func(t *testing.T, document string) {
		var k map[string]any
		if json.Unmarshal([]byte(document), &k) != nil {
			return
		}
		for _, s := range []string{weakJWK(k), keyExposure(k), keyName(0, k)} {
			if len(s) > 2000 {
				t.Errorf("got %d bytes of text for %q", len(s), document)
			}
		}
		keyIDs([]byte(document))
		weakPEM([]byte(document))
	})
}
