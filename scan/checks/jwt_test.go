package checks

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/wiretight/wiretight/scan"
)

// anything takes every signature.
func anything(*tokenAPI, sent) bool { return true }

func alg(s sent) string { v, _ := s.header["alg"].(string); return v }

// byFile signs with what the file has that kid names.
func byFile(_ *tokenAPI, s sent) bool {
	kid, _ := s.header["kid"].(string)
	key, err := os.ReadFile(kid)
	return err == nil && alg(s) == "HS256" && verifies(key, s)
}

// byQuery signs with what a query returns that kid is pasted into.
func byQuery(_ *tokenAPI, s sent) bool {
	kid, _ := s.header["kid"].(string)
	return strings.Contains(kid, "' UNION SELECT 'wt'-- ") && verifies([]byte("wt"), s)
}

// byPublicKey takes the public key in PEM for a secret.
func byPublicKey(a *tokenAPI, s sent) bool {
	der, err := x509.MarshalPKIXPublicKey(a.key.Public())
	return err == nil && alg(s) == "HS256" && verifies(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), s)
}

// byOwnKey verifies with the key in the token.
func byOwnKey(_ *tokenAPI, s sent) bool {
	raw, err := json.Marshal(s.header["jwk"])
	var k jose.JSONWebKey
	return err == nil && k.UnmarshalJSON(raw) == nil && verifies(k.Key, s)
}

// fetched gets what jku names.
func fetched(s sent) []byte {
	at, _ := s.header["jku"].(string)
	if !strings.HasPrefix(at, "http://127.0.0.1:") {
		return nil
	}
	client := http.Client{Timeout: 2 * time.Second}
	res, err := client.Get(at)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	return body
}

// byURL verifies with the keys behind jku.
func byURL(_ *tokenAPI, s sent) bool {
	var set jose.JSONWebKeySet
	return json.Unmarshal(fetched(s), &set) == nil && len(set.Keys) > 0 && verifies(set.Keys[0].Key, s)
}

// byZeros takes r = s = 0.
func byZeros(_ *tokenAPI, s sent) bool {
	return alg(s) == "ES256" && len(s.signature) == 64 && bytes.Count(s.signature, []byte{0}) == 64
}

func byNothing(_ *tokenAPI, s sent) bool { return len(s.signature) == 0 && alg(s) != "none" }

func byNone(_ *tokenAPI, s sent) bool {
	return strings.EqualFold(alg(s), "none") && strings.HasSuffix(s.text, ".")
}

// byOther takes whatever comes under an algorithm that is none of these.
func byOther(algorithms ...string) func(*tokenAPI, sent) bool {
	return func(_ *tokenAPI, s sent) bool { return alg(s) != "" && !slices.Contains(algorithms, alg(s)) }
}

func byBlank(_ *tokenAPI, s sent) bool { return alg(s) == "HS256" && verifies([]byte{}, s) }

// jwtCase is a check, the smallest server on which it finds something, and what
// the evidence has to say.
type jwtCase struct {
	check scan.Check
	weak  func(testing.TB) *fixture
	want  []string
	// offline says that the check needs no answer to decide.
	offline bool
}

func weakAPI(a tokenAPI) func(testing.TB) *fixture {
	return func(t testing.TB) *fixture {
		b := a
		return b.start(t)
	}
}

// controls are what the evidence of a forged token has to show besides.
var controls = []string{"no credential", "garbage", "random signature", "genuine token", "this token again", "$TOKEN"}

