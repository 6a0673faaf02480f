package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// text writes for a terminal.
type text struct {
	w *bufio.Writer
	o Options
}

// Colours: the sixteen that every terminal has, and only for what matters.
const (
	reset   = "\x1b[0m"
	bold    = "\x1b[1m"
	dim     = "\x1b[2m"
	red     = "\x1b[31m"
	boldRed = "\x1b[1;31m"
	yellow  = "\x1b[33m"
	green   = "\x1b[32m"
	cyan    = "\x1b[36m"
)

var severityColor = map[catalog.Severity]string{
	catalog.Critical: boldRed, catalog.High: red, catalog.Medium: yellow, catalog.Low: cyan, catalog.Info: dim,
}

func writeText(w io.Writer, r *scan.Report, o Options) error {
	t := &text{w: bufio.NewWriter(w), o: o}
	t.head(r)
	for _, s := range severities {
		for _, f := range of(r, s) {
			t.finding(&f)
		}
	}
	t.undecided("Not decided", r.Inconclusive)
	t.undecided("Skipped", r.Skipped)
	t.accepted(r)
	t.foot(r)
	return t.w.Flush()
}

func (t *text) color(code, s string) string {
	if !t.o.Color || s == "" {
		return s
	}
	return code + s + reset
}

func (t *text) line(format string, args ...any) { fmt.Fprintf(t.w, format+"\n", args...) }

func (t *text) head(r *scan.Report) {
	t.line("%s", t.color(bold, printable(r.Target, false)))
	if stack := stackOf(r); stack != "" {
		t.wrapped("", "", stack, dim)
	}
	t.line("")
}

func stackOf(r *scan.Report) string {
	var parts []string
	for _, s := range []string{r.Stack.Framework, r.Stack.Server} {
		if s != "" {
			parts = append(parts, printable(s, false))
		}
	}
	return strings.Join(parts, " behind ")
}

func (t *text) finding(f *scan.Finding) {
	label := strings.ToUpper(string(f.Severity))
	t.line("%s  %s", t.color(severityColor[f.Severity], fmt.Sprintf("%-8s", label)), t.color(bold, f.ID))
	t.wrapped("  ", "  ", f.Title+".", "")
	at := places(f)
	for i, p := range at {
		if i == 3 && len(at) > 4 {
			t.line("  at    and %d more", len(at)-i)
			break
		}
		t.wrapped("  at    ", "        ", printable(p.Method+" "+p.URL, false), "")
	}
	t.block("  saw   ", f.Evidence)
	if f.Repeat != "" {
		t.wrapped("  try   ", "        ", printable(f.Repeat, false), "")
	}
	t.wrapped("  fix   ", "        ", printable(f.Remediation.Text, false), "")
	if f.Guard != "" {
		t.wrapped("  guard ", "        ", printable(f.Guard, false), "")
	}
	if f.Confidence != "" && f.Confidence != "high" {
		t.line("  confidence %s", f.Confidence)
	}
	t.line("")
}

// block writes evidence, which has lines of its own, and not all of it.
func (t *text) block(label, s string) {
	const most = 12
	lines := strings.Split(strings.TrimSpace(printable(s, true)), "\n")
	for i, l := range lines {
		if i == most && len(lines) > most+1 {
			t.line("        … %d more lines in the other formats", len(lines)-i)
			return
		}
		if i > 0 {
			label = "        "
		}
		t.wrapped(label, "        ", strings.ReplaceAll(l, "\t", "  "), dim)
	}
}

// wrapped writes s at the options' width, the first line behind first, the
// others behind rest. Words that are too long stay whole.
func (t *text) wrapped(first, rest, s, color string) {
	indent := first
	var line strings.Builder
	width := 0
	flush := func() {
		t.line("%s%s", indent, t.color(color, line.String()))
		indent = rest
		line.Reset()
		width = 0
	}
	for _, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		if width > 0 && utf8.RuneCountInString(indent)+width+1+n > t.o.Width {
			flush()
		}
		if width > 0 {
			line.WriteByte(' ')
			width++
		} else if strings.HasPrefix(word, "::") || strings.HasPrefix(word, "##[") {
			word = "·" + word // build logs obey lines that begin so
			n++
		}
		line.WriteString(word)
		width += n
	}
	if width > 0 {
		flush()
	}
}

