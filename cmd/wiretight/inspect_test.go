package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/token"
)

var inspectNow = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func inspected(t testing.TB, raw string) *inspection {
	t.Helper()
	i, err := inspect(t.Context(), raw, inspectNow)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// unsigned makes a token of any header, claims and signature.
func unsigned(header, claims string, signature []byte) string {
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(claims)) + "." + enc.EncodeToString(signature)
}

func TestInspectFindings(t *testing.T) {
	t.Parallel()
	now := inspectNow.Unix()
	good := fmt.Sprintf(`"iss":"https://id.test/","aud":"api.test","sub":"alice","iat":%d,"exp":%d`, now, now+300)
	es256 := `{"alg":"ES256","typ":"at+jwt"}`
	sig := slices.Repeat([]byte{7}, 64)
	strong := "0123456789abcdef-correct-horse-battery"
	for _, tc := range []struct {
		name string
		raw  string
		want string
	}{
		{"good", unsigned(es256, "{"+good+"}", sig), ""},
		{"good HMAC", hmacToken(strong, `{"alg":"HS256"}`, "{"+good+"}"), ""},
		{"none", unsigned(`{"alg":"none"}`, "{"+good+"}", nil), "jwt.alg-none jwt.weak-algorithm"},
		{"none in other letters", unsigned(`{"alg":"nOnE"}`, "{"+good+"}", sig), "jwt.alg-none jwt.weak-algorithm"},
		{"no signature", unsigned(es256, "{"+good+"}", nil), "jwt.null-signature"},
		{"two parts", strings.TrimSuffix(unsigned(es256, "{"+good+"}", nil), "."), "jwt.null-signature"},
		{"psychic", unsigned(es256, "{"+good+"}", make([]byte, 64)), "jwt.psychic-signature"},
		{"own key", unsigned(`{"alg":"ES256","jwk":{"kty":"EC"}}`, "{"+good+"}", sig), "jwt.embedded-key"},
		{"own certificate", unsigned(`{"alg":"ES256","x5c":["AAAA"],"x5u":"https://a/"}`, "{"+good+"}", sig), "jwt.embedded-key"},
		{"blank secret", hmacToken("", `{"alg":"HS256"}`, "{"+good+"}"), "jwt.blank-secret"},
		{"published secret", hmacToken("your-256-bit-secret", `{"alg":"HS256"}`, "{"+good+"}"), "jwt.weak-secret"},
		{"secret of digits", hmacToken("4711", `{"alg":"HS256"}`, "{"+good+"}"), "jwt.weak-secret"},
		{"HMAC for many", hmacToken(strong, `{"alg":"HS256"}`, strings.Replace("{"+good+"}", `"api.test"`, `["a","b"]`, 1)), "jwt.weak-algorithm"},
		{"ES256K", unsigned(`{"alg":"ES256K"}`, "{"+good+"}", sig), "jwt.weak-algorithm"},
		{"no alg", unsigned(`{"typ":"JWT"}`, "{"+good+"}", sig), "jwt.weak-algorithm"},
		{"RSA of 1024 bits", unsigned(`{"alg":"RS256"}`, "{"+good+"}", make([]byte, 128)), "jwks.weak-key"},
		{"RSA of 2048 bits", unsigned(`{"alg":"PS256"}`, "{"+good+"}", slices.Repeat([]byte{1}, 256)), ""},
		{"no exp", unsigned(es256, `{"iss":"a","aud":"b"}`, sig), "jwt.no-expiry"},
		{"exp as text", unsigned(es256, `{"iss":"a","aud":"b","exp":"tomorrow"}`, sig), "jwt.no-expiry"},
		{"exp is null", unsigned(es256, `{"iss":"a","aud":"b","exp":null}`, sig), "jwt.no-expiry"},
		{"just an hour", unsigned(es256, fmt.Sprintf(`{"iss":"a","aud":"b","iat":%d,"exp":%d}`, now, now+3600), sig), ""},
		{"over an hour", unsigned(es256, fmt.Sprintf(`{"iss":"a","aud":"b","iat":%d,"exp":%d}`, now, now+3601), sig), "jwt.long-lived"},
		{"over an hour from now", unsigned(es256, fmt.Sprintf(`{"iss":"a","aud":"b","exp":%d}`, now+8*86400), sig), "jwt.long-lived"},
		{"exp beyond all bounds", unsigned(es256, `{"iss":"a","aud":"b","exp":1e300}`, sig), "jwt.long-lived"},
		{"no iss", unsigned(es256, fmt.Sprintf(`{"aud":"b","exp":%d}`, now+60), sig), "jwt.missing-claims"},
		{"empty aud", unsigned(es256, fmt.Sprintf(`{"iss":"a","aud":[],"exp":%d}`, now+60), sig), "jwt.missing-claims"},
		{"refresh token by claim", unsigned(es256, "{"+good+`,"typ":"Refresh"}`, sig), "jwt.type-confusion"},
		{"ID token by claim", unsigned(`{"alg":"ES256"}`, "{"+good+`,"nonce":"n"}`, sig), "jwt.type-confusion"},
		{"logout token by header", unsigned(`{"alg":"ES256","typ":"logout+jwt"}`, "{"+good+`}`, sig), "jwt.type-confusion"},
		{"type in full", unsigned(`{"alg":"ES256","typ":"application/AT+JWT"}`, "{"+good+`}`, sig), ""},
		{"password", unsigned(es256, "{"+good+`,"Pass_Word":"x"}`, sig), "jwt.sensitive-claims"},
		{"hash of a password", unsigned(es256, "{"+good+`,"note":"$2b$12$abcdefghijklmnopqrstuv"}`, sig), "jwt.sensitive-claims"},
		{"key deep within", unsigned(es256, "{"+good+`,"a":[{"b":{"client_secret":"x"}}]}`, sig), "jwt.sensitive-claims"},
		{"card", unsigned(es256, "{"+good+`,"c":"4111 1111 1111 1111"}`, sig), "jwt.sensitive-claims"},
		{"birthday", unsigned(es256, "{"+good+`,"birthdate":"1990-01-01"}`, sig), "jwt.sensitive-claims"},
		{"no card: wrong check digit", unsigned(es256, "{"+good+`,"c":"4111111111111112"}`, sig), ""},
		{"no secret: a flag", unsigned(es256, "{"+good+`,"password_expired":true,"password":false,"pin":null,"secret":""}`, sig), ""},
		{"no secret: name and email", unsigned(es256, "{"+good+`,"name":"A","email":"a@b.c","preferred_username":"a"}`, sig), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			i := inspected(t, tc.raw)
			ids := []string{}
			for _, f := range i.Findings {
				ids = append(ids, f.ID)
				if f.Detail == "" || !strings.HasSuffix(f.Detail, ".") {
					t.Errorf("got detail %q, want a sentence", f.Detail)
				}
			}
			if got := strings.Join(ids, " "); got != tc.want {
				t.Errorf("got findings %q, want %q", got, tc.want)
			}
			_, err := token.Parse(tc.raw, token.Limits{})
			if i.Strict.WellFormed != (err == nil) {
				t.Errorf("got verdict %+v, want the parser's: %v", i.Strict, err)
			}
		})
	}
}

