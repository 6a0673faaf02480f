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
	quickPart    = 50 // -quick divides the two above by this
)

// figure is what a row's number means.
type figure string

const (
	cpuMultiple figure = "×" // CPU time a request, in multiples of the baseline's
	cpuMicros   figure = "µs"
	percentMore figure = "%" // CPU time a request that the one adds to the other
	slowerTail  figure = "p99 ×"
	megabytes   figure = "MB"
	millis      figure = "ms"
)

// kind is what a row does.
type kind int

const (
	hot      kind = iota // sends one token, again and again
	many                 // a thousand, again and again
	eachNew              // each once
	bad                  // forgeries, beside an honest client
	beside               // honest clients alone, in a crowd, and beside forgeries
	everMore             // each once, to see what is kept of them
	logPrice             // one, with and without access log
	starting             // no load: how long a start takes
	weighing             // no load: the file
	stores               // one, with state in Redis and in bbolt
)

// onceARun says that a row is measured in the first round only: it costs much
// time, or does not vary.
func (k kind) onceARun() bool { return k == everMore || k == weighing || k == stores }

// row is one line of the table.
type row struct {
	name   string // on the command line
	title  string
	alg    string
	how    transport
	kind   kind
	figure figure
	// what the guard must not be above: as agreed for its first release, to be
	// ahead of every peer, and where it shall go; 0: no such thing was agreed.
	stepOne, ahead, goal float64
}

// rows lists the work in the order of the table.
func rows() []row {
	return []row{
		{"rs256", "RS256, hot", "RS256", overH1, hot, cpuMultiple, 3.3, 2.5, 1.4},
		{"es256", "ES256, hot", "ES256", overH1, hot, cpuMultiple, 3.3, 2.5, 1.4},
		{"eddsa", "EdDSA, hot", "EdDSA", overH1, hot, cpuMultiple, 3.3, 2.5, 1.4},
		{"hs256", "HS256, hot", "HS256", overH1, hot, cpuMultiple, 3.3, 1.9, 1.4},
		{"many", "1,000 tokens", "RS256", overH1, many, cpuMultiple, 3.3, 2.5, 1.4},
		{"new", "all tokens new", "RS256", overH1, eachNew, cpuMultiple, 5, 2.6, 2.4},
		{"forged", "all forged", "RS256", overH1, bad, cpuMultiple, 5, 3.8, 2.5},
		{"honest", "honest, p99 ×", "RS256", overH1, beside, slowerTail, 1.2, 1.2, 1.2},
		{"tls", "new connections", "RS256", overFresh, hot, cpuMultiple, 0.9, 0.9, 0.7},
		{"h2", "HTTP/2", "RS256", overH2, hot, cpuMultiple, 5, 2.7, 2},
		{"length", "a body with length", "RS256", overLength, hot, cpuMultiple, 0, 0, 0},
		{"chunks", "a body in a chunk", "RS256", overChunks, hot, cpuMultiple, 0, 0, 0},
		{"log", "access log, %", "RS256", overH1, logPrice, percentMore, 10, 10, 5},
		{"memory", "100,000 tokens, MB", "ES256", overH1, everMore, megabytes, 40, 32, 24},
		{"start", "start, ms", "RS256", overH1, starting, millis, 150, 150, 50},
		{"size", "program, MB", "RS256", overH1, weighing, megabytes, 30, 30, 24},
		{"authorize-http", "a decision, µs", "RS256", overAuthorizer, hot, cpuMicros, 60, 60, 60},
		{"authorize-grpc", "the same, gRPC, µs", "RS256", overEnvoy, hot, cpuMicros, 80, 80, 80},
		{"bolt-vs-redis", "Redis over bbolt, %", "RS256", overH1, stores, percentMore, 10, 10, 10},
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
