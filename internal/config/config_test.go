package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/keyset"
)

// TestMistakes holds every message to its golden file: each mistake of a file
// told at once, in its order, at its position.
func TestMistakes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/err/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files, %v; want testdata/err/*.yaml", len(files), err)
	}
	dir := material(t)
	told := 0
	for _, file := range files {
		_, err := config.Parse(filepath.Base(file), read(t, file), dir, config.Flags{})
		if err == nil {
			t.Errorf("%s: got no error, want mistakes", file)
			continue
		}
		got := err.Error() + "\n"
		golden := strings.TrimSuffix(file, ".yaml") + ".out"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(string(read(t, golden)), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		told += strings.Count(got, "\n")
		for _, secret := range []string{"hunter2", "a-secret-pasted", dir} {
			if strings.Contains(got, secret) {
				t.Errorf("%s: a message repeats %q", file, secret)
			}
		}
	}
	if told < 60 {
		t.Errorf("got %d mistakes in all golden files, want at least 60", told)
	}
}

func TestGoodFiles(t *testing.T) {
	t.Parallel()
	dir := material(t)
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files, %v; want testdata/good/*.yaml", len(files), err)
	}
	for _, file := range files {
		if _, err := config.Parse(filepath.Base(file), read(t, file), dir, config.Flags{}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func good(t *testing.T, name string, flags config.Flags) *config.Config {
	t.Helper()
	c, err := config.Parse(name, read(t, filepath.Join("testdata/good", name)), material(t), flags)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEverythingArrives(t *testing.T) {
	t.Parallel()
	c := good(t, "everything.yaml", config.Flags{})
	g := c.Guard
	for _, v := range []struct {
		name      string
		got, want any
	}{
		{"listen", c.Listen, ":8443"},
		{"plaintext", c.Plaintext, ":8080"},
		{"admin", c.Admin, "127.0.0.1:9090"},
		{"mode", g.Mode, guard.Enforce},
		{"observe", g.Observe, []guard.Rule{guard.RuleScopes, guard.RuleCORS}},
		{"hosts", g.Hosts, []string{"api.example.com", "www.example.com"}},
		{"redirect port", g.RedirectPort, 443},
		{"admin hosts", c.AdminHosts, []string{"console.example.com"}},
		{"certificates", len(c.TLS.Certificates), 1},
		{"minimum version", c.TLS.MinVersion, "1.2"},
		{"client CA", filepath.Base(c.TLS.ClientCA), "clients.pem"},
		{"hsts", g.HSTS, guard.HSTS{MaxAge: 8760 * time.Hour, IncludeSubdomains: true}},
		{"upstream", g.Upstreams[0].URL, "https://10.0.0.5:8443"},
		{"upstream CA", g.Upstreams[0].CA != nil, true},
		{"upstream certificate", g.Upstreams[0].Certificate != nil, true},
		{"upstream audience", g.Upstreams[0].Audience, "app"},
		{"upstream timeout", g.Upstreams[0].Timeout, 30 * time.Second},
		{"sources", g.Tokens.Sources, []string{"header"}},
		{"leeway", g.Tokens.Leeway, 30 * time.Second},
		{"max size", g.Tokens.MaxSize, 8192},
		{"cache", g.Tokens.Cache, 100000},
		{"issuer", g.Tokens.Issuers[0].Issuer, "https://id.example.com/"},
		{"algorithms", g.Tokens.Issuers[0].Algorithms, []string{"RS256", "ES256"}},
		{"jwks_url", g.Tokens.Issuers[0].JWKSURL, "https://id.example.com/jwks"},
		{"jwks_ca", g.Tokens.Issuers[0].JWKSCA != nil, true},
		{"require", g.Tokens.Issuers[0].Require, []string{"exp", "iss", "aud", "sub"}},
		{"types", g.Tokens.Issuers[0].Types, []string{"at+jwt", "JWT"}},
		{"max lifetime", g.Tokens.Issuers[0].MaxLifetime, time.Hour},
		{"binding", g.Tokens.Binding, guard.BindingOptional},
		{"forward", g.Tokens.Forward, guard.ForwardToken},
		{"routes", g.Routes, []guard.Route{
			{Path: "/healthz", Public: true},
			{Path: "/admin/*", Methods: []string{"GET", "POST"}, Scopes: []string{"admin"}, Upstream: "app"},
			{Path: "/pay", Once: true},
		}},
		{"cors", *g.CORS, guard.CORS{
			Origins: []string{"https://app.example.com"}, Credentials: true, Methods: []string{"GET", "POST"},
			RequestHeaders:  []string{"Authorization", "Content-Type"},
			ResponseHeaders: []string{"X-Request-ID"}, MaxAge: 24 * time.Hour,
		}},
		{"plaintext token", g.PlaintextToken, guard.Burn},
		{"auth failures", g.RateLimit.AuthFailures, guard.Rate{Count: 20, Per: time.Minute}},
		{"login", c.Issuer.Login, guard.Rate{Count: 10, Per: time.Minute}},
		{"issuer url", c.Issuer.URL, "https://api.example.com"},
		{"issuer audience", c.Issuer.Audience, "api.example.com"},
		{"access ttl", c.Issuer.AccessTTL, 5 * time.Minute},
		{"client", len(c.Issuer.Clients[0].Secret) >= 32 && c.Issuer.Clients[0].Introspect, true},
		{"authorizer", c.Authorizer.HTTP, "127.0.0.1:9181"},
		{"authorizer peers", len(c.Authorizer.TrustedPeers), 1},
		{"store", c.Store, "bolt://wiretight-data/state.db"},
		{"staleness", g.StoreStaleness, 5 * time.Second},
		{"log", c.Log, config.Log{Format: "json", Level: "info"}},
		{"warnings", c.Warnings, []string(nil)},
	} {
		if diff := cmp.Diff(v.want, v.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.name, diff)
		}
	}
}

func TestDefaultsAreStrict(t *testing.T) {
	t.Parallel()
	c := good(t, "five-lines.yaml", config.Flags{})
	g := c.Guard
	for _, v := range []struct {
		name      string
		got, want any
	}{
		{"listen", c.Listen, ":8443"},
		{"plaintext", c.Plaintext, ""},
		{"admin", c.Admin, ""},
		{"mode", g.Mode, guard.Enforce},
		{"observe", len(g.Observe), 0},
		{"hosts of the certificate", g.Hosts, []string{"api.example.com", "www.example.com"}},
		{"trusted proxies", len(g.TrustedProxies), 0},
		{"accepted risks", len(g.AcceptRisk), 0},
		{"redirect port", g.RedirectPort, 8443},
		{"minimum version", c.TLS.MinVersion, "1.2"},
		{"hsts", g.HSTS.MaxAge, 8760 * time.Hour},
		{"sources", g.Tokens.Sources, []string{"header"}},
		{"leeway", g.Tokens.Leeway, 30 * time.Second},
		{"cache", g.Tokens.Cache, 100000},
		{"max lifetime", g.Tokens.Issuers[0].MaxLifetime, time.Hour},
		{"binding", g.Tokens.Binding, guard.BindingOptional},
		{"cors", g.CORS == nil, true},
		{"plaintext token", g.PlaintextToken, guard.Burn},
		{"auth failures", g.RateLimit.AuthFailures, guard.Rate{Count: 20, Per: time.Minute}},
		{"issuer", c.Issuer.Enabled, false},
		{"authorizer", c.Authorizer, config.Authorizer{}},
		{"store", c.Store, "bolt://wiretight-data/state.db"},
		{"staleness", g.StoreStaleness, 5 * time.Second},
		{"log", c.Log, config.Log{Format: "json", Level: "info"}},
	} {
		if diff := cmp.Diff(v.want, v.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.name, diff)
		}
	}
}

func TestExplicitZeroIsNotTheDefault(t *testing.T) {
	t.Parallel()
	g := good(t, "secret.yaml", config.Flags{}).Guard.Tokens
	if g.Leeway != 0 || g.Cache != 0 || g.MaxSize != 4096 {
		t.Errorf("got leeway %v, cache %d, max size %d; want 0s, 0, 4096", g.Leeway, g.Cache, g.MaxSize)
	}
	if got := g.Issuers[1].Algorithms[0]; got != "EdDSA" {
		t.Errorf("got algorithm %s for Ed25519, want EdDSA", got)
	}
	if got := len(g.Issuers[0].Secret); got != 64 {
		t.Errorf("got a secret of %d bytes, want the 64 behind base64:", got)
	}
	if len(g.Issuers[2].JWKS) == 0 {
		t.Error("got no key set, want the bytes of jwks_file")
	}
}

func TestDevelopmentNames(t *testing.T) {
	t.Parallel()
	c := good(t, "development.yaml", config.Flags{})
	if diff := cmp.Diff([]string{"localhost", "127.0.0.1", "[::1]"}, c.Guard.Hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	if c.TLS.Dev == nil || c.Issuer.URL != "https://localhost" || c.Issuer.Audience != "localhost" {
		t.Errorf("got dev %v, issuer %q for %q; want both of localhost", c.TLS.Dev, c.Issuer.URL, c.Issuer.Audience)
	}
	if diff := cmp.Diff([]string{"header", "cookie:__Host-access"}, c.Guard.Tokens.Sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func TestAcceptedRisksAreHandedOver(t *testing.T) {
	t.Parallel()
	c := good(t, "accepted-risks.yaml", config.Flags{})
	if got := len(c.Guard.AcceptRisk); got != 9 {
		t.Errorf("got %d accepted risks, want 9", got)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("got warnings %q, want none: every risk is needed", c.Warnings)
	}
	if got := string(c.Guard.Tokens.Issuers[0].Secret); got != "Zq8!vT" {
		t.Errorf("got secret %q, want the file's bytes less the final newline", got)
	}
}

// TestEachRiskIsItsOwn takes one id after the other out of a file that needs
// all nine: every one must be missed.
func TestEachRiskIsItsOwn(t *testing.T) {
	t.Parallel()
	dir := material(t)
	text := string(read(t, "testdata/good/accepted-risks.yaml"))
	count := 0
	for line := range strings.Lines(text) {
		id, ok := strings.CutPrefix(strings.TrimSpace(line), "- ")
		if !ok || strings.HasPrefix(id, "{") {
			continue
		}
		count++
		_, err := config.Parse("risk.yaml", []byte(strings.Replace(text, line, "", 1)), dir, config.Flags{})
		if err == nil || !strings.Contains(err.Error(), id) {
			t.Errorf("without %s: got %v, want an error that names it", id, err)
		}
	}
	if count != 9 {
		t.Errorf("got %d ids in the file, want 9", count)
	}
}

func TestUnneededRiskWarns(t *testing.T) {
	t.Parallel()
	text := string(read(t, "testdata/good/development.yaml")) + "accept_risk: [jwt.no-expiry]\n"
	c, err := config.Parse("w.yaml", []byte(text), t.TempDir(), config.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], "w.yaml:7:15: ") {
		t.Errorf("got warnings %q, want one at w.yaml:7:15", c.Warnings)
	}
}

func localKeys() *keyset.Source { return keyset.NewLocal(nil) }

// TestEnumsAreTheGuards holds the names in the tags, which the schema needs, to
// those that the guard knows.
func TestEnumsAreTheGuards(t *testing.T) {
	t.Parallel()
	for key, want := range map[string][]string{"observe": names(guard.Rules()), "accept_risk": guard.Risks()} {
		f, ok := reflect.TypeFor[config.File]().FieldByNameFunc(func(n string) bool {
			f, _ := reflect.TypeFor[config.File]().FieldByName(n)
			return f.Tag.Get("yaml") == key
		})
		if !ok {
			t.Fatalf("got no key %s", key)
		}
		var got []string
		for part := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
			if name, ok := strings.CutPrefix(part, "enum="); ok {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
}

func names(rules []guard.Rule) []string {
	list := make([]string, len(rules))
	for i, r := range rules {
		list[i] = string(r)
	}
	return list
}

func TestLocate(t *testing.T) {
	t.Parallel()
	c := good(t, "everything.yaml", config.Flags{Issuer: "https://other.example.com/"})
	for path, want := range map[string]string{
		"listen":                            "everything.yaml:2:9",
		"tokens.issuers[0].audiences[0]":    "everything.yaml:29:19",
		"tokens.issuers[0].issuer":          "--issuer",
		"tokens.issuers[0].secret_file":     "everything.yaml:28:7",
		"routes[1].scopes":                  "everything.yaml:42:52",
		"routes[7].scopes":                  "everything.yaml:41:3",
		"nothing.like[3].this":              "everything.yaml:2:1",
		"tokens.issuers[0].issuer.whatever": "--issuer",
	} {
		if got := c.Locate(path).String(); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestLoadWatchesEveryFile(t *testing.T) {
	t.Parallel()
	dir := material(t)
	file := filepath.Join(dir, "wiretight.yaml")
	if err := os.WriteFile(file, read(t, "testdata/good/everything.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file, config.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range c.Watched() {
		if !filepath.IsAbs(f) {
			t.Errorf("got %s, want an absolute path", f)
		}
		got = append(got, filepath.Base(f))
	}
	want := []string{
		"billing.secret", "c.pem", "ca.pem", "clients.pem", "fullchain.pem", "k.pem", "privkey.pem", "wiretight.yaml",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("watched files (-want +got):\n%s", diff)
	}
}

func TestLoadRefusesUnreadableFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(dir, "missing.yaml"), dir, big, "/dev/zero"} {
		_, err := config.Load(file, config.Flags{Upstream: "http://127.0.0.1:8000"})
		var ps config.Problems
		if !errors.As(err, &ps) || len(ps) != 1 || ps[0].Position.File != file {
			t.Errorf("%s: got %v, want one problem of this file", file, err)
		}
	}
}
