package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxProblems is how many mistakes are told at once. More says nothing new,
// and a hostile file must not make an endless log.
const maxProblems = 200

// enoughProblems is how many are gathered, to be sorted, before the first
// maxProblems of them are told.
const enoughProblems = 10 * maxProblems

// Position is where a value was written.
type Position struct {
	// File is the name as it was given to Load or Parse.
	File string
	// Line and Column count from 1, columns in characters. Zero: the file as a
	// whole.
	Line, Column int
	// Flag is the command line's flag that set the value, as --issuer. It
	// excludes the others.
	Flag string
}

// String gives FILE:LINE:COL, or the flag.
func (p Position) String() string {
	switch {
	case p.Flag != "":
		return p.Flag
	case p.Line == 0:
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one mistake of a configuration.
type Problem struct {
	Position Position
	// Path is the key, as tokens.issuers[0].audiences. Empty: the whole file.
	Path string
	// What is wrong, and what to write Instead (may be empty).
	What, Instead string
}

// String gives FILE:LINE:COL: what is wrong; what to write instead.
func (p Problem) String() string {
	s := p.What
	if where := p.Position.String(); where != "" {
		s = where + ": " + s
	}
	if p.Instead != "" {
		s += "; " + p.Instead
	}
	return s
}

// Problems is every mistake of a configuration, in the order of the file, those
// of flags last.
type Problems []Problem

// Error gives one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// ordered sorts, drops repetitions and cuts at maxProblems.
func (ps Problems) ordered() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Position.Flag, b.Position.Flag),
			cmp.Compare(a.Position.Line, b.Position.Line),
			cmp.Compare(a.Position.Column, b.Position.Column),
		)
	})
	ps = slices.CompactFunc(ps, func(a, b Problem) bool { return a.String() == b.String() })
	if len(ps) > maxProblems {
		ps = append(ps[:maxProblems:maxProblems], Problem{
			Position: ps[maxProblems].Position,
			What:     "there are more mistakes",
			Instead:  "mend the ones above first",
		})
	}
	return ps
}

// quoted shows a value of the file within a message: one line, bounded.
func quoted(s string) string {
	const longest = 60
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// oneOf lists alternatives for a message.
func oneOf(names []string) string {
	return "write one of " + strings.Join(names, ", ")
}
