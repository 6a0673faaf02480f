package catalog_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/catalog"
)

var update = flag.Bool("update", false, "write the pages anew")

// published are the ids that users have in their configurations, with what
// their builds gate on. None of this changes without a new major version.
var published = []struct {
	id       string
	severity catalog.Severity
	cwe      string
	needs    catalog.Needs
}{
	{"transport.no-tls", catalog.High, "CWE-319", catalog.NeedsNothing},
	{"transport.token-over-http", catalog.Critical, "CWE-319", catalog.NeedsToken},
	{"transport.no-https-redirect", catalog.Low, "CWE-693", catalog.NeedsNothing},
	{"transport.redirect-downgrade", catalog.High, "CWE-757", catalog.NeedsNothing},
	{"transport.redirect-leaks-token", catalog.High, "CWE-522", catalog.NeedsToken},
	{"transport.forwarded-proto-trusted", catalog.High, "CWE-348", catalog.NeedsNothing},
	{"transport.no-hsts", catalog.Medium, "CWE-693", catalog.NeedsNothing},
	{"transport.weak-hsts", catalog.Low, "CWE-693", catalog.NeedsNothing},
	{"transport.cleartext-reference", catalog.Medium, "CWE-319", catalog.NeedsNothing},
	{"transport.websocket-cleartext", catalog.High, "CWE-319", catalog.NeedsNothing},
	{"tls.cert-untrusted", catalog.High, "CWE-295", catalog.NeedsNothing},
	{"tls.cert-expired", catalog.High, "CWE-298", catalog.NeedsNothing},
	{"tls.cert-name-mismatch", catalog.High, "CWE-297", catalog.NeedsNothing},
	{"tls.cert-expiring", catalog.Low, "CWE-298", catalog.NeedsNothing},
	{"tls.cert-weak-key", catalog.High, "CWE-326", catalog.NeedsNothing},
	{"tls.cert-weak-signature", catalog.High, "CWE-328", catalog.NeedsNothing},
	{"tls.legacy-protocol", catalog.High, "CWE-326", catalog.NeedsNothing},
	{"tls.weak-cipher", catalog.High, "CWE-327", catalog.NeedsNothing},
	{"tls.no-forward-secrecy", catalog.Medium, "CWE-327", catalog.NeedsNothing},
	{"tls.no-tls13", catalog.Low, "CWE-326", catalog.NeedsNothing},
	{"tls.downgrade-unprotected", catalog.Medium, "CWE-757", catalog.NeedsNothing},
	{"tls.insecure-renegotiation", catalog.Medium, "CWE-757", catalog.NeedsNothing},
	{"tls.early-data", catalog.Medium, "CWE-294", catalog.NeedsNothing},
	{"host.unvalidated", catalog.Medium, "CWE-644", catalog.NeedsNothing},
	{"host.reflected", catalog.High, "CWE-644", catalog.NeedsNothing},
	{"jwt.alg-none", catalog.Critical, "CWE-347", catalog.NeedsToken},
	{"jwt.signature-unverified", catalog.Critical, "CWE-347", catalog.NeedsToken},
	{"jwt.null-signature", catalog.Critical, "CWE-347", catalog.NeedsToken},
	{"jwt.blank-secret", catalog.Critical, "CWE-326", catalog.NeedsToken},
	{"jwt.psychic-signature", catalog.Critical, "CWE-347", catalog.NeedsToken},
	{"jwt.alg-confusion", catalog.Critical, "CWE-757", catalog.NeedsToken},
	{"jwt.embedded-key", catalog.Critical, "CWE-347", catalog.NeedsToken},
	{"jwt.key-fetch", catalog.High, "CWE-918", catalog.NeedsToken},
	{"jwt.kid-injection", catalog.Critical, "CWE-347", catalog.NeedsToken},
	{"jwt.weak-secret", catalog.Critical, "CWE-326", catalog.NeedsToken},
	{"jwt.weak-algorithm", catalog.Medium, "CWE-327", catalog.NeedsToken},
	{"jwt.expired-accepted", catalog.High, "CWE-613", catalog.NeedsToken},
	{"jwt.not-before-ignored", catalog.Low, "CWE-613", catalog.NeedsSecret},
	{"jwt.no-expiry", catalog.High, "CWE-613", catalog.NeedsToken},
	{"jwt.long-lived", catalog.Medium, "CWE-613", catalog.NeedsToken},
	{"jwt.missing-claims", catalog.Medium, "CWE-345", catalog.NeedsToken},
	{"jwt.issuer-unchecked", catalog.High, "CWE-345", catalog.NeedsSecret},
	{"jwt.audience-unchecked", catalog.High, "CWE-345", catalog.NeedsSecret},
	{"jwt.type-confusion", catalog.High, "CWE-345", catalog.NeedsLogin},
	{"jwt.sensitive-claims", catalog.High, "CWE-261", catalog.NeedsToken},
	{"jwt.predictable-id", catalog.Medium, "CWE-330", catalog.NeedsLogin},
	{"jwt.token-in-url", catalog.Medium, "CWE-598", catalog.NeedsToken},
	{"jwt.not-revoked", catalog.Medium, "CWE-613", catalog.NeedsLogin},
	{"refresh.reuse-accepted", catalog.High, "CWE-294", catalog.NeedsLogin},
	{"refresh.predictable", catalog.High, "CWE-338", catalog.NeedsLogin},
	{"refresh.not-rotated", catalog.Medium, "CWE-294", catalog.NeedsLogin},
	{"jwks.weak-key", catalog.High, "CWE-326", catalog.NeedsNothing},
	{"jwks.private-key-exposed", catalog.Critical, "CWE-522", catalog.NeedsNothing},
	{"jwks.inconsistent", catalog.Medium, "CWE-693", catalog.NeedsNothing},
	{"cookie.not-secure", catalog.High, "CWE-614", catalog.NeedsNothing},
	{"cookie.not-httponly", catalog.Medium, "CWE-1004", catalog.NeedsNothing},
	{"cookie.same-site", catalog.Medium, "CWE-1275", catalog.NeedsNothing},
	{"cors.wildcard", catalog.Medium, "CWE-942", catalog.NeedsNothing},
	{"cors.reflected-origin", catalog.High, "CWE-942", catalog.NeedsNothing},
	{"cors.null-origin", catalog.High, "CWE-942", catalog.NeedsNothing},
	{"cors.weak-origin-match", catalog.High, "CWE-942", catalog.NeedsNothing},
	{"cors.broad-methods", catalog.Low, "CWE-942", catalog.NeedsNothing},
	{"cors.missing-vary", catalog.Low, "CWE-524", catalog.NeedsNothing},
	{"leak.token-echo", catalog.High, "CWE-209", catalog.NeedsToken},
	{"leak.stack-trace", catalog.Medium, "CWE-209", catalog.NeedsNothing},
	{"leak.cacheable-token", catalog.Medium, "CWE-525", catalog.NeedsLogin},
	{"leak.server-version", catalog.Low, "CWE-200", catalog.NeedsNothing},
	{"leak.debug-endpoint", catalog.High, "CWE-215", catalog.NeedsNothing},
	{"leak.key-file", catalog.Critical, "CWE-538", catalog.NeedsNothing},
	{"auth.missing", catalog.High, "CWE-306", catalog.NeedsNothing},
	{"auth.method-bypass", catalog.High, "CWE-650", catalog.NeedsNothing},
	{"auth.encoded-password", catalog.High, "CWE-261", catalog.NeedsNothing},
	{"auth.no-rate-limit", catalog.Medium, "CWE-307", catalog.NeedsLogin},
	{"supply.vulnerable-version", catalog.High, "CWE-1395", catalog.NeedsNothing},
	{"supply.docs-exposed", catalog.Info, "CWE-200", catalog.NeedsNothing},
}

