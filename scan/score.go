package scan

import (
	"fmt"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
)

// weights is what one finding of a severity takes from the score of 100.
var weights = map[catalog.Severity]int{catalog.Critical: 40, catalog.High: 15, catalog.Medium: 6, catalog.Low: 2}

// Deduction is what one check takes from the score.
type Deduction struct {
	ID       string
	Severity catalog.Severity
	Points   int
}

// Score computes 100 less 40 for each critical finding, 15 for each high, 6 for
// each medium and 2 for each low one, each check counting once, and not under 0.
// Info takes nothing.
func Score(findings []Finding) (score int, parts []Deduction) {
	score = 100
	seen := map[string]bool{}
	for _, f := range findings {
		if seen[f.ID] {
			continue
		}
		seen[f.ID] = true
		if w := weights[f.Severity]; w > 0 {
			parts = append(parts, Deduction{f.ID, f.Severity, w})
			score -= w
		}
	}
	return max(score, 0), parts
}

// Grade is A from a score of 90, B from 80, C from 70, D from 60, and F below. Any
// critical finding makes it F, any high one at best C.
func Grade(score int, findings []Finding) string {
	worst := catalog.Info.Rank()
	for _, f := range findings {
		worst = max(worst, f.Severity.Rank())
	}
	grade := "F"
	for i, floor := range []int{90, 80, 70, 60} {
		if score >= floor {
			grade = "ABCD"[i : i+1]
			break
		}
	}
	switch {
	case worst >= catalog.Critical.Rank():
		return "F"
	case worst >= catalog.High.Rank() && grade < "C":
		return "C"
	}
	return grade
}

// rate sets score and grade. A scan that is incomplete has none.
func (r *Report) rate() {
	r.Score, r.Grade = nil, nil
	if r.Incomplete != "" {
		return
	}
	score, _ := Score(r.Findings)
	grade := Grade(score, r.Findings)
	r.Score, r.Grade = &score, &grade
}

// ExplainScore says in lines how the score came about.
func (r *Report) ExplainScore() string {
	if r.Score == nil {
		return "No score: the scan is incomplete (" + r.Incomplete + ").\n"
	}
	var b strings.Builder
	b.WriteString("Score = 100 - (critical 40, high 15, medium 6, low 2), each check once, not under 0.\n")
	_, parts := Score(r.Findings)
	for _, p := range parts {
		fmt.Fprintf(&b, "  -%-3d %-8s %s\n", p.Points, p.Severity, p.ID)
	}
	fmt.Fprintf(&b, "Score %d. Grade A from 90, B from 80, C from 70, D from 60; any critical is F, any high at best C: %s.\n", *r.Score, *r.Grade)
	return b.String()
}

// Reaches tells whether a finding is at or above a severity. "none" is reached by
// nothing.
func (r *Report) Reaches(s catalog.Severity) bool {
	for _, f := range r.Findings {
		if s.Rank() >= 0 && f.Severity.Rank() >= s.Rank() {
			return true
		}
	}
	return false
}
