package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// section is one table of the report.
type section struct {
	title string
	grid  grid
}

// sections are all tables that have something to show.
func (r *results) sections(targets func(row) string) []section {
	all := []section{
		{"CPU time a request, × " + baseline + "'s; other units as named", r.table("target", targets, r.cell)},
		{"requests a second", r.table("", nil, func(w row, p string) string {
			return r.number(w, p, "%.0f", func(s sample) float64 { return float64(s.Requests) / s.Seconds })
		})},
		{"answers in ms, p50/p99", r.table("", nil, func(w row, p string) string {
			p50, ok := r.middle(w, p, func(s sample) float64 { return s.P50 })
			p99, _ := r.middle(w, p, func(s sample) float64 { return s.P99 })
			if !ok {
				return ""
			}
			return short(p50) + "/" + short(p99)
		})},
		{"peak memory in MB, of the process tree", r.table("", nil, r.peak)},
		{"honest clients: p50/p99 in ms, failed requests, lost connections", r.honestTable()},
	}
	if r.Rounds > 1 {
		all = append(all, section{"the first table's lowest–highest", r.table("", nil, r.spread)})
	}
	return slices.DeleteFunc(all, func(s section) bool { return len(s.grid) < 2 })
}

// table has a line for each row in which some cell is not empty.
func (r *results) table(second string, aim func(row) string, cell func(row, string) string) grid {
	head := []string{""}
	if aim != nil {
		head = append(head, second)
	}
	g := grid{append(head, r.Proxies...)}
	for _, w := range r.rows() {
		line, some := []string{w.title}, false
		if aim != nil {
			line = append(line, aim(w))
		}
		for _, p := range r.Proxies {
			text := cell(w, p)
			some = some || text != ""
			if text == "" {
				text = "-"
			}
			line = append(line, text)
		}
		if some {
			g = append(g, line)
		}
	}
	return g
}

// cell is the median of the rounds, with a star where a guard misses its target.
func (r *results) cell(w row, proxy string) string {
	v, multiple := r.values(w, proxy)
	if len(v) == 0 {
		return ""
	}
	text := w.write(median(v), multiple)
	if w.figure == cpuMultiple && !multiple {
		text += "µs"
	}
	if r.over(w, proxy) {
		text += "*"
	}
	return text
}

// write is a figure of the row as text.
func (w row) write(v float64, multiple bool) string {
	switch {
	case multiple || w.figure == slowerTail:
		return fmt.Sprintf("%.2f", v)
	case w.figure == percentMore:
		return fmt.Sprintf("%.0f", v)
	default:
		return short(v)
	}
}

// short has three digits where that is enough.
func short(v float64) string {
	switch {
	case v >= 99.5:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.95:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func (r *results) spread(w row, proxy string) string {
	v, multiple := r.values(w, proxy)
	if len(v) < 2 {
		return ""
	}
	return w.write(slices.Min(v), multiple) + "–" + w.write(slices.Max(v), multiple)
}

func (r *results) number(w row, proxy, format string, pick func(sample) float64) string {
	v, ok := r.middle(w, proxy, pick)
	if !ok {
		return ""
	}
	return fmt.Sprintf(format, v)
}

func (r *results) peak(w row, proxy string) string {
	top := 0.0
	for _, s := range r.of(w, proxy) {
		top = max(top, s.PeakMB)
	}
	if top == 0 {
		return ""
	}
	return short(top)
}

// honestTable has a line for each proxy that refuses forgeries.
func (r *results) honestTable() grid {
	var w row
	for _, each := range rows() {
		if each.kind == beside {
			w = each
		}
	}
	g := grid{}
	for _, p := range r.Proxies {
		all := r.of(w, p)
		if len(all) == 0 {
			continue
		}
		head, line := []string{""}, []string{p}
		failed, lost := 0, 0
		for i, phase := range all[0].Honest {
			var p50, p99 []float64
			for _, s := range all {
				h := s.Honest[i]
				p50, p99 = append(p50, h.P50), append(p99, h.P99)
				failed, lost = failed+h.Failed, lost+h.Lost
			}
			head = append(head, phase.Phase)
			line = append(line, short(median(p50))+"/"+short(median(p99)))
		}
		if len(g) == 0 {
			g = append(g, append(head, "failed", "lost"))
		}
		g = append(g, append(line, fmt.Sprint(failed), fmt.Sprint(lost)))
	}
	return g
}

// text prints the tables for a terminal, and below them how to read them.
func (r *results) text(w io.Writer) error {
	var b strings.Builder
	for _, s := range r.sections(func(w row) string { return target(w, "%v", w.ahead) }) {
		fmt.Fprintf(&b, "%s\n\n%s\n", s.title, s.grid.text())
	}
	for _, p := range r.Profiles {
		fmt.Fprintf(&b, "profile: %s\n\n%s\n", p.Title, p.Top)
	}
	for _, n := range r.notes() {
		b.WriteString(n + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// target writes what a row shall reach, if anything.
func target(w row, format string, values ...any) string {
	if w.ahead == 0 {
		return "-"
	}
	return fmt.Sprintf(format, values...)
}

// markdown prints the same as text for a document; plot is the address of the
// picture, if there is one.
func (r *results) markdown(w io.Writer, plot string) error {
	var b strings.Builder
	if plot != "" {
		fmt.Fprintf(&b, "![CPU time a request, as multiples of %s's](%s)\n\n", baseline, plot)
	}
	targets := func(w row) string { return target(w, "%v / %v / %v", w.stepOne, w.ahead, w.goal) }
	for _, s := range r.sections(targets) {
		fmt.Fprintf(&b, "### %s%s\n\n%s\n", strings.ToUpper(s.title[:1]), s.title[1:], s.grid.markdown())
	}
	for _, p := range r.Profiles {
		fmt.Fprintf(&b, "### Profile: %s\n\n```\n%s```\n\n", p.Title, p.Top)
	}
	b.WriteString("### How it was measured\n\n")
	for _, n := range r.notes() {
		b.WriteString("- " + n + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
