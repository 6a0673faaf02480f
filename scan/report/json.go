package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"

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
	return encodeJSON(w, &out)
}

// encodeJSON writes v indented. Characters that do not print, or that turn the
// direction of text, are written as escapes: the value stays what it is, and
// looking at the file does no harm.
func encodeJSON(w io.Writer, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range string(data) {
		if r != '\n' && printable(string(r), true) != string(r) {
			for _, u := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, u)
			}
			continue
		}
		b.WriteRune(r)
	}
	b.WriteByte('\n')
	_, err = io.WriteString(w, b.String())
	return err
}