func TestPublishedIDs(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, want := range published {
		known[want.id] = true
		e, ok := catalog.Lookup(want.id)
		if !ok {
			t.Errorf("%s is not in the catalogue", want.id)
			continue
		}
		if e.Severity != want.severity || e.Needs != want.needs || len(e.CWE) == 0 || e.CWE[0] != want.cwe {
			t.Errorf("%s: got %s, %v, %s; want %s, %s, %s", want.id, e.Severity, e.CWE, e.Needs, want.severity, want.cwe, want.needs)
		}
	}
	seen := map[string]bool{}
	for _, e := range catalog.All() {
		if !known[e.ID] {
			t.Errorf("%s is new: add it to the published ids", e.ID)
		}
		if seen[e.ID] {
			t.Errorf("%s is there twice", e.ID)
		}
		seen[e.ID] = true
	}
	if len(published) != 75 {
		t.Errorf("got %d published ids, want 75", len(published))
	}
}

func TestEntriesAreWhole(t *testing.T) {
	t.Parallel()
	url := regexp.MustCompile(`^https://[^ ]+$`)
	for _, e := range catalog.All() {
		for name, text := range map[string]string{"title": e.Title, "why": e.Why, "how": e.How, "remedy for any": e.Fix[""].Text, "remedy for FastAPI": e.Fix["FastAPI"].Text} {
			if strings.TrimSpace(text) == "" || text != strings.TrimSpace(text) {
				t.Errorf("%s: %s is %q", e.ID, name, text)
			}
		}
		if strings.HasSuffix(e.Title, ".") {
			t.Errorf("%s: the title ends with a full stop", e.ID)
		}
		if e.Guard == "" && e.GuardNote == "" {
			t.Errorf("%s: says neither what closes it nor why the guard does not", e.ID)
		}
		if len(e.References) == 0 {
			t.Errorf("%s: has no reference", e.ID)
		}
		for _, r := range e.References {
			if !url.MatchString(r) {
				t.Errorf("%s: reference %q is no URL", e.ID, r)
			}
		}
		for framework, f := range e.Fix {
			if (f.Code == "") != (f.Language == "") {
				t.Errorf("%s: the remedy for %q has code without language, or the other way round", e.ID, framework)
			}
		}
	}
}

// TestPagesAreFresh holds docs/checks to the catalogue. -update writes it anew.
func TestPagesAreFresh(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "docs", "checks")
	want := map[string]string{"README.md": catalog.Index()}
	for _, e := range catalog.All() {
		want[e.ID+".md"] = e.Page()
	}
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := want[f.Name()]; !ok {
			t.Errorf("docs/checks/%s belongs to no check", f.Name())
		}
	}
	for name, text := range want {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%v; run go generate ./internal/catalog", err)
			continue
		}
		if diff := cmp.Diff(text, string(got)); diff != "" {
			t.Errorf("docs/checks/%s is stale; run go generate ./internal/catalog (-want +got):\n%s", name, diff)
		}
	}
}
