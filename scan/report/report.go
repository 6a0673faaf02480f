// Package report writes a finished scan.Report in the formats that people and
// machines read. It judges nothing: severities, score and grade are the
// report's own.
package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// Options say how a report is to look.
type Options struct {
	// Color writes terminal colours into text.
	Color bool
	// Width is how many columns text may take. Zero: 80.
	Width int
	// Explain adds how the score came about.
	Explain bool
	// Anchor is the file that SARIF results point to, since no tool takes a
	// URL. Empty: wiretight.yaml.
	Anchor string
	// Line gives the line of an operation in Anchor, from 1. Nil: always 1.
	Line func(method, url string) int
	// ToolVersion is the version that made the report. Empty: not said.
	ToolVersion string
}

// formats are the ways to write a report.
var formats = map[string]func(io.Writer, *scan.Report, Options) error{
	"text": writeText, "json": writeJSON, "sarif": writeSARIF, "junit": writeJUnit, "html": writeHTML,
}

// Formats lists the names that Write knows.
func Formats() []string { return []string{"text", "json", "sarif", "junit", "html"} }

// Write writes r to w in a format of Formats.
func Write(w io.Writer, format string, r *scan.Report, o Options) error {
	write, ok := formats[format]
	if !ok {
		return fmt.Errorf("unknown format %q; write one of %s", format, strings.Join(Formats(), ", "))
	}
	if o.Width <= 0 {
		o.Width = 80
	}
	if o.Anchor == "" {
		o.Anchor = "wiretight.yaml"
	}
	return write(w, r, o)
}

// severities from the worst down.
var severities = []catalog.Severity{catalog.Critical, catalog.High, catalog.Medium, catalog.Low, catalog.Info}

// counts is how many findings there are of each severity.
func counts(r *scan.Report) map[catalog.Severity]int {
	n := map[catalog.Severity]int{}
	for i := range r.Findings {
		n[r.Findings[i].Severity]++
	}
	return n
}

// of returns the findings of one severity, in the report's order.
func of(r *scan.Report, s catalog.Severity) []scan.Finding {
	var out []scan.Finding
	for _, f := range r.Findings {
		if f.Severity == s {
			out = append(out, f)
		}
	}
	return out
}

// places lists where a finding shows.
func places(f *scan.Finding) []scan.Location {
	if len(f.Locations) > 0 {
		return f.Locations
	}
	return []scan.Location{f.Location}
}

// grade is the grade, or that there is none.
func grade(r *scan.Report) string {
	if r.Grade == nil {
		return "–"
	}
	return *r.Grade
}

// summary is the outcome in one line.
func summary(r *scan.Report) string {
	n := counts(r)
	var parts []string
	for _, s := range severities {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	if len(parts) == 0 {
		return "no findings"
	}
	return strings.Join(parts, ", ")
}

// printable replaces what a terminal or a parser could take for a command:
// control bytes, and characters that turn the direction of text.
func printable(s string, keepLines bool) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			if keepLines {
				return r
			}
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0, r == 0xfffd,
			r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff:
			return '\u00b7'
		}
		return r
	}, strings.ToValidUTF8(s, "\u00b7"))
}

// area is the part of a check's id before the dot.
func area(id string) string {
	a, _, _ := strings.Cut(id, ".")
	return a
}
