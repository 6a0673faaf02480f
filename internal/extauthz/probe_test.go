package extauthz_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/extauthz"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	good := "Bearer " + b.mint(nil)
	id, err := b.served.BeginProbe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.served.BeginProbe(); err == nil {
		t.Error("a second check began beside the first")
	}
	marked := func(mark string, header ...string) ask {
		return ask{target: "/items?wiretight-probe=" + id + "-" + mark, client: "203.0.113.7", header: header}
	}
	if got := b.http(marked("over1", "Authorization", good)); got.status != 200 {
		t.Errorf("got %v, want a decision like any other", got)
	}
	b.http(ask{header: []string{extauthz.MarkHeader, id + "-over2"}})
	b.check(question(marked("envoy", "Authorization", good), merged))
	b.http(ask{header: []string{"Authorization", good}}) // nobody's business
	b.http(ask{header: []string{extauthz.MarkHeader, strings.Repeat("a", len(id)) + "-over3"}})
	if got := b.http(marked("refuse1", "Authorization", good)); got.status != 429 || got.header.Get("Retry-After") != "7" || got.detail() != "Too many requests" || got.header["Authorization"] != nil {
		t.Errorf("got %v, want the refusal that was asked for", got)
	}
	if seen := b.served.EndProbe("another"); seen != nil {
		t.Errorf("got %v for another id, want nothing", seen)
	}
	seen := b.served.EndProbe(id)
	for i := range seen {
		if i != 0 {
			seen[i].Header = nil
		}
	}
	said := func(target string) map[string][]string {
		return map[string][]string{
			"X-Forwarded-Method": {"GET"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {testHost}, "X-Forwarded-Uri": {target},
			"X-Forwarded-For": {"203.0.113.7"},
		}
	}
	bare := said("/items")
	bare["X-Forwarded-For"] = nil
	want := []extauthz.Seen{
		{Mark: "over1", Said: said("/items?wiretight-probe=" + id + "-over1"), Status: 200, Identity: []string{"Authorization"}},
		{Mark: "over2", Said: bare, Status: 401},
		{Mark: "envoy", Envoy: true, Said: said("/items?wiretight-probe=" + id + "-envoy"), Status: 200, Identity: []string{"Authorization"}},
		{Mark: "refuse1", Said: said("/items?wiretight-probe=" + id + "-refuse1"), Status: 429},
	}
	for i := range want {
		want[i].Asker, want[i].Trusted = "127.0.0.1", true
	}
	if len(seen) > 0 {
		if d := seen[0].Header["Authorization"]; len(d) != 1 || d[0] != extauthz.Digest(good) {
			t.Errorf("got %q for Authorization, want a digest", d)
		}
		seen[0].Header = nil
	}
	if d := cmp.Diff(want, seen); d != "" {
		t.Errorf("what was seen (-want +got):\n%s", d)
	}
	if got := b.http(marked("refuse1", "Authorization", good)); got.status != 200 {
		t.Errorf("after the end: got %v, want a decision like any other", got)
	}
}

// TestProbeOpensNothing marks requests that must be refused, and fills the list.
func TestProbeOpensNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *guard.Config) { c.TrustedPeers = nil })
	id, err := b.served.BeginProbe()
	if err != nil {
		t.Fatal(err)
	}
	for range 70 {
		if got := b.http(ask{header: []string{extauthz.MarkHeader, id + "-refuse1"}}); got.status != 403 {
			t.Fatalf("got %v, want 403 for an unknown proxy", got)
		}
	}
	seen := b.served.EndProbe(id)
	if len(seen) != 64 || seen[0].Trusted || seen[0].Status != 403 {
		t.Errorf("got %d, first %+v, want 64 of a proxy that is not trusted", len(seen), seen[:1])
	}
}
