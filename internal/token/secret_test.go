package token_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/token"
)

func TestNewSecretRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdef", 4)
	fastAPI := "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"
	raw, err := hex.DecodeString(fastAPI)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, secret string
		algs         []string
		reason       string
	}{
		{"empty", "", []string{"HS256"}, "empty"},
		{"one byte short", long[:31], []string{"HS256"}, "at least 32"},
		{"long enough for HS256 only", long[:47], []string{"HS256", "HS384"}, "at least 48"},
		{"short for HS512", long[:63], []string{"HS512"}, "at least 64"},
		{"no algorithm", long, nil, "no algorithm"},
		{"public-key algorithm", long, []string{"RS256"}, "does not work with a secret"},
		{"none", long, []string{"none"}, "does not work with a secret"},
		{"none beside HS256", long, []string{"HS256", "none"}, "does not work with a secret"},
		{"documentation's", fastAPI, []string{"HS256"}, "published"},
		{"documentation's with a newline", fastAPI + "\n", []string{"HS256"}, "published"},
		{"documentation's as bytes", string(raw), []string{"HS256"}, "published"},
		{"documentation's in base64", base64.StdEncoding.EncodeToString([]byte(fastAPI)), []string{"HS512"}, "published"},
		{"documentation's in hexadecimal", hex.EncodeToString([]byte(fastAPI)), []string{"HS256"}, "published"},
		{"jwt.io's", "a-string-secret-at-least-256-bits-long", []string{"HS256"}, "published"},
		{"zeros", strings.Repeat("\x00", 32), []string{"HS256"}, "published"},
		{"one byte repeated", strings.Repeat("\xff", 64), []string{"HS512"}, "published"},
		{"spaces", strings.Repeat(" \n", 16), []string{"HS256"}, "published"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ks, err := token.NewSecret([]byte(test.secret), test.algs)
			if err == nil || !strings.Contains(err.Error(), test.reason) || ks != nil {
				t.Fatalf("got %v, %v; want an error with %q", ks, err, test.reason)
			}
			if len(test.secret) > 8 && strings.Contains(err.Error(), test.secret) {
				t.Errorf("error shows the secret: %v", err)
			}
		})
	}
}

func TestNewSecretAccepts(t *testing.T) {
	t.Parallel()
	given := []byte(strings.Repeat("\x80\xff\x00a", 8))
	ks, err := token.NewSecret(given, []string{"HS256"})
	if err != nil {
		t.Fatal(err)
	}
	raw := signSecret(given, `{"alg":"HS256"}`, compactJSON(t, goodClaims()), "HS256")
	given[0] = 'x' // the set has its own copy
	if err := verify(raw, goodPolicy("HS256"), ks, now); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	raw = signSecret(given, `{"alg":"HS512"}`, compactJSON(t, goodClaims()), "HS512")
	refused(t, verify(raw, goodPolicy("HS256", "HS512"), ks, now), token.RuleToken, "no key fits")
	raw = signSecret(given, `{"alg":"HS256","kid":"k"}`, compactJSON(t, goodClaims()), "HS256")
	refused(t, verify(raw, goodPolicy("HS256"), ks, now), token.RuleToken, "no key has the kid")
}

func TestDangerouslyNewSecret(t *testing.T) {
	t.Parallel()
	ks, err := token.DangerouslyNewSecret([]byte("secret"), []string{"HS256"})
	if err != nil {
		t.Fatal(err)
	}
	raw := signSecret([]byte("secret"), `{"alg":"HS256"}`, compactJSON(t, goodClaims()), "HS256")
	if err := verify(raw, goodPolicy("HS256"), ks, now); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if _, err := token.DangerouslyNewSecret(nil, []string{"HS256"}); err == nil {
		t.Error("an empty secret was accepted")
	}
}

func TestIsPublished(t *testing.T) {
	t.Parallel()
	for _, word := range token.PublishedSecrets() {
		for _, form := range []string{
			word, word + "\n", " " + word, hex.EncodeToString([]byte(word)),
			base64.StdEncoding.EncodeToString([]byte(word)), base64.RawURLEncoding.EncodeToString([]byte(word)),
		} {
			if !token.IsPublished([]byte(form)) {
				t.Errorf("%q is not seen as a form of %q", form, word)
			}
		}
	}
	for _, sound := range [][]byte{secret(), secret()[:32], []byte("changethis0"), []byte("xsecret")} {
		if token.IsPublished(sound) {
			t.Errorf("%q is seen as published", sound)
		}
	}
	if n := len(token.PublishedSecrets()); n < 90 {
		t.Errorf("got %d published secrets, want at least 90", n)
	}
}