func TestInspectTimes(t *testing.T) {
	t.Parallel()
	now := inspectNow.Unix()
	for _, tc := range []struct{ claims, want string }{
		{fmt.Sprintf(`{"exp":%d}`, now-190), "exp 2026-11-21T11:56:50Z expired 3m ago"},
		{fmt.Sprintf(`{"exp":%d.5}`, now+30), "exp 2026-11-21T12:00:30Z expires in 30s"},
		{fmt.Sprintf(`{"exp":%d}`, now+90*60), "exp 2026-11-21T13:30:00Z expires in 1h 30m"},
		{fmt.Sprintf(`{"exp":%d}`, now+30*86400), "exp 2026-12-21T12:00:00Z expires in 30 days"},
		{fmt.Sprintf(`{"iat":%d}`, now+7200), "iat 2026-11-21T14:00:00Z issued 2h from now: a clock is wrong"},
		{fmt.Sprintf(`{"nbf":%d}`, now+60), "nbf 2026-11-21T12:01:00Z not valid for another 1m"},
		{fmt.Sprintf(`{"exp":%d000}`, now), "exp  looks like milliseconds; RFC 7519 counts seconds, so this is thousands of years away"},
		{`{"exp":1e30}`, "exp  not a sensible time"},
		{`{"exp":"1"}`, "exp  not a number: verifiers cannot agree on what it means"},
		{`{}`, ""},
	} {
		t.Run(tc.claims, func(t *testing.T) {
			t.Parallel()
			got := ""
			for _, x := range inspected(t, unsigned(`{"alg":"ES256"}`, tc.claims, []byte("x"))).Times {
				got += x.Claim + " " + x.At + " " + x.Says
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestInspectShowsNothingDangerous holds what comes out to printable text
// without secrets.
func TestInspectShowsNothingDangerous(t *testing.T) {
	t.Parallel()
	claims := "{\"\x1b[2J\u202ename\":\"\u009b31m\x7f\u2028\",\"a\\u001b\":1,\"session\":\"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.Y2FuYXJ5\",\"secret\":\"hunter22\"}"
	i := inspected(t, unsigned(`{"alg":"ES256","kid":"../../x' OR 1"}`, strings.ReplaceAll(claims, "\x1b", "\\u001b"), []byte("canary-signature")))
	text := i.text()
	for _, r := range text {
		if !unicode.IsPrint(r) && r != '\n' {
			t.Errorf("got %q in %q", r, text)
		}
	}
	for _, bad := range []string{"hunter22", "Y2FuYXJ5", base64.RawURLEncoding.EncodeToString([]byte("canary-signature"))} {
		if strings.Contains(text, bad) {
			t.Errorf("got %q in %q", bad, text)
		}
	}
}

func TestInspectOfEncryptedToken(t *testing.T) {
	t.Parallel()
	i := inspected(t, "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkExMjhHQ00ifQ.a.b.c.d")
	if len(i.Findings) != 0 || len(i.Notes) != 1 || !strings.Contains(i.Notes[0], "encrypted") || !strings.Contains(i.Strict.Reason, "JWE") {
		t.Errorf("got %+v, want a note that it is encrypted", i)
	}
}

// TestGuessingEnds holds that a search that has no time left is told, not
// taken for a good secret.
func TestGuessingEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	i, err := inspect(ctx, hmacToken("a secret that nobody has published", `{"alg":"HS256"}`, `{}`), inspectNow)
	if err != nil {
		t.Fatal(err)
	}
	if len(i.Notes) != 1 || !strings.Contains(i.Notes[0], "was stopped") {
		t.Errorf("got notes %v, want that the search was stopped", i.Notes)
	}
}

func TestInspectRealRSA(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s, err := token.NewSigner("RS256", "k", key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.Sign("at+jwt", map[string]any{"iss": "a", "aud": "b", "sub": "c", "exp": inspectNow.Unix() + 60})
	if err != nil {
		t.Fatal(err)
	}
	i := inspected(t, raw)
	if diff := cmp.Diff([]tokenFinding{}, i.Findings); diff != "" || !i.Strict.WellFormed {
		t.Errorf("got %s and %+v, want nothing wrong", diff, i.Strict)
	}
}

// FuzzInspect holds that no token whatever makes inspect panic, print what a
// terminal obeys, or print its own signature.
func FuzzInspect(f *testing.F) {
	f.Add(unsigned(`{"alg":"ES256"}`, `{"sub":"a"}`, []byte("signature-of-some-length")))
	f.Add(unsigned(`{"alg":"HS256","typ":1}`, `[]`, nil))
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJSU0EtT0FFUCJ9....")
	done, cancel := context.WithCancel(f.Context())
	cancel() // no guessing
	f.Fuzz(func(t *testing.T, raw string) {
		i, err := inspect(done, raw, inspectNow)
		if err != nil {
			if len(raw) > 8 && strings.Contains(err.Error(), raw) {
				t.Errorf("the error quotes the input: %v", err)
			}
			return
		}
		text := i.text()
		for _, r := range text {
			if !unicode.IsPrint(r) && r != '\n' {
				t.Fatalf("got %q in %q", r, text)
			}
		}
		if parts := strings.Split(raw, "."); len(parts) > 2 && len(parts[2]) > 16 && strings.Contains(text, parts[2]) && !strings.Contains(decodedText(parts), parts[2]) {
			t.Fatalf("got the signature in %q", text)
		}
	})
}

// decodedText is what header and payload hold, which may be anything, also the
// text of the third part.
func decodedText(parts []string) string {
	header, _ := decodeSegment(parts[0])
	payload, _ := decodeSegment(parts[1])
	return string(header) + string(payload)
}