func jwtCases() []jwtCase {
	forged := func(c scan.Check, a tokenAPI, want ...string) jwtCase {
		return jwtCase{check: c, weak: weakAPI(a), want: append(want, controls...)}
	}
	signed := func(c scan.Check, overlook, want string) jwtCase {
		return jwtCase{check: c, weak: secretKnown(tokenAPI{overlook: overlook}), want: append([]string{want}, controls...)}
	}
	said := func(c scan.Check, a tokenAPI, want ...string) jwtCase {
		return jwtCase{check: c, weak: weakAPI(a), want: want, offline: true}
	}
	return []jwtCase{
		{check: jwtSignatureUnverified, weak: weakAPI(tokenAPI{signature: anything}), want: []string{"random signature", "no credential", "garbage", "genuine token", "${TOKEN%.*}"}},
		forged(jwtNullSignature, tokenAPI{signature: byNothing}, "Signature left empty", "control that must be refused"),
		forged(jwtAlgNone, tokenAPI{signature: byNone}, "alg none", "control that must be refused"),
		forged(jwtBlankSecret, tokenAPI{signature: byBlank}, "HS256 with the empty secret", "control that must be refused"),
		forged(jwtPsychicSignature, tokenAPI{alg: "ES256", signature: byZeros}, "r = s = 0", "control that must be refused"),
		forged(jwtAlgConfusion, tokenAPI{alg: "RS256", publish: true, signature: byPublicKey}, "SPKI PEM", "control that must be refused"),
		forged(jwtEmbeddedKey, tokenAPI{alg: "ES256", publish: true, signature: byOwnKey}, "jwk in the header", "control that must be refused"),
		{check: jwtKeyFetch, weak: weakAPI(tokenAPI{alg: "RS256", before: func(_ *tokenAPI, s sent) { fetched(s) }}), want: []string{"jku naming a foreign key set", "listener was called", "GET /", "401"}},
		forged(jwtKidInjection, tokenAPI{signature: byFile}, "/dev/null", "control that must be refused"),
		{check: jwtWeakSecret, weak: weakAPI(tokenAPI{secret: []byte("your-256-bit-secret")}), want: []string{"HS256", "yo•", "19 bytes", "was accepted", "genuine token"}, offline: true},
		said(jwtWeakAlgorithm, tokenAPI{secret: unguessed(), claims: map[string]any{"aud": []any{"a", "b"}}}, "HS256", "2 audiences"),
		signed(jwtExpiredAccepted, "exp", "Expired an hour ago"),
		signed(jwtNotBeforeIgnored, "nbf", "nbf an hour ahead"),
		said(jwtNoExpiry, tokenAPI{claims: map[string]any{"exp": nil}}, "no exp"),
		said(jwtLongLived, tokenAPI{claims: map[string]any{"exp": time.Now().Add(8*24*time.Hour + time.Hour).Unix()}}, "8 days", "iat"),
		said(jwtMissingClaims, tokenAPI{claims: map[string]any{"aud": nil}}, "no aud"),
		signed(jwtIssuerUnchecked, "iss", "Another issuer"),
		signed(jwtAudienceUnchecked, "aud", "Another audience"),
		said(jwtSensitiveClaims, tokenAPI{claims: map[string]any{"user": map[string]any{"password_hash": "$2b$12$abcdefghijklmnopqrstuv"}}}, "user.password_hash", "password hash"),
		{check: jwtTokenInURL, weak: weakAPI(tokenAPI{query: "token"}), want: []string{"query parameter token", "no credential", "again", "in the header", "$TOKEN"}},
		{
			check: jwtTypeConfusion, want: append([]string{"refresh token"}, controls...),
			weak: weakAPI(tokenAPI{login: true, refresh: func(a *tokenAPI) string { return a.mint(nil, map[string]any{"type": "refresh"}) }}),
		},
		{check: jwtPredictableID, weak: weakAPI(tokenAPI{login: true, id: func(n int) string {
			return "session-" + strings.Repeat("0", 3) + string(rune('0'+n/10)) + string(rune('0'+n%10))
		}}), want: []string{"jti of 8 logins", "same step, 1", "session-"}},
		{check: jwtNotRevoked, weak: weakAPI(tokenAPI{login: true, logout: "nothing"}), want: []string{"still accepted", "logout", "204", "no credential", "minutes more", "$TOKEN"}},
	}
}

func TestJWTChecks(t *testing.T) {
	t.Parallel()
	cases := jwtCases()
	if got, want := len(cases), len(jwtChecks()); got != want {
		t.Errorf("got %d cases, want one for each of %d checks", got, want)
	}
	for _, c := range cases {
		t.Run(c.check.ID, func(t *testing.T) {
			t.Parallel()
			mended, ok := mendedB[c.check.ID]
			if !ok {
				t.Fatal("there is no mended server")
			}
			for _, e := range mustFind(t, c.weak(t), c.check, c.want...) {
				if c.check.ID == "jwt.weak-secret" && strings.Contains(e.Text, "your-256-bit-secret") {
					t.Errorf("the evidence shows the secret: %q", e.Text)
				}
			}
			mustPass(t, mended(t), c.check)
			if !c.offline {
				mustBeUnsure(t, mended(t), c.check)
			}
			mustNotDecideDead(t, c.weak(t), c.check)
		})
	}
}
