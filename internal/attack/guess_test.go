package attack_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/attack"
)

// hmacToken is a token under any secret.
func hmacToken(alg, secret string) string {
	text := encode([]byte(`{"typ":"JWT","alg":"`+alg+`"}`)) + "." +
		encode([]byte(`{"sub":"alice","exp":1795262700,"iss":"https://shop.example.com/auth"}`))
	return text + "." + encode(macOf(alg, []byte(secret), text))
}

func list(words ...string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var buf []byte // reused, as Guess permits
		for _, word := range words {
			buf = append(buf[:0], word...)
			if !yield(buf) {
				return
			}
		}
	}
}

func TestGuess(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long secret ", 20)
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		for _, secret := range []string{"", "x", "secret", "changethis\n", strings.Repeat("k", 64), strings.Repeat("k", 65), strings.Repeat("k", 128), long} {
			got, err := attack.Guess(t.Context(), hmacToken(alg, secret), list("a", long+"x", "b", secret, "c"))
			if err != nil || got.Secret == nil || string(got.Secret) != secret {
				t.Errorf("%s, secret of %d bytes: got %q, %v", alg, len(secret), got.Secret, err)
			}
		}
	}
}

func TestGuessFindsNothing(t *testing.T) {
	t.Parallel()
	words := make([]string, 5000)
	for i := range words {
		words[i] = strings.Repeat("w", i%90)
	}
	got, err := attack.Guess(t.Context(), hmacToken("HS256", "other"), list(words...))
	if err != nil || got.Secret != nil || got.Tried != len(words) {
		t.Errorf("got %q after %d, %v; want nothing after %d", got.Secret, got.Tried, err, len(words))
	}
	got, err = attack.Guess(t.Context(), hmacToken("HS256", "other"), list())
	if err != nil || got.Secret != nil || got.Tried != 0 {
		t.Errorf("no candidates: got %+v, %v", got, err)
	}
}

func TestGuessRefuses(t *testing.T) {
	t.Parallel()
	p := newParty(t, "ES256")
	for _, raw := range []string{"", "opaque", p.material.Token, encode([]byte(`{"alg":"none"}`)) + ".e30."} {
		if got, err := attack.Guess(t.Context(), raw, list("a")); err == nil {
			t.Errorf("got %+v, want an error", got)
		}
	}
}

// An endless list ends with its context, and its producer with it.
func TestGuessEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	yielded := 0
	endless := func(yield func([]byte) bool) {
		for yield([]byte("x")) {
			if yielded++; yielded == 10_000 {
				cancel()
			}
		}
	}
	got, err := attack.Guess(ctx, hmacToken("HS256", "other"), endless)
	if !errors.Is(err, context.Canceled) || got.Secret != nil {
		t.Errorf("got %+v, %v; want the context's error", got, err)
	}
}

// A find ends an endless list too.
func TestGuessEndsWithAFind(t *testing.T) {
	t.Parallel()
	endless := func(yield func([]byte) bool) {
		for yield([]byte("secret")) {
		}
	}
	got, err := attack.Guess(t.Context(), hmacToken("HS256", "secret"), endless)
	if err != nil || string(got.Secret) != "secret" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCandidatesHold(t *testing.T) {
	t.Parallel()
	extra := slices.Values([]string{" padded ", "wörter"})
	hints := attack.Hints{Host: "shop.example.com", Title: "Coffee Shop API", Issuer: "https://auth.acme.io/realms/main"}
	wanted := map[string]bool{}
	raw, err := hex.DecodeString("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7")
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := base64.RawStdEncoding.DecodeString("changethissecret")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{
		"", "secret", "changethis\n", string(raw), string(decoded), "keyboard cat",
		"shop", "shop-secret", "Shop123", "EXAMPLE_JWT", "coffeeshopapi", "coffee-secret-key", "my_coffee_secret", "acme2026", "realms",
		" padded ", "padded", "padded\n", "wörter",
		"0", "7", "42", "007", "000000", "123456", "999999",
	} {
		wanted[word] = false
	}
	seen, count := map[string]int{}, 0
	for c := range attack.Candidates(hints, extra) {
		count++
		if len(c) < 6 || count < 20_000 {
			seen[string(c)]++
		}
		if _, ok := wanted[string(c)]; ok {
			wanted[string(c)] = true
		}
	}
	for word, found := range wanted {
		if !found {
			t.Errorf("%q is not among the candidates", word)
		}
	}
	if count < 1_111_110 || count > 1_300_000 {
		t.Errorf("got %d candidates, want all numbers of six digits and some thousand words", count)
	}
}

func TestCandidatesOfHostileHints(t *testing.T) {
	t.Parallel()
	for _, h := range []attack.Hints{
		{},
		{Host: strings.Repeat("a.", 5000), Title: strings.Repeat("ü", 5000), Issuer: "::not a url"},
		{Host: "\xff\xfe", Title: "\x00", Issuer: "https://[::1]:8443/"},
	} {
		count := 0
		for range attack.Candidates(h, nil) {
			if count++; count > 200_000 {
				break // the words come first and are bounded; a break must be honoured
			}
		}
		if count < 1000 {
			t.Errorf("%+v: got %d candidates", h, count)
		}
	}
}

// A secret is found whose form differs from the word in the list.
func TestGuessWithCandidates(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"", "supersecret", "shop-secret", "JWT_SECRET\n", "314159"} {
		got, err := attack.Guess(t.Context(), hmacToken("HS256", secret), attack.Candidates(attack.Hints{Host: "shop.example.com"}, nil))
		if err != nil || got.Secret == nil || string(got.Secret) != secret {
			t.Errorf("secret %q: got %q after %d, %v", secret, got.Secret, got.Tried, err)
		}
	}
}

func TestHintHidesTheSecret(t *testing.T) {
	t.Parallel()
	for secret, want := range map[string]string{
		"":                      "the empty string",
		"secret":                "•••••• (6 bytes)",
		"changethis":            "ch•••••••• (10 bytes)",
		"\x00\x01binary secret": "•••••••• (15 bytes)",
		"a":                     "• (1 bytes)",
	} {
		if got := attack.Hint([]byte(secret)); got != want {
			t.Errorf("Hint(%q): got %q, want %q", secret, got, want)
		}
	}
}

// BenchmarkGuess measures one core: candidates a second, on the token of a
// usual login.
func BenchmarkGuess(b *testing.B) {
	raw := hmacToken("HS256", "never found")
	b.Run("core", func(b *testing.B) {
		try, err := attack.NewTry(raw)
		if err != nil {
			b.Fatal(err)
		}
		secret := []byte("candidate")
		b.ReportAllocs()
		for b.Loop() {
			if try(secret) {
				b.Fatal("found")
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "candidates/s")
	})
	b.Run("hash", func(b *testing.B) { // what cannot be saved
		text := make([]byte, 64+len(raw))
		for b.Loop() {
			sha256.Sum256(text)
			sha256.Sum256(text[:96])
		}
	})
	b.Run("all", func(b *testing.B) {
		tried := 0
		for b.Loop() {
			got, err := attack.Guess(b.Context(), raw, attack.Candidates(attack.Hints{}, nil))
			if err != nil {
				b.Fatal(err)
			}
			tried += got.Tried
		}
		b.ReportMetric(float64(tried)/b.Elapsed().Seconds(), "candidates/s")
	})
}
