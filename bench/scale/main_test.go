package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/cluster"
)

// TestMeasures runs all of it with real guards and redis-servers, on so little
// that the numbers mean nothing but that there are some.
func TestMeasures(t *testing.T) {
	t.Parallel()
	program, err := cluster.Build(t.Context(), "../..", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	err = run(t.Context(), []string{
		"-wiretight", program, "-revocations", "20,50", "-sessions", "10", "-guards", "1,2", "-bolt", "10",
		"-window", "40ms", "-rounds", "2", "-requests", "5", "-settle", "10ms",
	}, &out, &said)
	if err != nil {
		t.Fatalf("got %v\n%s%s", err, out.String(), said.String())
	}
	rows := map[string][]string{}
	title := ""
	for line := range strings.Lines(out.String()) {
		switch {
		case strings.HasPrefix(line, "### "):
			title, _, _ = strings.Cut(strings.TrimSpace(line[4:]), " (")
		case strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| ---"):
			rows[title] = append(rows[title], strings.TrimSpace(line))
		}
	}
	number := regexp.MustCompile(`^[0-9,]+(\.[0-9]+)?( s| ms)?$`)
	for title, want := range map[string][]string{
		"Revocations in one redis-server": {"20", "50"}, "Sessions in one redis-server": {"10"},
		"Instances on one redis-server": {"1", "2"}, "Revocations in a bolt file": {"10"},
		"Requests, one after the other": {"login", "refresh", "ordinary, token remembered", "`once`"},
	} {
		if len(rows[title]) != len(want)+1 {
			t.Errorf("%s: got %q, want a head and %q", title, rows[title], want)
			continue
		}
		head := strings.Count(rows[title][0], "|")
		for i, row := range rows[title][1:] {
			cells := strings.Split(strings.Trim(row, "| "), " | ")
			if cells[0] != want[i] || strings.Count(row, "|") != head {
				t.Errorf("%s: got row %q, want %s and as many cells as %q", title, row, want[i], rows[title][0])
			}
			for _, cell := range cells[1:] {
				// What so little takes may round to less than nothing.
				if !number.MatchString(strings.TrimPrefix(cell, "-")) {
					t.Errorf("%s, %s: got %q, want a number", title, want[i], cell)
				}
			}
		}
	}
	if !regexp.MustCompile(`\d processors? of .*redis-server \d`).MatchString(out.String()) {
		t.Errorf("got no line that says where:\n%s", out.String())
	}
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-revocations", "100,10"},
		{"-guards", "none"},
		{"-rounds", "1"},
		{"-requests", "0"},
		{"-window", "0s"},
		{"more"},
		{"-wiretight", "/nowhere/wiretight", "-revocations", "1"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out, io.Discard); err == nil || out.Len() > 0 {
			t.Errorf("%q: got %v and %q, want an error and no table", args, err, out.String())
		}
	}
}
