package token_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wiretight/wiretight/internal/token"
)

// FuzzParse: what is accepted has one spelling only, and encoding/json reads
// the same in it.
func FuzzParse(f *testing.F) {
	f.Add(sign(f, "HS256", goodClaims()))
	f.Add(sign(f, "ES256", with(goodClaims(), object{"aud": []string{"a", "b"}, "exp": 1.5e9})))
	for _, payload := range []string{
		`{}`, `{"sub":"\u00e9\ud83d\ude00"}`, `{"s\u0075b":"x","sub":"y"}`, `{"exp":1e9,"iat":0.5}`,
		`{"cnf":{"jkt":"` + strings.Repeat("A", 43) + `"}}`, `{"scp":["a","b"],"scope":"a b"}`, `{"a":[[{"b":{}}]]}`,
	} {
		f.Add(joined(`{"alg":"HS256","kid":"k","typ":"at+jwt"}`, payload))
	}
	f.Add(joined(plainHeader, `{"a":1}`) + "\n")
	f.Add("e30.e30.QR")
	f.Fuzz(func(t *testing.T, raw string) {
		parsed, err := token.Parse(raw, token.Limits{})
		if err != nil {
			var e *token.Error
			if !errors.As(err, &e) || e.Rule != token.RuleToken || e.Reason == "" {
				t.Fatalf("got error %v, want a refusal with a reason", err)
			}
			return
		}
		var again []string
		for part := range strings.SplitSeq(raw, ".") {
			b, err := base64.RawURLEncoding.DecodeString(part)
			if err != nil {
				t.Fatalf("accepted what is not base64url: %q", raw)
			}
			again = append(again, base64.RawURLEncoding.EncodeToString(b))
		}
		if got := strings.Join(again, "."); got != raw || len(again) != 3 {
			t.Fatalf("re-encodes to %q, was %q", got, raw)
		}
		var claims object
		decoder := json.NewDecoder(bytes.NewReader(parsed.Payload()))
		decoder.UseNumber()
		if err := decoder.Decode(&claims); err != nil {
			t.Fatalf("encoding/json refuses what was accepted: %v", err)
		}
		for name, got := range map[string]string{
			"iss": parsed.Claims.Issuer, "sub": parsed.Claims.Subject, "jti": parsed.Claims.ID,
		} {
			if want, _ := claims[name].(string); got != want || parsed.Has(name) != (want != "") {
				t.Fatalf("claim %s: got %q, encoding/json read %q", name, got, want)
			}
		}
		for name := range claims {
			if !parsed.Has(name) {
				t.Fatalf("claim %q was not seen", name)
			}
		}
		if exp, ok := claims["exp"].(json.Number); ok {
			seconds, _ := exp.Float64()
			if got := float64(parsed.Claims.Expiry.UnixNano()) / 1e9; parsed.Claims.Expiry.Year() < 2200 && (got-seconds > 1e-3 || seconds-got > 1e-3) {
				t.Fatalf("exp: got %v, encoding/json read %v", got, seconds)
			}
		}
		parsed.Identity()
	})
}

// FuzzDifferential: of tokens with a true signature, none is accepted that
// go-jose and golang-jwt both refuse.
func FuzzDifferential(f *testing.F) {
	f.Add(`{"alg":"HS256","typ":"JWT"}`, compactJSON(f, goodClaims()), "")
	f.Add(`{"alg":"HS256"}`, compactJSON(f, with(goodClaims(), object{"aud": []string{"x", "api.example.com"}})), "")
	f.Add(`{"alg":"HS256"}`, compactJSON(f, with(goodClaims(), object{"exp": float64(now.Unix()) + 0.5, "nbf": nil})), "")
	f.Add(`{"alg":"HS256"}`, compactJSON(f, with(goodClaims(), object{"exp": nil})), "")
	f.Add(`{"alg":"HS256","crit":["x"]}`, compactJSON(f, goodClaims()), "")
	f.Add(`{"alg":"HS256","b64":false}`, compactJSON(f, goodClaims()), "")
	f.Add(`{"alg":"none"}`, compactJSON(f, goodClaims()), "")
	f.Add(`{"alg":"HS256"}`, `{"exp":1e400}`, "A")
	f.Add(`{"alg":"HS256","alg":"none"}`, compactJSON(f, goodClaims()), "\n")
	ks, p := keySet(f, "HS256"), goodPolicy("HS256")
	p.MaxLifetime, p.Types = 1<<62, []string{"JWT"}
	f.Fuzz(func(t *testing.T, header, payload, tail string) {
		raw := signSecret(secret(), header, payload, "HS256") + tail
		if verify(raw, p, ks, now) != nil {
			return
		}
		if a, b := acceptedByGoJose(raw), acceptedByGolangJWT(raw); a != nil && b != nil {
			t.Errorf("accepted header %q, payload %q, tail %q; go-jose: %v; golang-jwt: %v", header, payload, tail, a, b)
		}
	})
}

