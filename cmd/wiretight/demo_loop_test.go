package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/scan"
)

// TestTheLoopCloses is the product in one test: what the scan finds, the guard
// that it configures closes, and a second scan proves it.
func TestTheLoopCloses(t *testing.T) {
	t.Parallel()
	bed, ctx := startDemo(t, demoOptions{})
	l, err := bed.runLoop(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if l.weak.Grade == nil || *l.weak.Grade != "F" || len(l.weak.Findings) < 40 {
		t.Errorf("the weak API: got grade %v with %d findings, want F with 40 or more", l.weak.Grade, len(l.weak.Findings))
	}
	if l.guarded.Grade == nil || *l.guarded.Grade != "A" || !l.ok() {
		t.Errorf("through the guard: got grade %v, incomplete %q, want A", l.guarded.Grade, l.guarded.Incomplete)
	}
	for _, f := range l.guarded.Findings {
		t.Errorf("through the guard: %s (%s) at %s %s:\n%s", f.ID, f.Severity, f.Location.Method, f.Location.URL, f.Evidence)
	}
	for _, u := range l.guarded.Inconclusive {
		t.Errorf("through the guard: %s is not decided: %s", u.ID, u.Reason)
	}
	if l.weak.Requests > 600 || l.guarded.Requests > 600 {
		t.Errorf("got %d and %d requests, want at most 600", l.weak.Requests, l.guarded.Requests)
	}
	if _, err := config.Load(l.yaml, config.Flags{}); err != nil {
		t.Errorf("the written configuration: %v", err)
	}
	for _, page := range l.pages {
		text, err := os.ReadFile(page)
		if err != nil || !bytes.Contains(text, []byte("</html>")) {
			t.Errorf("%s: %d bytes, %v", page, len(text), err)
		}
		if bytes.Contains(text, []byte("eyJhbGciOi")) && bytes.Contains(text, []byte("wonderland")) {
			t.Errorf("%s shows a credential", page)
		}
	}
	var out bytes.Buffer
	l.print(&screen{w: &out, width: 80}, bed)
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 && !strings.Contains(line, "/") {
			t.Errorf("line of %d characters: %s", n, line)
		}
	}
}

// TestALoopThatDoesNotClose must say so.
func TestALoopThatDoesNotClose(t *testing.T) {
	t.Parallel()
	finding := func(severity string) *scan.Report {
		return &scan.Report{Findings: []scan.Finding{{ID: "x.y", Severity: catalog.Severity(severity)}}}
	}
	for severity, want := range map[string]bool{"critical": false, "high": false, "medium": false, "low": true, "info": true} {
		if got := (&demoLoop{guarded: finding(severity)}).ok(); got != want {
			t.Errorf("a finding of severity %s: got ok %v, want %v", severity, got, want)
		}
	}
	if (&demoLoop{guarded: &scan.Report{Incomplete: "interrupted"}}).ok() {
		t.Error("an incomplete scan counts as closed")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	cancel()
	bed, _ := startDemo(t, demoOptions{})
	if l, err := bed.runLoop(ctx); err == nil && l.ok() {
		t.Error("an interrupted loop counts as closed")
	}
}
