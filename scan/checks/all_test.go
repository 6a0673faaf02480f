package checks

import (
	"crypto/rand"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/internal/lab"
	"github.com/wiretight/wiretight/scan"
)

func TestAllAndCatalogAgree(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range All() {
		entry, ok := catalog.Lookup(c.ID)
		switch {
		case !ok:
			t.Errorf("%s: the catalog does not have it", c.ID)
		case seen[c.ID]:
			t.Errorf("%s: is there twice", c.ID)
		case entry.Needs != c.Needs:
			t.Errorf("%s: got needs %q, want the catalog's %q", c.ID, c.Needs, entry.Needs)
		case c.Run == nil:
			t.Errorf("%s: has nothing to run", c.ID)
		}
		seen[c.ID] = true
	}
	for _, e := range catalog.All() {
		if !seen[e.ID] {
			t.Errorf("%s: no check finds it", e.ID)
		}
	}
	for _, c := range All() {
		for _, id := range c.After {
			if !seen[id] || id == c.ID {
				t.Errorf("%s: waits for %q, which is no other check", c.ID, id)
			}
		}
	}
}

// mended are the mended servers of all checks.
func mended(t testing.TB) map[string]func(testing.TB) *fixture {
	t.Helper()
	all := map[string]func(testing.TB) *fixture{}
	for _, table := range []map[string]func(testing.TB) *fixture{mendedA, mendedB, mendedD} {
		for id, start := range table {
			if all[id] != nil {
				t.Errorf("%s: has two mended servers", id)
			}
			all[id] = start
		}
	}
	return all
}

// sideBySide is how many scans of one test run at once.
const sideBySide = 6

// secretGuessed are the servers whose secret is guessed. That takes most of a
// scan's time and is the same for every random secret, so the scans of the others
// are given a wrong one and leave the guessing out.
var secretGuessed = map[string]bool{"jwt.weak-secret": true, "jwt.blank-secret": true, "leak.token-echo": true, "refresh.not-rotated": true}

func TestNothingIsFoundOnMendedServers(t *testing.T) {
	t.Parallel()
	all := mended(t)
	for _, c := range All() {
		if all[c.ID] == nil {
			t.Errorf("%s: has no mended server", c.ID)
		}
	}
	slots := make(chan struct{}, sideBySide)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			f := all[id](t)
			if f.Config.Secret.Empty() && !secretGuessed[id] {
				f.Config.Secret = text(rand.Text())
				f.Config.Skip = []string{"jwt.weak-secret"}
			}
			r, err := scan.Run(t.Context(), f.Config, All())
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Findings {
				t.Errorf("got %s at %s %s: %s", f.ID, f.Location.Method, f.Location.URL, f.Evidence)
			}
			if r.Incomplete != "" {
				t.Errorf("the scan is incomplete: %s", r.Incomplete)
			}
			t.Logf("%d requests in %d ms", r.Requests, r.DurationMS)
		})
	}
}

// scanLab scans a lab at one port, over TLS and in clear.
func scanLab(t *testing.T, flaws lab.Flaws) *scan.Report {
	t.Helper()
	l := lab.New(lab.Options{Flaws: flaws, Hosts: []string{"lab.test"}})
	f := serve(t, server{Name: "lab.test", Bare: true, Handler: l, Plain: l})
	f.Config.LoginURL, f.Config.LoginJSON = "/login", `{"username":"alice","password":"wonderland-7"}`
	f.Config.Origin = lab.DefaultOrigin
	f.Config.Protected = []string{"/profile", "/items"}
	r, err := scan.Run(t.Context(), f.Config, All())
	if err != nil {
		t.Fatal(err)
	}
	if r.Incomplete != "" {
		t.Errorf("the scan is incomplete: %s", r.Incomplete)
	}
	t.Logf("%d requests in %d ms", r.Requests, r.DurationMS)
	return r
}

func ids(r *scan.Report) []string {
	var list []string
	for _, f := range r.Findings {
		list = append(list, f.ID)
	}
	slices.Sort(list)
	return list
}

func TestLabMended(t *testing.T) {
	t.Parallel()
	r := scanLab(t, lab.Mended())
	if len(r.Findings) > 0 {
		t.Errorf("got %v, want nothing", ids(r))
	}
	for _, u := range r.Inconclusive {
		t.Errorf("%s is inconclusive: %s", u.ID, u.Reason)
	}
}

