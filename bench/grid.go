package main

import (
	"strings"
	"unicode/utf8"
)

// grid is a table: a line of headings, then lines. The first column is text,
// the others are numbers.
type grid [][]string

// text is the grid for a terminal. A heading with a hyphen takes two lines.
func (g grid) text() string {
	if len(g) == 0 {
		return ""
	}
	upper, lower := make([]string, len(g[0])), make([]string, len(g[0]))
	two := false
	for i, h := range g[0] {
		lower[i] = h
		if a, b, ok := strings.Cut(h, "-"); ok {
			upper[i], lower[i], two = a+"-", b, true
		}
	}
	all := append(grid{lower}, g[1:]...)
	if two {
		all = append(grid{upper}, all...)
	}
	width := make([]int, len(g[0]))
	for _, line := range all {
		for i, c := range line {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	for _, line := range all {
		text := ""
		for i, c := range line {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i == 0 {
				text += c + pad
			} else {
				text += "  " + pad + c
			}
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	return b.String()
}

// markdown is the grid for a document.
func (g grid) markdown() string {
	var b strings.Builder
	for i, line := range g {
		b.WriteString("| " + strings.Join(line, " | ") + " |\n")
		if i == 0 {
			b.WriteString("| --- " + strings.Repeat("| ---: ", len(line)-1) + "|\n")
		}
	}
	return b.String()
}
