package scan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

func findings(severities ...catalog.Severity) []scan.Finding {
	var list []scan.Finding
	for i, s := range severities {
		list = append(list, scan.Finding{ID: "a." + string(rune('a'+i)), Severity: s})
	}
	return list
}

func TestScore(t *testing.T) {
	t.Parallel()
	const c, h, m, l, i = catalog.Critical, catalog.High, catalog.Medium, catalog.Low, catalog.Info
	tests := []struct {
		name  string
		found []scan.Finding
		score int
		grade string
	}{
		{"nothing", nil, 100, "A"},
		{"info", findings(i, i, i), 100, "A"},
		{"one low", findings(l), 98, "A"},
		{"one medium", findings(m), 94, "A"},
		{"two medium", findings(m, m), 88, "B"},
		{"one high", findings(h), 85, "C"},
		{"high and medium", findings(h, m, m), 73, "C"},
		{"two high", findings(h, h), 70, "C"},
		{"two high and a low one", findings(h, h, l), 68, "D"},
		{"three high", findings(h, h, h), 55, "F"},
		{"one critical", findings(c), 60, "F"},
		{"many", findings(c, c, c, h), 0, "F"},
		{"an id twice", []scan.Finding{{ID: "a.a", Severity: m}, {ID: "a.a", Severity: m}}, 94, "A"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			score, parts := scan.Score(test.found)
			grade := scan.Grade(score, test.found)
			if score != test.score || grade != test.grade {
				t.Errorf("got %d %s, want %d %s", score, grade, test.score, test.grade)
			}
			sum := 100
			for _, p := range parts {
				sum -= p.Points
			}
			if max(sum, 0) != score {
				t.Errorf("the parts leave %d, want %d", sum, score)
			}
		})
	}
}

func describe(id string) (catalog.Entry, bool) {
	severity := map[string]catalog.Severity{"a.high": catalog.High, "a.low": catalog.Low}[id]
	return catalog.Entry{ID: id, Title: "T " + id, Severity: severity, CWE: []string{"CWE-1"}, Guard: "hosts", Fix: map[string]catalog.Remediation{"": {Text: "any"}, "FastAPI": {Text: "fast"}}}, true
}