// hidden are the flaws of the weak lab that others hide, and how.
var hidden = map[lab.Flaw]string{
	lab.ForwardedProtoTrusted: "nothing enforces HTTPS, so nothing can be talked out of it",
	lab.WeakSecret:            "subsumed by jwt.blank-secret",
	lab.KidInjection:          "subsumed by jwt.blank-secret",
	lab.AlgConfusion:          "its tokens name none of the published keys",
	lab.KeyFetch:              "unknown algorithms are taken before a key is looked for",
	lab.NoExpiry:              "the lab's long-lived tokens have an exp",
	lab.RefreshReuse:          "subsumed by refresh.not-rotated",
	lab.CORSNullOrigin:        "subsumed by cors.reflected-origin",
	lab.CORSWeakOriginMatch:   "subsumed by cors.reflected-origin",
}

func TestLabWeak(t *testing.T) {
	t.Parallel()
	var want []string
	for _, f := range lab.Weak().Without(lab.Unchecked()...) {
		if hidden[f] == "" {
			want = append(want, string(f))
		}
	}
	slices.Sort(want)
	r := scanLab(t, lab.Weak())
	if d := cmp.Diff(want, ids(r)); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
	for _, u := range r.Inconclusive {
		t.Errorf("%s is inconclusive: %s", u.ID, u.Reason)
	}
	if r.Requests > 600 {
		t.Errorf("got %d requests, want 600 at most", r.Requests)
	}
	for _, f := range r.Findings {
		if f.Evidence == "" || f.Location.URL == "" || f.Fingerprint == "" || wholeToken.MatchString(f.Evidence+f.Repeat) {
			t.Errorf("%s: got evidence %q at %q, want some, and no whole token", f.ID, f.Evidence, f.Location.URL)
		}
	}
}

// company is what a flaw alone brings with it.
type company struct {
	// with are flaws without which it does not show.
	with lab.Flaws
	// also are other findings that follow from it.
	also []lab.Flaw
}

// withDocs brings a description of the lab's paths, which has a redirect to
// another site.
var withDocs = company{with: lab.Flaws{lab.DocsExposed}, also: []lab.Flaw{lab.RedirectLeaksToken}}

// withSecret lets the scan sign tokens.
var withSecret = company{with: lab.Flaws{lab.WeakSecret}, also: []lab.Flaw{lab.WeakAlgorithm}}

var companies = map[lab.Flaw]company{
	lab.NoTLS:              {also: []lab.Flaw{lab.NoHTTPSRedirect, lab.TokenOverHTTP, lab.WebSocketCleartext}},
	lab.RedirectDowngrade:  {also: []lab.Flaw{lab.HostReflected}}, // the port of a Host
	lab.RedirectLeaksToken: {with: lab.Flaws{lab.DocsExposed}},
	lab.KeyFetch:           {also: []lab.Flaw{lab.EmbeddedKey}}, // it trusts what it fetches
	lab.WeakSecret:         {also: []lab.Flaw{lab.WeakAlgorithm}},
	lab.ExpiredAccepted:    withSecret,
	lab.NotBeforeIgnored:   withSecret,
	lab.IssuerUnchecked:    withSecret,
	lab.AudienceUnchecked:  withSecret,
	lab.CORSBroadMethods:   {with: lab.Flaws{lab.CORSReflectedOrigin}},
	lab.AuthMissing:        withDocs,
	lab.EncodedPassword:    withDocs,
	lab.VulnerableVersion:  {also: []lab.Flaw{lab.ServerVersion}},
	lab.DocsExposed:        {also: []lab.Flaw{lab.RedirectLeaksToken}},
}

// Every flaw is found where it is the only one, and nothing else is.
func TestLabFlawsAlone(t *testing.T) {
	t.Parallel()
	slots := make(chan struct{}, sideBySide)
	for _, f := range lab.All().Without(lab.Unchecked()...) {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			c := companies[f]
			want := []string{string(f)}
			for _, more := range slices.Concat(c.with, c.also) {
				want = append(want, string(more))
			}
			slices.Sort(want)
			r := scanLab(t, c.with.With(f))
			if d := cmp.Diff(want, ids(r)); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
		})
	}
	// These are the guard's matter, and look like nothing else to the scan, but for
	// what is a signature that nobody verifies.
	for _, f := range lab.Unchecked() {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			want := map[lab.Flaw][]string{lab.UnknownAlgorithm: {"jwt.signature-unverified"}}[f]
			if d := cmp.Diff(want, ids(scanLab(t, lab.Flaws{f}))); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
		})
	}
}