func (t *text) undecided(title string, list []scan.Undecided) {
	if len(list) == 0 {
		return
	}
	t.line("%s", t.color(bold, fmt.Sprintf("%s (%d)", title, len(list))))
	var reasons []string
	byReason := map[string][]string{}
	for _, u := range list {
		reason := printable(u.Reason, false)
		if byReason[reason] == nil {
			reasons = append(reasons, reason)
		}
		byReason[reason] = append(byReason[reason], u.ID)
	}
	for _, reason := range reasons {
		t.wrapped("  ", "    ", reason+":", "")
		t.wrapped("    ", "    ", strings.Join(byReason[reason], ", "), dim)
	}
	t.line("")
}

func (t *text) accepted(r *scan.Report) {
	if len(r.Suppressed) > 0 {
		t.line("%s", t.color(bold, fmt.Sprintf("Accepted by the baseline (%d)", len(r.Suppressed))))
		for _, s := range r.Suppressed {
			t.wrapped("  ", "    ", printable(s.ID+" until "+s.Expires+": "+s.Reason, false), dim)
		}
		t.line("")
	}
	if len(r.Subsumed) > 0 {
		t.line("%s", t.color(bold, fmt.Sprintf("Part of a wider finding (%d)", len(r.Subsumed))))
		var order []string
		by := map[string][]string{}
		for _, s := range r.Subsumed {
			if by[s.By] == nil {
				order = append(order, s.By)
			}
			by[s.By] = append(by[s.By], s.ID)
		}
		for _, id := range order {
			t.wrapped("  "+id+": ", "    ", strings.Join(by[id], ", "), dim)
		}
		t.line("")
	}
}

func (t *text) foot(r *scan.Report) {
	if t.o.Explain {
		for _, l := range explained(r) {
			t.line("  %s", l)
		}
		t.line("")
	}
	if r.Incomplete != "" {
		t.wrapped("", "  ", "INCOMPLETE: "+printable(r.Incomplete, false)+". What is above was found until then; there is no grade.", yellow)
	}
	verdict := "Grade " + grade(r)
	if r.Score != nil {
		verdict += fmt.Sprintf(", %d of 100", *r.Score)
	}
	color := green
	if n := counts(r); n[catalog.Critical]+n[catalog.High] > 0 {
		color = red
	} else if n[catalog.Medium]+n[catalog.Low] > 0 {
		color = yellow
	}
	if r.Score == nil {
		verdict = "No grade"
	}
	t.line("%s", t.color(color, verdict))
	t.wrapped("", "", summary(r), "")
	t.wrapped("", "", fmt.Sprintf("%d passed, %d not decided, %d skipped; %d requests in %.1f s",
		len(r.Passed), len(r.Inconclusive), len(r.Skipped), r.Requests, float64(r.DurationMS)/1000), dim)
}

// weights are what one finding of a severity takes off the score.
var weights = map[catalog.Severity]int{catalog.Critical: 40, catalog.High: 15, catalog.Medium: 6, catalog.Low: 2}

// explained says how the score came about.
func explained(r *scan.Report) []string {
	lines := []string{"100  to begin with"}
	total := 100
	for _, s := range severities {
		n := len(of(r, s))
		if n == 0 || weights[s] == 0 {
			continue
		}
		total -= n * weights[s]
		lines = append(lines, fmt.Sprintf("%4d  %d %s at %d each", -n*weights[s], n, s, weights[s]))
	}
	if total < 0 {
		lines = append(lines, fmt.Sprintf("%4d  is below 0, which counts as 0", total))
		total = 0
	}
	lines = append(lines, fmt.Sprintf("%4d  in all: A from 90, B from 80, C from 70, D from 60, F below", total))
	n := counts(r)
	switch {
	case r.Score == nil:
		lines = append(lines, "      an incomplete scan has no score and no grade")
	case n[catalog.Critical] > 0:
		lines = append(lines, "      F, because a critical finding leaves no other")
	case n[catalog.High] > 0:
		lines = append(lines, "      C at best, because a finding is high")
	}
	return lines
}
