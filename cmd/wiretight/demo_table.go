package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/wiretight/wiretight/internal/redact"
)

// screen is where the table goes.
type screen struct {
	w     io.Writer
	width int
	color bool
}

// The widths of a screen: what is assumed, and the bounds within which a table
// still reads well.
const (
	assumedWidth   = 80
	narrowestTable = 60
	widestTable    = 160
)

// newScreen finds out how wide w is. Colour is for terminals alone, and not
// where NO_COLOR is set.
func newScreen(w io.Writer) *screen {
	s := &screen{w: w, width: assumedWidth}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		s.width = n
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			s.width = n
		}
		s.color = os.Getenv("NO_COLOR") == ""
	}
	s.width = min(widestTable, max(narrowestTable, s.width))
	return s
}

// The colours that mean something.
const (
	red   = "31"
	green = "32"
	bold  = "1"
)

func (s *screen) paint(color, text string) string {
	if !s.color || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (s *screen) line(text string) { fmt.Fprintln(s.w, strings.TrimRight(text, " ")) }

// layout are the widths of the table. The reason has room on wide screens only.
type layout struct{ name, weak, guarded, rule, reason int }

// longestName is how long the name of a row may be to be read in full on a
// screen of 80 columns.
const longestName = 32

func (s *screen) layout() layout {
	c := layout{weak: 13, guarded: 15, rule: 12}
	const gaps = 2 + 3*2 // the mark, and two spaces between columns
	if s.width >= 110 {
		c.name = longestName
		c.rule = 18
		c.reason = s.width - gaps - 2 - c.name - c.weak - c.guarded - c.rule
		return c
	}
	c.name = s.width - gaps - c.weak - c.guarded - c.rule
	return c
}

// print writes the report for people.
func (r *demoReport) print(s *screen, b *demoBed) {
	s.line("Weak API  " + b.weak.base)
	s.line("Guard     " + b.guarded.base + ", in front of it")
	s.line("          " + b.guarded.plain + ", its plain listener")
	c := s.layout()
	group := ""
	for _, l := range r.lines {
		if l.group != group {
			group = l.group
			s.line("")
			s.line(s.paint(bold, s.cells(c, "", group, "weak API", "guard", "rule", "reason in the guard's log")))
		}
		r.row(s, c, l)
	}
	s.line("")
	for _, l := range r.lines {
		if err := errors.Join(l.weak.err, l.guarded.err); err != nil {
			s.line("!!" + l.name + ": " + redact.Mask(strings.ReplaceAll(err.Error(), "\n", "; ")))
		}
	}
	r.summary(s, b)
}

// row writes one line. An attack that the weak API falls for is red there; what
// the guard does is green when it is right, and marked when it is not.
func (r *demoReport) row(s *screen, c layout, l demoLine) {
	mark, guardColor, weakColor := "", green, ""
	if l.bad() {
		mark, guardColor = "!!", red
	}
	switch {
	case !l.good && l.weak.passed:
		weakColor = red
	case l.good && !l.weak.passed:
		weakColor = red
	}
	name, weak := pad(l.name, c.name), s.paint(weakColor, pad(l.weak.text, c.weak))
	guarded, rule := s.paint(guardColor, pad(l.guarded.text, c.guarded)), pad(l.ruleIn(c.rule), c.rule)
	text := s.paint(red, pad(mark, 2)) + name + "  " + weak + "  " + guarded + "  " + rule
	if c.reason > 0 {
		text += "  " + pad(l.reason, c.reason)
	}
	s.line(text)
}

// ruleIn names the rules that refused, or where there is no room for all of
// them the first and how many more there were.
func (l demoLine) ruleIn(width int) string {
	if len(l.rules) == 0 {
		return "-"
	}
	all := strings.Join(l.rules, ", ")
	if len(all) <= width {
		return all
	}
	return fmt.Sprintf("%s +%d", l.rules[0], len(l.rules)-1)
}

// cells lays out the head of a group.
func (s *screen) cells(c layout, mark, name, weak, guarded, rule, reason string) string {
	text := pad(mark, 2) + pad(name, c.name) + "  " + pad(weak, c.weak) + "  " + pad(guarded, c.guarded) + "  " + pad(rule, c.rule)
	if c.reason > 0 {
		text += "  " + pad(reason, c.reason)
	}
	return strings.TrimRight(text, " ")
}

// summary says how it went.
func (r *demoReport) summary(s *screen, b *demoBed) {
	var attacks, weakFell, guardFell, good, weakPassed, guardPassed int
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	for _, l := range r.lines {
		if l.good {
			good++
			count(&weakPassed, l.weak.passed)
			count(&guardPassed, l.guarded.passed)
			continue
		}
		attacks++
		count(&weakFell, l.weak.passed)
		count(&guardFell, l.guarded.passed)
	}
	s.line(fmt.Sprintf("%d attacks: the weak API fell for %d, the guard for %d.", attacks, weakFell, guardFell))
	s.line(fmt.Sprintf("%d good requests: %d passed at the weak API, %d at the guard.", good, weakPassed, guardPassed))
	s.line(fmt.Sprintf("%d requests to the guard, each judged by its answer; rules are from its log.", r.requests))
	if b.left > 0 {
		s.line(fmt.Sprintf("%d more spellings of tokens cannot travel in a header.", b.left))
	}
	if r.ok() {
		s.line(s.paint(green, "The guard held."))
	} else {
		s.line(s.paint(red, "The guard did not hold: see the lines marked !!"))
	}
}

// pad makes text exactly n characters wide, in printable ASCII.
func pad(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.NewReplacer("…", "...", "’", "'").Replace(text))
	if k := utf8.RuneCountInString(text); k <= n {
		return text + strings.Repeat(" ", n-k)
	}
	if n <= 3 {
		return text[:n]
	}
	return text[:n-3] + "..."
}
