package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// results is every sample of a run, and how they were taken.
type results struct {
	Started time.Time `json:"started"`
	Rounds  int       `json:"rounds"`
	Seconds float64   `json:"seconds_a_cell"`
	Conns   int       `json:"connections"`
	Proxies []string  `json:"proxies"`
	Samples []sample  `json:"samples"`

	rows   []row
	guards []string // those of Proxies that targets are for
}

func (r *results) writeJSON(file string) error {
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.WriteFile(file, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// values returns one number a round: for a multiple, the proxy's cost over the
// baseline's in the same row of the same round. Without a baseline, and for
// the baseline itself, it stays in microseconds and multiple is false.
func (r *results) values(w row, proxy string) (out []float64, multiple bool) {
	base := map[int]float64{}
	for _, s := range r.Samples {
		if s.Row == w.name && s.Proxy == baseline {
			base[s.Round] = s.Value
		}
	}
	multiple = w.figure == cpuMultiple && proxy != baseline && len(base) > 0
	for _, s := range r.Samples {
		if s.Row != w.name || s.Proxy != proxy {
			continue
		}
		if multiple {
			s.Value /= base[s.Round]
		}
		out = append(out, s.Value)
	}
	return out, multiple
}

// cell is the median and, of several rounds, the lowest and highest.
func (r *results) cell(w row, proxy string) (text string, median float64, ok bool) {
	v, multiple := r.values(w, proxy)
	if len(v) == 0 {
		return "-", 0, false
	}
	slices.Sort(v)
	median = (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	format := "%.1f"
	switch {
	case multiple:
		format = "%.2f"
	case w.figure == logPercent:
		format = "%.0f"
	}
	text = fmt.Sprintf(format, median)
	if len(v) > 1 {
		text += fmt.Sprintf(" ("+format+"–"+format+")", v[0], v[len(v)-1])
	}
	return text, median, true
}

// verdict compares a guard's figure with the row's target. Other proxies, and
// multiples without a baseline, have none.
func (r *results) verdict(w row, proxy string) string {
	_, median, ok := r.cell(w, proxy)
	_, multiple := r.values(w, proxy)
	switch {
	case !ok || !slices.Contains(r.guards, proxy):
		return ""
	case w.figure == cpuMultiple && !multiple:
		return ""
	case median > w.target:
		return " over"
	default:
		return " ok"
	}
}

// grid is the table as text: a title line, then one line a row.
func (r *results) grid() [][]string {
	head := []string{"row", "unit", "target"}
	head = append(head, r.Proxies...)
	out := [][]string{head}
	for _, w := range r.rows {
		line := []string{w.title, string(w.figure), fmt.Sprint(w.target)}
		for _, p := range r.Proxies {
			text, _, _ := r.cell(w, p)
			if _, multiple := r.values(w, p); w.figure == cpuMultiple && !multiple && text != "-" {
				text += " µs"
			}
			line = append(line, text+r.verdict(w, p))
		}
		out = append(out, line)
	}
	return out
}

// text prints the table for a terminal, and below it what went wrong.
func (r *results) text(w io.Writer) error {
	g := r.grid()
	width := make([]int, len(g[0]))
	for _, line := range g {
		for i, c := range line {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	for _, line := range g {
		for i, c := range line {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i == len(line)-1 {
				pad = ""
			}
			b.WriteString(c + pad + "  ")
		}
		b.WriteString("\n")
	}
	out := ""
	for line := range strings.Lines(b.String()) {
		out += strings.TrimRight(line, " \n") + "\n"
	}
	_, err := io.WriteString(w, out+r.notes())
	return err
}

// markdown prints the same as text for a document.
func (r *results) markdown(w io.Writer) error {
	var b strings.Builder
	for i, line := range r.grid() {
		b.WriteString("| " + strings.Join(line, " | ") + " |\n")
		if i == 0 {
			b.WriteString(strings.Repeat("| --- ", len(line)) + "|\n")
		}
	}
	_, err := io.WriteString(w, b.String()+"\n"+r.notes())
	return err
}

// notes says how it was measured, and each cell whose answers were not all as
// wanted or whose connections did not last.
func (r *results) notes() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rounds, %g s a cell, %d connections; median (lowest–highest)\n"+
		"× is CPU time a request over %s's in the same row and round; %% is CPU time that the log adds\n",
		r.Rounds, r.Seconds, r.Conns, baseline)
	for _, s := range r.Samples {
		if s.Failed > 0 {
			o := outcome{Requests: s.Requests, Errors: s.Errors}
			fmt.Fprintf(&b, "wrong answers: round %d, %s, %s: %v\n", s.Round, s.Row, s.Proxy, &o)
		}
		if s.HonestFailed > 0 {
			fmt.Fprintf(&b, "honest client hurt: round %d, %s, %s: %d requests\n", s.Round, s.Row, s.Proxy, s.HonestFailed)
		}
		if s.Row != "tls" && s.Dials > r.Conns {
			fmt.Fprintf(&b, "connections lost: round %d, %s, %s: %d made again\n", s.Round, s.Row, s.Proxy, s.Dials)
		}
	}
	return b.String()
}
