package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// someResults are three rounds of three proxies.
func someResults() *results {
	r := &results{
		Rounds: 3, Took: "1m", Seconds: 2, Conns: 64,
		Rows:    []string{"rs256", "memory", "honest"},
		Proxies: []string{"haproxy", "new", "old"}, Guards: []string{"new", "old"},
		Missing: []string{"apache: apache2 is missing"},
	}
	add := func(row, proxy string, values ...float64) {
		for i, v := range values {
			r.Samples = append(r.Samples, sample{
				Round: i + 1, Row: row, Proxy: proxy, Value: v, Requests: 1000, Seconds: 2,
				Turns: []float64{v}, Dials: 64, P50: v / 10, P99: v, PeakMB: v,
			})
		}
	}
	add("rs256", "haproxy", 20, 40, 10)
	add("rs256", "new", 40, 100, 25) // 2, 2.5, 2.5
	add("rs256", "old", 80, 160, 40)
	add("memory", "new", 41)
	add("honest", "new", 1.1)
	last := &r.Samples[len(r.Samples)-1]
	last.Honest = []honest{{Phase: "alone", P50: 1, P99: 2}, {Phase: "beside forgeries", P50: 3, P99: 120, Failed: 2, Lost: 1, Errors: map[string]int{"EOF": 2}}}
	r.dash("memory", "old", "checks nothing")
	r.dash("memory", "old", "checks nothing")
	return r
}

func TestTables(t *testing.T) {
	t.Parallel()
	r := someResults()
	for _, tc := range []struct {
		name  string
		print func(io.Writer) error
		want  []string
	}{
		{"text", r.text, []string{
			"RS256, hot             2.5   20.0µs   2.50  4.00*\n",
			"100,000 tokens, MB      32        -  41.0*      -\n",
			"RS256, hot              500  500  500\n",
			"RS256, hot          2.00/20.0  4.00/40.0  8.00/80.0\n",
			"     alone  beside forgeries  failed  lost\n",
			"new  1.00/2.00          3.00/120       2     1\n",
			"RS256, hot  10.0–40.0  2.00–2.50  4.00–4.00\n",
			"-: memory: checks nothing (old)\n",
			"left out: apache: apache2 is missing\n",
			"honest clients hurt: honest, new: 0 requests, 2 failed; 2 × EOF\n",
		}},
		{"markdown", func(w io.Writer) error { return r.markdown(w, "plot.svg") }, []string{
			"![CPU time a request, as multiples of haproxy's](plot.svg)\n",
			"|  | target | haproxy | new | old |\n| --- | ---: | ---: | ---: | ---: |\n",
			"| RS256, hot | 3.3 / 2.5 / 1.4 | 20.0µs | 2.50 | 4.00* |\n",
			"- -: memory: checks nothing (old)\n",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := tc.print(&b); err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("got\n%s\nwant %q in it", &b, want)
				}
			}
		})
	}
}

func TestHeadingsOfTwoLines(t *testing.T) {
	t.Parallel()
	got := grid{{"", "haproxy-jwt", "bare"}, {"RS256, hot", "3.30", "-"}}.text()
	want := "            haproxy-\n" +
		"                 jwt  bare\n" +
		"RS256, hot      3.30     -\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPublish goes the way of -from: what was written is read and printed alike.
func TestPublish(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	doc, data := filepath.Join(dir, "page.md"), filepath.Join(dir, "out.json")
	if err := os.WriteFile(doc, []byte("before\n"+beginMark+"\nold\n"+endMark+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := someResults().publish(Options{JSON: data}, &first); err != nil {
		t.Fatal(err)
	}
	err := run(t.Context(), []string{"-from", data, "-update", doc, "-plot", filepath.Join(dir, "none", "plot.svg")}, &second, io.Discard)
	if err == nil {
		t.Error("got no error for a plot in no folder")
	}
	second.Reset()
	if err := run(t.Context(), []string{"-from", data, "-update", doc}, &second, io.Discard); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.String(), second.String()); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "page.svg")); err != nil {
		t.Error(err)
	}
	raw, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	if !strings.HasPrefix(text, "before\n"+beginMark+"\n\n![") || !strings.HasSuffix(text, "\n\n"+endMark+"\nafter\n") ||
		strings.Contains(text, "old\n"+endMark) || !strings.Contains(text, "](page.svg)") {
		t.Errorf("got\n%s\nwant the tables between the marks, and nothing else changed", text)
	}
}

func TestDocumentWithoutMarksStays(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", beginMark, endMark + beginMark, beginMark + endMark + beginMark + endMark, beginMark + beginMark + endMark,
	} {
		file := filepath.Join(t.TempDir(), "page.md")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := updateDocument(file, "new"); err == nil {
			t.Errorf("%q: got no error", text)
		}
		if raw, err := os.ReadFile(file); err != nil || string(raw) != text {
			t.Errorf("got %q, %v, want %q as it was", raw, err, text)
		}
	}
	if err := updateDocument(filepath.Join(t.TempDir(), "none.md"), "new"); err == nil {
		t.Error("got no error for a file that is not there")
	}
}

func TestReadResultsRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "[]", `{"rows":["rs999"]}`} {
		file := filepath.Join(t.TempDir(), "out.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readResults(file); err == nil {
			t.Errorf("%q: got no error", text)
		}
	}
}
