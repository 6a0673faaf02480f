package main

import (
	"fmt"
	"slices"
	"strings"
)

// How many tokens a row takes.
const (
	manyTokens   = 1_000
	newTokens    = 20_000
	memoryTokens = 100_000
	quickPart    = 20 // -quick divides the two above by this
)

// figure is what a row's number means.
type figure string

const (
	cpuMultiple figure = "×" // CPU time a request, in multiples of the baseline's
	logPercent  figure = "%" // CPU time a request that the access log adds
	megabytes   figure = "MB"
	millis      figure = "ms"
)

// kind is which tokens a row sends.
type kind int

const (
	hot      kind = iota // one, again and again
	many                 // a thousand, again and again
	eachNew              // each once
	bad                  // forgeries, beside an honest client
	everMore             // each once, to see what is kept of them
	none                 // no load at all
)

// row is one line of the table.
type row struct {
	name   string // on the command line
	title  string
	alg    string
	how    transport
	kind   kind
	figure figure
	// target is what the guard must not be above, as agreed for its first
	// release.
	target float64
}

// rows lists the work in the order of the table.
func rows() []row {
	return []row{
		{"rs256", "RS256, one hot token", "RS256", overH1, hot, cpuMultiple, 3.3},
		{"es256", "ES256, one hot token", "ES256", overH1, hot, cpuMultiple, 3.3},
		{"eddsa", "EdDSA, one hot token", "EdDSA", overH1, hot, cpuMultiple, 3.3},
		{"hs256", "HS256, one hot token", "HS256", overH1, hot, cpuMultiple, 3.3},
		{"many", "RS256, 1,000 tokens", "RS256", overH1, many, cpuMultiple, 3.3},
		{"new", "RS256, every token new", "RS256", overH1, eachNew, cpuMultiple, 5},
		{"forged", "RS256, 1,000 forged", "RS256", overH1, bad, cpuMultiple, 5},
		{"tls", "new TLS connections", "RS256", overFresh, hot, cpuMultiple, 0.9},
		{"h2", "HTTP/2", "RS256", overH2, hot, cpuMultiple, 5},
		{"log", "access log on", "RS256", overH1, hot, logPercent, 10},
		{"memory", "after 100,000 tokens", "ES256", overH1, everMore, megabytes, 40},
		{"start", "start to ready", "RS256", overH1, none, millis, 150},
		{"size", "binary", "RS256", overH1, none, megabytes, 30},
	}
}

func rowNames() []string {
	var out []string
	for _, r := range rows() {
		out = append(out, r.name)
	}
	return out
}

// chosenRows returns those that are named, or all.
func chosenRows(named []string) ([]row, error) {
	all := rows()
	for _, n := range named {
		if !slices.Contains(rowNames(), n) {
			return nil, fmt.Errorf("no row %q; the rows are %s", n, strings.Join(rowNames(), ", "))
		}
	}
	if named == nil {
		return all, nil
	}
	return slices.DeleteFunc(all, func(r row) bool { return !slices.Contains(named, r.name) }), nil
}