// scanned is the report of checks that find the given evidence.
func scanned(t *testing.T, a *api, evidence map[string]func(base string) []scan.Evidence) *scan.Report {
	t.Helper()
	c, _ := a.start(t)
	c.Catalog = describe
	var checks []scan.Check
	for id, f := range evidence {
		checks = append(checks, scan.Check{ID: id, Run: func(_ context.Context, target *scan.Target) scan.Verdict {
			return scan.Find(f(target.Base().String())...)
		}})
	}
	r, err := scan.Run(t.Context(), c, checks)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func at(paths ...string) func(string) []scan.Evidence {
	return func(base string) (list []scan.Evidence) {
		for _, p := range paths {
			list = append(list, scan.Evidence{Method: "GET", URL: base + p, Text: "seen"})
		}
		return list
	}
}

func TestFindings(t *testing.T) {
	t.Parallel()
	r := scanned(t, &api{}, map[string]func(string) []scan.Evidence{
		"a.low": at("/items"),
		"a.high": func(base string) []scan.Evidence {
			return []scan.Evidence{
				{Method: "GET", URL: base + "/items", Severity: catalog.Low, Text: "lower"},
				{Method: "POST", URL: base + "/things/1", Text: "worst", Confidence: "low", Title: "Own title"},
			}
		},
	})
	if len(r.Findings) != 2 || r.Findings[0].ID != "a.high" || r.Findings[1].ID != "a.low" {
		t.Fatalf("got %+v, want high before low", r.Findings)
	}
	f := r.Findings[0]
	if f.Severity != catalog.High || f.Evidence != "worst" || f.Confidence != "low" || f.Title != "Own title" || len(f.Locations) != 2 || f.Location.Method != "POST" {
		t.Errorf("got %+v, want the worst place first", f)
	}
	if f.Guard != "hosts" || f.Remediation.Text != "fast" && f.Remediation.Text != "any" {
		t.Errorf("got guard %q, remediation %+v", f.Guard, f.Remediation)
	}
	if *r.Score != 83 || *r.Grade != "C" {
		t.Errorf("got %d %s, want 83 C", *r.Score, *r.Grade)
	}
}

func TestFingerprints(t *testing.T) {
	t.Parallel()
	first := func(paths ...string) string {
		return scanned(t, &api{}, map[string]func(string) []scan.Evidence{"a.high": at(paths...)}).Findings[0].Fingerprint
	}
	want := first("/items", "/things/1")
	for name, paths := range map[string][]string{"another port and order": {"/things/1", "/items"}, "another query": {"/items?x=2", "/things/1?y"}, "the same twice": {"/items", "/items", "/things/1"}} {
		if got := first(paths...); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if a, b := first("/wt-a1b2c3d4/x"), first("/wt-9z8y7x6w/x"); a != b {
		t.Error("got two fingerprints for two invented paths")
	}
	for name, paths := range map[string][]string{"one place less": {"/items"}, "one more": {"/items", "/things/1", "/public"}, "another": {"/items", "/public"}} {
		if got := first(paths...); got == want {
			t.Errorf("%s: got the same fingerprint", name)
		}
	}
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	both := map[string]func(string) []scan.Evidence{"a.high": at("/items"), "a.low": at("/items")}
	tests := []struct {
		name    string
		change  func(*scan.Accept)
		hidden  bool
		expired bool
	}{
		{"good", func(*scan.Accept) {}, true, false},
		{"its last day", func(a *scan.Accept) { a.Expires = "2026-11-21" }, true, false},
		{"expired yesterday", func(a *scan.Accept) { a.Expires = "2026-11-20" }, false, true},
		{"expired a second ago", func(a *scan.Accept) { a.Expires = "2026-11-21T11:59:59Z" }, false, true},
		{"no expiry", func(a *scan.Accept) { a.Expires = "" }, false, true},
		{"no reason", func(a *scan.Accept) { a.Reason = "" }, false, false},
		{"another fingerprint", func(a *scan.Accept) { a.Fingerprint = "00" }, false, false},
		{"another id", func(a *scan.Accept) { a.ID = "a.low" }, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := scanned(t, &api{}, both)
			b := scan.NewBaseline(r)[:1]
			b[0].Reason, b[0].Expires, b[0].Owner = "known", "2027-01-31", "me"
			test.change(&b[0])
			expired := b.Apply(r, now)
			if got := len(r.Suppressed) == 1; got != test.hidden || len(r.Findings)+len(r.Suppressed) != 2 {
				t.Errorf("got %d findings and %d suppressed, want hidden %v", len(r.Findings), len(r.Suppressed), test.hidden)
			}
			if (len(expired) == 1) != test.expired {
				t.Errorf("got expired %v, want %v", expired, test.expired)
			}
			wantScore, reaches := 83, true
			if test.hidden {
				wantScore, reaches = 98, false
			}
			if *r.Score != wantScore || r.Reaches(catalog.High) != reaches {
				t.Errorf("got score %d, reaches high %v, want %d, %v", *r.Score, r.Reaches(catalog.High), wantScore, reaches)
			}
		})
	}
}

func TestReadBaseline(t *testing.T) {
	t.Parallel()
	good := `[{"fingerprint":"f","id":"a.b","location":{"method":"GET","url":"/"},"reason":"r","expires":"2027-01-31","owner":""}]`
	if b, err := scan.ReadBaseline(strings.NewReader(good)); err != nil || len(b) != 1 {
		t.Errorf("got %v, %v", b, err)
	}
	for name, text := range map[string]string{
		"no reason": strings.Replace(good, `"reason":"r"`, `"reason":""`, 1), "no day": strings.Replace(good, "2027-01-31", "soon", 1),
		"no fingerprint": strings.Replace(good, `"f"`, `""`, 1), "unknown member": strings.Replace(good, `"owner"`, `"ower"`, 1),
		"more": good + "[]", "not JSON": "x", "empty": "",
	} {
		if _, err := scan.ReadBaseline(strings.NewReader(text)); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	f := func(id, print string, s catalog.Severity) scan.Finding {
		return scan.Finding{ID: id, Fingerprint: print, Severity: s}
	}
	older := &scan.Report{Findings: []scan.Finding{f("a.kept", "1", catalog.High), f("a.gone", "2", catalog.High), f("a.lost", "3", catalog.High)}}
	newer := &scan.Report{
		Findings: []scan.Finding{f("a.kept", "1", catalog.High), f("a.new", "4", catalog.Medium)}, Passed: []string{"a.gone"},
		Inconclusive: []scan.Undecided{{ID: "a.lost"}},
	}
	want := scan.Difference{
		New: []scan.Finding{f("a.new", "4", catalog.Medium)}, Kept: []scan.Finding{f("a.kept", "1", catalog.High)},
		Gone: []scan.Finding{f("a.gone", "2", catalog.High), f("a.lost", "3", catalog.High)}, Undecided: []string{"a.lost"},
	}
	got := scan.Diff(older, newer)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("difference (-want +got):\n%s", diff)
	}
	for s, reaches := range map[catalog.Severity]bool{"high": false, "medium": true, "low": true, "none": false} {
		if got.Reaches(s) != reaches {
			t.Errorf("%s: got %v, want %v", s, !reaches, reaches)
		}
	}
	if d := scan.Diff(newer, newer); len(d.New)+len(d.Gone) != 0 {
		t.Errorf("got %+v of a report and itself", d)
	}
}

func TestReadReport(t *testing.T) {
	t.Parallel()
	r := scanned(t, &api{}, map[string]func(string) []scan.Evidence{"a.high": at("/items")})
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := scan.ReadReport(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Facts = scan.Facts{}
	if diff := cmp.Diff(r, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "{}", `{"version":2}`, "[]", string(text) + "x"} {
		if _, err := scan.ReadReport(strings.NewReader(bad)); err == nil {
			t.Errorf("%.20q: got no error", bad)
		}
	}
}

// TestReadableReport: what hides credentials leaves sentences and commands as
// they are, also where the guessed secret is a word that reports use.
func TestReadableReport(t *testing.T) {
	t.Parallel()
	const header = `curl -H "Authorization: Bearer $TOKEN" https://a.example/items`
	for _, secret := range []string{"secret", "password", "hunter22"} {
		t.Run(secret, func(t *testing.T) {
			t.Parallel()
			c, _ := (&api{}).start(t)
			c.Secret = textOf(secret)
			r := within(t, c, func(context.Context, *scan.Target) scan.Verdict {
				return scan.Find(scan.Evidence{Title: "The HMAC secret is a password", Text: "signed with hunter22", Repeat: header})
			})
			if len(r.Findings) != 1 {
				t.Fatalf("got %d findings, want 1", len(r.Findings))
			}
			f := r.Findings[0]
			if f.Title != "The HMAC secret is a password" || f.Repeat != header {
				t.Errorf("got %q and %q, want both as the check wrote them", f.Title, f.Repeat)
			}
			if strings.Contains(f.Evidence, "hunter22") == (secret == "hunter22") {
				t.Errorf("got evidence %q with the secret %q", f.Evidence, secret)
			}
		})
	}
}
