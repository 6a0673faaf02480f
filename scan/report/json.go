package report

import (
	_ "embed"
	"encoding/json"
	"io"

	"github.com/wiretight/wiretight/scan"
)

// schema is the published form of the JSON report.
//
//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (2020-12) that every JSON report conforms to.
func Schema() []byte { return append([]byte(nil), schema...) }

func writeJSON(w io.Writer, r *scan.Report, _ Options) error {
	out := *r
	out.Version = 1
	// Readers iterate over lists without looking for null.
	if out.Findings == nil {
		out.Findings = []scan.Finding{}
	}
	if out.Passed == nil {
		out.Passed = []string{}
	}
	if out.Inconclusive == nil {
		out.Inconclusive = []scan.Undecided{}
	}
	if out.Skipped == nil {
		out.Skipped = []scan.Undecided{}
	}
	if out.Suppressed == nil {
		out.Suppressed = []scan.Suppressed{}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(true)
	enc.SetIndent("", "  ")
	return enc.Encode(&out)
}
