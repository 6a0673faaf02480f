package scan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
)

// The bounds of a report's texts.
const (
	maxEvidence  = 8 << 10
	maxLocations = 50
)

// report makes the report of what the tasks have settled: findings worst first,
// everything else by id, and no credential in any of it.
func (s *schedule) report() *Report {
	t := s.target
	r := &Report{
		Version: 1, Target: t.base.String(), Findings: []Finding{}, Passed: []string{},
		Inconclusive: []Undecided{}, Skipped: []Undecided{}, Suppressed: []Suppressed{},
		Facts: t.facts(),
	}
	st := t.Stack()
	r.Stack = Stack{t.clean(st.Server), st.Framework, t.clean(st.Evidence)}
	for _, k := range s.tasks {
		id := k.check.ID
		switch {
		case k.by != "":
			r.Subsumed = append(r.Subsumed, SubsumedCheck{ID: id, By: k.by})
		case k.verdict.Outcome == Found:
			r.Findings = append(r.Findings, t.finding(id, k.verdict.Findings))
		case k.verdict.Outcome == Passed:
			r.Passed = append(r.Passed, id)
		case k.verdict.Outcome == Skipped:
			r.Skipped = append(r.Skipped, Undecided{id, t.clean(cmp.Or(k.verdict.Reason, "not applicable"))})
		default:
			r.Inconclusive = append(r.Inconclusive, Undecided{id, t.clean(cmp.Or(k.verdict.Reason, "the check gave no verdict"))})
		}
	}
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity.Rank(), a.Severity.Rank()), cmp.Compare(a.ID, b.ID))
	})
	slices.Sort(r.Passed)
	byID := func(a, b Undecided) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(r.Inconclusive, byID)
	slices.SortFunc(r.Skipped, byID)
	slices.SortFunc(r.Subsumed, func(a, b SubsumedCheck) int { return cmp.Compare(a.ID, b.ID) })
	return r
}

// tokenPlace is where the reader of a command is to fill in a token.
var tokenPlace = regexp.MustCompile(`(Authorization: (Bearer|DPoP) )?\$TOKEN`)

// cleanCommand cleans a command to repeat, and leaves the place of the token in it.
func (t *Target) cleanCommand(s string) string {
	var b strings.Builder
	for {
		at := tokenPlace.FindStringIndex(s)
		if at == nil {
			return b.String() + t.clean(s)
		}
		b.WriteString(t.clean(s[:at[0]]) + s[at[0]:at[1]])
		s = s[at[1]:]
	}
}

// finding joins all places where one weakness shows.
func (t *Target) finding(id string, all []Evidence) Finding {
	entry := t.describe(id)
	slices.SortStableFunc(all, func(a, b Evidence) int { return cmp.Compare(rankOf(b, entry), rankOf(a, entry)) })
	worst := all[0]
	f := Finding{
		ID: id, Title: t.clean(cmp.Or(worst.Title, entry.Title)), Severity: cmp.Or(worst.Severity, entry.Severity),
		CWE: slices.Clone(entry.CWE), Location: t.location(worst), Evidence: t.clean(worst.Text), Repeat: t.cleanCommand(worst.Repeat),
		Confidence: cmp.Or(worst.Confidence, "high"), Remediation: remedy(entry, t.surface.stack.Framework),
		Guard: cmp.Or(entry.Guard, entry.GuardNote), Fingerprint: t.fingerprint(id, all),
	}
	if f.CWE == nil {
		f.CWE = []string{}
	}
	if len(all) > 1 {
		for _, e := range all {
			if l := t.location(e); !slices.Contains(f.Locations, l) && len(f.Locations) < maxLocations {
				f.Locations = append(f.Locations, l)
			}
		}
	}
	return f
}

func rankOf(e Evidence, entry catalog.Entry) int { return cmp.Or(e.Severity, entry.Severity).Rank() }

func (t *Target) location(e Evidence) Location {
	return Location{Method: cmp.Or(e.Method, "GET"), URL: t.clean(cmp.Or(e.URL, t.base.String()))}
}

// remedy is the fix for the framework, or for any.
func remedy(e catalog.Entry, framework string) catalog.Remediation {
	if framework == "Starlette" {
		framework = "FastAPI"
	}
	if r, ok := e.Fix[framework]; ok {
		return r
	}
	return e.Fix[""]
}

// clean makes foreign text fit for a report.
func (t *Target) clean(s string) string {
	s = strings.ToValidUTF8(t.Mask(s), "\uFFFD")
	if len(s) > maxEvidence {
		s = strings.ToValidUTF8(s[:maxEvidence], "") + "…"
	}
	return s
}

// fingerprint is the same for the same weakness at the same operations, whatever
// the host, the port, the query and the order. A new operation changes it: what
// was accepted for others was not accepted for that.
func (t *Target) fingerprint(id string, all []Evidence) string {
	set := map[string]bool{}
	for _, e := range all {
		set[strings.ToUpper(cmp.Or(e.Method, "GET"))+" "+t.template(e.URL)+" "+e.Key] = true
	}
	lines := make([]string, 0, len(set))
	for l := range set {
		lines = append(lines, l)
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(id + "\n" + strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:16])
}

// template is the path of a URL as the API's description writes it, and without
// what the scan has made up: names of its own begin with wt.
func (t *Target) template(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "?"
	}
	path := cmp.Or(u.EscapedPath(), "/")
	for _, o := range t.surface.operations {
		if v, err := url.Parse(o.URL); err == nil && o.Path != "" && v.EscapedPath() == path {
			return o.Path
		}
	}
	return invented.ReplaceAllString(path, "/wt-*")
}

// invented is a path segment that was made up for one request.
var invented = regexp.MustCompile(`/wt-?[A-Za-z0-9]{6,}`)

func (t *Target) describe(id string) catalog.Entry {
	lookup := catalog.Lookup
	if t.config.Catalog != nil {
		lookup = t.config.Catalog
	}
	if e, ok := lookup(id); ok {
		return e
	}
	return catalog.Entry{ID: id, Title: id, Severity: catalog.High} // a mistake of ours must not look harmless
}
