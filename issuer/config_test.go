package issuer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/issuer"
)

func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	memory := store.NewMemory(nil, 0)
	defer func() { _ = memory.Close() }()
	good := func() issuer.Config { return issuer.Config{URL: testURL, Audience: testAudience} }
	for _, tc := range []struct {
		name   string
		change func(*issuer.Config)
		want   string
	}{
		{"plain http", func(c *issuer.Config) { c.URL = "http://api.example.com" }, "https origin"},
		{"with a path", func(c *issuer.Config) { c.URL += "/auth" }, "https origin"},
		{"with a slash", func(c *issuer.Config) { c.URL += "/" }, "https origin"},
		{"with a query", func(c *issuer.Config) { c.URL += "?a" }, "https origin"},
		{"with a user", func(c *issuer.Config) { c.URL = "https://a:b@api.example.com" }, "https origin"},
		{"no url", func(c *issuer.Config) { c.URL = "" }, "https origin"},
		{"no audience", func(c *issuer.Config) { c.Audience = "" }, "audience"},
		{"HMAC", func(c *issuer.Config) { c.Algorithm = "HS256" }, "ES256, EdDSA or RS256"},
		{"none", func(c *issuer.Config) { c.Algorithm = "none" }, "ES256, EdDSA or RS256"},
		{"binding", func(c *issuer.Config) { c.Binding = "maybe" }, "fingerprint, dpop or none"},
		{"SameSite=None", func(c *issuer.Config) { c.SameSite = "none" }, "strict or lax"},
		{"access longer than refresh", func(c *issuer.Config) { c.RefreshTTL = time.Minute }, "refresh_ttl"},
		{"negative life", func(c *issuer.Config) { c.AccessTTL = -time.Minute }, "access_ttl"},
		{"long grace", func(c *issuer.Config) { c.RefreshGrace = time.Hour }, "refresh_grace"},
		{"negative grace", func(c *issuer.Config) { c.RefreshGrace = -1 }, "refresh_grace"},
		{"rotation shorter than tokens", func(c *issuer.Config) { c.RotateKeys = time.Minute }, "rotate_keys"},
		{"no rate", func(c *issuer.Config) { c.Login = issuer.Rate{Count: 5} }, "login limit"},
		{"store without a key", func(c *issuer.Config) { c.Store = memory }, "32"},
		{"short key", func(c *issuer.Config) { c.KeyEncryption = []byte("short") }, "32"},
		{"verify_url in clear", func(c *issuer.Config) { c.VerifyURL = "http://app.example.com/verify" }, "plain text"},
		{"verify_url in clear, like loopback", func(c *issuer.Config) { c.VerifyURL = "http://127.0.0.1.evil.example/" }, "plain text"},
		{"verify_url of another kind", func(c *issuer.Config) { c.VerifyURL = "ftp://localhost/" }, "plain text"},
		{"verify_url without a host", func(c *issuer.Config) { c.VerifyURL = "verify" }, "no URL"},
		{"client without a secret", func(c *issuer.Config) { c.Clients = []issuer.Client{{ID: "a"}} }, "no secret"},
		{"client twice", func(c *issuer.Config) {
			a := issuer.Client{ID: "a", Secret: redactText("x")}
			c.Clients = []issuer.Client{a, a}
		}, "taken"},
		{"client with the issuer's own name", func(c *issuer.Config) {
			c.Clients = []issuer.Client{{ID: "wiretight", Secret: redactText("x")}}
		}, "taken"},
		{"scope with a space", func(c *issuer.Config) {
			c.Clients = []issuer.Client{{ID: "a", Secret: redactText("x"), Scopes: []string{"a b"}}}
		}, "scope"},
	} {
		c := good()
		tc.change(&c)
		is, err := issuer.New(c)
		if err == nil {
			_ = is.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want a word about %q", tc.name, err, tc.want)
		}
	}
	c := good()
	c.Audience, c.Algorithm, c.SameSite = "", "none", "none"
	_, err := issuer.New(c)
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want all three mistakes at once", err)
	}
}

// TestAloneInMemory: as a library the issuer needs nothing but its name.
func TestAloneInMemory(t *testing.T) {
	t.Parallel()
	is, err := issuer.New(issuer.Config{URL: testURL, Audience: testAudience})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = is.Close() }()
	if err := is.Users().Add(t.Context(), "alice", testPassword, nil); err != nil {
		t.Fatal(err)
	}
	status, body := handle(is, "/auth/login", form("username", "alice", "password", testPassword).Encode(), nil)
	if status != 200 {
		t.Errorf("got %d %s, want 200", status, body)
	}
}
