package scan

import "github.com/wiretight/wiretight/internal/catalog"

// Difference is what two reports of one API do not have in common.
type Difference struct {
	// New are findings of the later report alone, Gone of the earlier, and Kept
	// of both, as the later has them.
	New, Gone, Kept []Finding
	// Undecided are the checks that found something before, and now reached no
	// verdict, or did not run: their findings are in Gone, but may still be there.
	Undecided []string
}

// Diff compares two reports by the fingerprints of their findings. A finding that
// a baseline suppresses counts in neither.
func Diff(older, newer *Report) Difference {
	var d Difference
	before := byFingerprint(older.Findings)
	after := byFingerprint(newer.Findings)
	for _, f := range newer.Findings {
		if before[f.Fingerprint] {
			d.Kept = append(d.Kept, f)
		} else {
			d.New = append(d.New, f)
		}
	}
	settled := map[string]bool{}
	for _, id := range newer.Passed {
		settled[id] = true
	}
	for _, f := range newer.Findings {
		settled[f.ID] = true
	}
	told := map[string]bool{}
	for _, f := range older.Findings {
		if after[f.Fingerprint] {
			continue
		}
		d.Gone = append(d.Gone, f)
		if !settled[f.ID] && !told[f.ID] {
			d.Undecided, told[f.ID] = append(d.Undecided, f.ID), true
		}
	}
	return d
}

func byFingerprint(list []Finding) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, f := range list {
		m[f.Fingerprint] = true
	}
	return m
}

// Reaches tells whether something new is at or above a severity.
func (d Difference) Reaches(s catalog.Severity) bool { return (&Report{Findings: d.New}).Reaches(s) }
