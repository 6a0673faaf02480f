package token_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/montgomery"
	"github.com/wiretight/wiretight/internal/token"
)

const accessToken = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"

func athOf(accessToken string) string {
	sum := sha256.Sum256([]byte(accessToken))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func proofClaims() object {
	return object{
		"jti": "-BwC3ESc6acc2lTc", "htm": "GET", "htu": "https://api.example.com/items",
		"iat": now.Unix(), "ath": athOf(accessToken),
	}
}

// publicJWK returns the bare members of a key, as a proof's header has them.
func publicJWK(t testing.TB, alg string) object {
	t.Helper()
	var jwk object
	if err := json.Unmarshal(signer(t, alg).JWK(), &jwk); err != nil {
		t.Fatal(err)
	}
	return with(jwk, object{"kid": nil, "alg": nil, "use": nil})
}

// signProof signs any header and payload with the key for alg.
func signProof(t testing.TB, alg string, header, payload any) string {
	t.Helper()
	text := b64(compactJSON(t, header)) + "." + b64(compactJSON(t, payload))
	hash := map[string]crypto.Hash{"ES256": crypto.SHA256, "RS256": crypto.SHA256, "EdDSA": 0}[alg]
	digest := []byte(text)
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	signature, err := keys()[alg].Sign(rand.Reader, digest, hash)
	if err != nil {
		t.Fatal(err)
	}
	if alg == "ES256" {
		var rs struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(signature, &rs); err != nil {
			t.Fatal(err)
		}
		signature = append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func proofRequest(t testing.TB, alg string) token.ProofRequest {
	t.Helper()
	jkt, err := token.Thumbprint(keys()[alg].Public())
	if err != nil {
		t.Fatal(err)
	}
	return token.ProofRequest{
		Method: "GET", URL: "https://api.example.com/items?page=2", AccessToken: accessToken, JKT: jkt,
	}
}

func TestVerifyProofAccepts(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			r := proofRequest(t, alg)
			raw := signProof(t, alg, object{"typ": "dpop+jwt", "alg": alg, "jwk": publicJWK(t, alg)}, proofClaims())
			got, err := token.VerifyProof(raw, r, now)
			if err != nil {
				t.Fatal(err)
			}
			want := token.Proof{ID: "-BwC3ESc6acc2lTc", JKT: r.JKT, IssuedAt: now}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("proof differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVerifyProofChecks(t *testing.T) {
	t.Parallel()
	private := with(publicJWK(t, "ES256"), object{"d": "c2VjcmV0"})
	unix := func(d time.Duration) int64 { return now.Add(d).Unix() }
	nonce := func(n string) bool { return n == "fresh" }
	otherKey := proofRequest(t, "EdDSA").JKT
	for _, test := range []struct {
		name           string
		header, claims object
		request        func(*token.ProofRequest)
		reason         string // empty: accepted
	}{
		{name: "good"},
		{"no typ", object{"typ": nil}, nil, nil, "type is"},
		{"typ JWT", object{"typ": "JWT"}, nil, nil, "type is"},
		{"typ at+jwt", object{"typ": "at+jwt"}, nil, nil, "type is"},
		{"typ in full", object{"typ": "application/dpop+jwt"}, nil, nil, ""},
		{"alg none", object{"alg": "none"}, nil, nil, "algorithm"},
		{"alg HMAC", object{"alg": "HS256"}, nil, nil, "algorithm"},
		{"alg of another family", object{"alg": "RS256"}, nil, nil, "not for algorithm"},
		{"alg of another curve", object{"alg": "ES384"}, nil, nil, "not for algorithm"},
		{"no jwk", object{"jwk": nil}, nil, nil, "no jwk"},
		{"jwk a string", object{"jwk": "key"}, nil, nil, "jwk"},
		{"jwk empty", object{"jwk": object{}}, nil, nil, "no kty"},
		{"jwk private", object{"jwk": private}, nil, nil, "private key"},
		{"jwk symmetric", object{"jwk": object{"kty": "oct", "k": "AAAA"}}, nil, nil, "symmetric"},
		{"jwk of somebody else", object{"alg": "EdDSA", "jwk": publicJWK(t, "EdDSA")}, nil, nil, "another key"},
		{"jku", object{"jku": "https://evil.example/"}, nil, nil, "member jku"},
		{"x5c", object{"x5c": []string{"AA"}}, nil, nil, "member x5c"},
		{"crit", object{"crit": []string{"b64"}}, nil, nil, "crit"},
		{"no jti", nil, object{"jti": nil}, nil, "jti"},
		{"jti empty", nil, object{"jti": ""}, nil, "jti"},
		{"jti number", nil, object{"jti": 1}, nil, "jti"},
		{"jti too long", nil, object{"jti": strings.Repeat("j", 257)}, nil, "jti"},
		{"no htm", nil, object{"htm": nil}, nil, "another method"},
		{"other method", nil, object{"htm": "POST"}, nil, "another method"},
		{"method in lower case", nil, object{"htm": "get"}, nil, "another method"},
		{"no htu", nil, object{"htu": nil}, nil, "another URL"},
		{"other path", nil, object{"htu": "https://api.example.com/items/"}, nil, "another URL"},
		{"path in other case", nil, object{"htu": "https://api.example.com/Items"}, nil, "another URL"},
		{"other host", nil, object{"htu": "https://api.example.com.evil.example/items"}, nil, "another URL"},
		{"other port", nil, object{"htu": "https://api.example.com:8443/items"}, nil, "another URL"},
		{"plain http", nil, object{"htu": "http://api.example.com/items"}, nil, "another URL"},
		{"user in URL", nil, object{"htu": "https://api.example.com@evil.example/items"}, nil, "another URL"},
		{"relative URL", nil, object{"htu": "/items"}, nil, "another URL"},
		{"no URL", nil, object{"htu": "items%zz"}, nil, "another URL"},
		{"dot segment", nil, object{"htu": "https://api.example.com/a/../items"}, nil, "another URL"},
		{"encoded slash", nil, object{"htu": "https://api.example.com%2fitems"}, nil, "another URL"},
		{"host in other case", nil, object{"htu": "HTTPS://API.Example.com/items"}, nil, ""},
		{"default port", nil, object{"htu": "https://api.example.com:443/items"}, nil, ""},
		{"query and fragment", nil, object{"htu": "https://api.example.com/items?a=b#c"}, nil, ""},
		{"needless escape", nil, object{"htu": "https://api.example.com/%69tems"}, nil, ""},
		{"no iat", nil, object{"iat": nil}, nil, "no iat"},
		{"iat string", nil, object{"iat": "1"}, nil, "iat"},
		{"old", nil, object{"iat": unix(-61 * time.Second)}, nil, "too long ago"},
		{"old, just within", nil, object{"iat": unix(-60 * time.Second)}, nil, ""},
		{"ahead", nil, object{"iat": unix(61 * time.Second)}, nil, "lies ahead"},
		{"ahead, just within", nil, object{"iat": unix(60 * time.Second)}, nil, ""},
		{"at the epoch", nil, object{"iat": 0}, nil, "too long ago"},
		{"narrow window", nil, object{"iat": unix(-6 * time.Second)}, func(r *token.ProofRequest) { r.Window = 5 * time.Second }, "too long ago"},
		{"no ath", nil, object{"ath": nil}, nil, "another access token"},
		{"ath of another token", nil, object{"ath": athOf("x")}, nil, "another access token"},
		{"no token, no ath", nil, object{"ath": nil}, func(r *token.ProofRequest) { r.AccessToken = "" }, ""},
		{"bound to another key", nil, nil, func(r *token.ProofRequest) { r.JKT = otherKey }, "another key"},
		{"token that is not bound", nil, nil, func(r *token.ProofRequest) { r.JKT = "" }, "not bound"},
		{"no token, any key", nil, nil, func(r *token.ProofRequest) { r.AccessToken, r.JKT = "", "" }, ""},
		{"nonce missing", nil, nil, func(r *token.ProofRequest) { r.Nonce = nonce }, "no current nonce"},
		{"nonce stale", nil, object{"nonce": "stale"}, func(r *token.ProofRequest) { r.Nonce = nonce }, "no current nonce"},
		{"nonce fresh", nil, object{"nonce": "fresh"}, func(r *token.ProofRequest) { r.Nonce = nonce }, ""},
		{"nonce not asked for", nil, object{"nonce": "any"}, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := proofRequest(t, "ES256")
			if test.request != nil {
				test.request(&r)
			}
			header := object{"typ": "dpop+jwt", "alg": "ES256", "jwk": publicJWK(t, "ES256")}
			raw := signProof(t, "ES256", with(header, test.header), with(proofClaims(), test.claims))
			_, err := token.VerifyProof(raw, r, now)
			if test.reason == "" {
				if err != nil {
					t.Errorf("got %v, want nil", err)
				}
				return
			}
			refused(t, err, token.RuleBinding, test.reason)
			if got, want := errors.Is(err, token.ErrNonce), strings.Contains(test.reason, "nonce"); got != want {
				t.Errorf("got ErrNonce %v, want %v", got, want)
			}
		})
	}
}

func TestVerifyProofRefusesForms(t *testing.T) {
	t.Parallel()
	r := proofRequest(t, "ES256")
	header := object{"typ": "dpop+jwt", "alg": "ES256", "jwk": publicJWK(t, "ES256")}
	good := signProof(t, "ES256", header, proofClaims())
	dot := strings.LastIndexByte(good, '.')
	for _, test := range []struct{ name, raw string }{
		{"nothing", ""},
		{"no signature", good[:dot+1]},
		{"signature of zeros", good[:dot+1] + strings.Repeat("A", 86)},
		{"two proofs", good + "," + good},
		{"changed payload", good[:strings.IndexByte(good, '.')+1] + "e30" + good[dot:]},
		{"signed by somebody else", signProof(t, "EdDSA", header, proofClaims())},
		{"too long", good + strings.Repeat("A", 8<<10)},
		{"an access token", sign(t, "ES256", goodClaims())},
	} {
		_, err := token.VerifyProof(test.raw, r, now)
		refused(t, err, token.RuleBinding, "")
		if err == nil {
			t.Errorf("%s: accepted", test.name)
		}
	}
}

// A client could choose a key that costs much to verify with.
func TestVerifyProofBoundsTheKey(t *testing.T) {
	t.Parallel()
	var jwk object
	if err := json.Unmarshal([]byte(rsaJWK(4097, "")), &jwk); err != nil {
		t.Fatal(err)
	}
	raw := signProof(t, "RS256", object{"typ": "dpop+jwt", "alg": "RS256", "jwk": jwk}, proofClaims())
	_, err := token.VerifyProof(raw, proofRequest(t, "RS256"), now)
	refused(t, err, token.RuleBinding, "4096 bits")
}

// TestProofKeysAreNotHastened: a key that is used once is not worth what the
// faster arithmetic costs at first.
func TestProofKeysAreNotHastened(t *testing.T) {
	t.Parallel()
	raw := signProof(t, "RS256", object{"typ": "dpop+jwt", "alg": "RS256", "jwk": publicJWK(t, "RS256")}, proofClaims())
	k, err := token.ProofKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	if k.Quick() {
		t.Error("the key of a proof has the faster arithmetic")
	}
	_, quick := keySet(t, "RS256").Slow()
	if got := quick == 1; got != montgomery.Fast() {
		t.Errorf("the key of an issuer has the faster arithmetic: got %v, want %v", got, montgomery.Fast())
	}
}

// An access token may never be read as a proof, nor a proof as an access token.
func TestProofIsNoAccessToken(t *testing.T) {
	t.Parallel()
	header := object{"typ": "dpop+jwt", "alg": "ES256", "jwk": publicJWK(t, "ES256")}
	_, err := token.Parse(signProof(t, "ES256", header, proofClaims()), token.Limits{})
	refused(t, err, token.RuleToken, "member jwk")
}