func acceptedByGoJose(raw string) error {
	parsed, err := josejwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return err
	}
	var claims josejwt.Claims
	if err := parsed.Claims(secret(), &claims); err != nil {
		return err
	}
	return claims.ValidateWithLeeway(josejwt.Expected{
		Issuer: "https://id.example.com/", AnyAudience: josejwt.Audience{"api.example.com"}, Time: now,
	}, 0)
}

func acceptedByGolangJWT(raw string) error {
	_, err := jwt.Parse(raw, func(*jwt.Token) (any, error) { return secret(), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer("https://id.example.com/"),
		jwt.WithAudience("api.example.com"), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithStrictDecoding(), jwt.WithTimeFunc(func() time.Time { return now }))
	return err
}

// FuzzProof: an accepted proof is, by go-jose's reading, signed by the key in
// it, which is the key that was asked for.
func FuzzProof(f *testing.F) {
	header := object{"typ": "dpop+jwt", "alg": "ES256", "jwk": publicJWK(f, "ES256")}
	r := proofRequest(f, "ES256")
	good := signProof(f, "ES256", header, proofClaims())
	f.Add(good, r.Method, r.URL)
	f.Add(good, "POST", "https://api.example.com/%69tems")
	f.Add(good+".", "GET", "https://API.example.com:443/items#x")
	f.Add(signProof(f, "ES256", with(header, object{"typ": "JWT"}), proofClaims()), r.Method, r.URL)
	f.Add(signProof(f, "ES256", header, with(proofClaims(), object{"jti": nil})), r.Method, r.URL)
	f.Fuzz(func(t *testing.T, raw, method, url string) {
		r := r
		r.Method, r.URL = method, url
		proof, err := token.VerifyProof(raw, r, now)
		if err != nil {
			var e *token.Error
			if !errors.As(err, &e) || e.Rule != token.RuleBinding {
				t.Fatalf("got error %v, want a refusal by binding", err)
			}
			return
		}
		jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatalf("go-jose refuses what was accepted: %v", err)
		}
		payload, err := jws.Verify(jws.Signatures[0].Protected.JSONWebKey)
		if err != nil {
			t.Fatalf("go-jose refuses the signature: %v", err)
		}
		var claims struct{ HTM, JTI, Ath string }
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		if claims.HTM != method || claims.JTI != proof.ID || proof.ID == "" || proof.JKT != r.JKT || claims.Ath != athOf(accessToken) {
			t.Fatalf("accepted %+v as %+v for method %q", claims, proof, method)
		}
	})
}

// FuzzParseJWKS: a set that is accepted has keys, and only such as go-jose can
// read too.
func FuzzParseJWKS(f *testing.F) {
	es, rs := string(signer(f, "ES256").JWK()), string(signer(f, "RS256").JWK())
	f.Add([]byte(`{"keys":[` + es + `,` + rs + `]}`))
	f.Add([]byte(`{"keys":[` + es + `,{"kty":"oct","k":"AA"},` + rsaJWK(1024, "") + `]}`))
	f.Add([]byte(`{"keys":[[],"",{},null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		ks, _, err := token.ParseJWKS(data)
		if err != nil {
			return
		}
		var set struct{ Keys []json.RawMessage }
		if err := json.Unmarshal(data, &set); err != nil {
			t.Fatalf("encoding/json refuses what was accepted: %v", err)
		}
		readable := 0
		for _, raw := range set.Keys {
			var all object
			if json.Unmarshal(raw, &all) != nil {
				continue
			}
			needed := object{}
			for _, name := range map[any][]string{"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}[all["kty"]] {
				needed["kty"], needed[name] = all["kty"], all[name]
			}
			var k jose.JSONWebKey
			if json.Unmarshal([]byte(compactJSON(t, needed)), &k) == nil {
				readable++
			}
		}
		if ks.Len() == 0 || ks.Len() > readable {
			t.Fatalf("accepted %d keys of %d that go-jose reads", ks.Len(), readable)
		}
	})
}
