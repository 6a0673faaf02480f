package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// notes says how it was measured, why cells are empty, and where answers were
// not all as wanted or connections did not last.
func (r *results) notes() []string {
	out := []string{fmt.Sprintf("%s, %d rounds in %s, %g s a cell, %d connections; medians of the rounds",
		r.Started.Format(time.DateTime+" MST"), r.Rounds, r.Took, r.Seconds, r.Conns)}
	out = append(out, r.Machine.lines()...)
	if len(r.Guards) > 0 {
		out = append(out, "*: over the target")
	}
	out = append(out, r.dashNotes()...)
	for _, m := range r.Missing {
		out = append(out, "left out: "+m)
	}
	for _, w := range r.rows() {
		for _, p := range r.Proxies {
			out = append(out, r.faults(w, p)...)
		}
	}
	return out
}

// dashNotes explains the empty cells: a line for each reason and set of rows.
func (r *results) dashNotes() (out []string) {
	type cells struct{ why, rows string }
	var order []cells
	who := map[cells][]string{}
	for _, p := range r.Proxies {
		rowsOf := map[string][]string{}
		for _, d := range r.Dashes {
			if d.Proxy == p {
				rowsOf[d.Why] = append(rowsOf[d.Why], d.Row)
			}
		}
		for _, why := range slices.Sorted(maps.Keys(rowsOf)) {
			c := cells{why, strings.Join(rowsOf[why], ", ")}
			if who[c] == nil {
				order = append(order, c)
			}
			who[c] = append(who[c], p)
		}
	}
	for _, c := range order {
		out = append(out, fmt.Sprintf("-: %s: %s (%s)", c.rows, c.why, strings.Join(who[c], ", ")))
	}
	return out
}

// faults sums up, over the rounds, what went wrong in a cell.
func (r *results) faults(w row, proxy string) (out []string) {
	var seen, hurt outcome
	again := 0
	for _, s := range r.of(w, proxy) {
		seen.add(&outcome{Requests: s.Requests, Errors: s.Errors})
		if w.how != overFresh && w.kind != beside {
			again += s.Dials // those made at first came before it counted
		}
		for _, h := range s.Honest {
			hurt.add(&outcome{Requests: h.Requests, Errors: h.Errors})
		}
	}
	where := fmt.Sprintf("%s, %s: ", w.name, proxy)
	if seen.failures() > 0 {
		out = append(out, "wrong answers: "+where+seen.String())
	}
	if hurt.failures() > 0 {
		out = append(out, "honest clients hurt: "+where+hurt.String())
	}
	if again > 0 {
		out = append(out, fmt.Sprintf("connections lost: %s%d made again", where, again))
	}
	return out
}
