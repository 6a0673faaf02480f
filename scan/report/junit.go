package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/scan"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Timestamp string      `xml:"timestamp,attr,omitempty"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
	Skipped *junitMessage `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// writeJUnit makes a suite of each area and a case of each check. What was not
// decided is skipped with its reason; a scan that did not end is an error.
func writeJUnit(w io.Writer, r *scan.Report, _ Options) error {
	byArea := map[string]*junitSuite{}
	add := func(id string, c junitCase) {
		s := byArea[area(id)]
		if s == nil {
			s = &junitSuite{Name: area(id), Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05")}
			byArea[area(id)] = s
		}
		c.Name, c.Class = id, "wiretight."+area(id)
		s.Tests++
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
	}
	for _, id := range r.Passed {
		add(id, junitCase{})
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		add(f.ID, junitCase{Failure: &junitMessage{Message: clean(f.Title), Type: string(f.Severity), Text: failureText(f)}})
	}
	for _, s := range r.Suppressed {
		add(s.ID, junitCase{Output: clean("accepted by the baseline until " + s.Expires + ": " + s.Reason)})
	}
	for _, u := range r.Inconclusive {
		add(u.ID, junitCase{Skipped: &junitMessage{Message: clean("not decided: " + u.Reason)}})
	}
	for _, u := range r.Skipped {
		add(u.ID, junitCase{Skipped: &junitMessage{Message: clean(u.Reason)}})
	}
	for _, s := range r.Subsumed {
		add(s.ID, junitCase{Skipped: &junitMessage{Message: "part of " + s.By}})
	}
	if r.Incomplete != "" {
		add("scan.incomplete", junitCase{Error: &junitMessage{Message: clean(r.Incomplete), Type: "incomplete"}})
	}
	return encodeJUnit(w, r, byArea)
}

func encodeJUnit(w io.Writer, r *scan.Report, byArea map[string]*junitSuite) error {
	all := junitSuites{Name: clean("wiretight scan " + r.Target), Time: fmt.Sprintf("%.3f", float64(r.DurationMS)/1000)}
	for _, s := range byArea {
		slices.SortFunc(s.Cases, func(a, b junitCase) int { return strings.Compare(a.Name, b.Name) })
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Skipped += s.Skipped
		all.Suites = append(all.Suites, *s)
	}
	slices.SortFunc(all.Suites, func(a, b junitSuite) int { return strings.Compare(a.Name, b.Name) })
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func failureText(f *scan.Finding) string {
	var b strings.Builder
	for _, p := range places(f) {
		fmt.Fprintf(&b, "%s %s\n", p.Method, p.URL)
	}
	fmt.Fprintf(&b, "\n%s\n\nFix: %s\n", f.Evidence, f.Remediation.Text)
	if f.Guard != "" {
		fmt.Fprintf(&b, "Guard: %s\n", f.Guard)
	}
	return printable(b.String(), true)
}

// clean makes a text fit for one line of XML.
func clean(s string) string { return printable(s, false) }
