package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// Page is the entry as a page of Markdown.
func (e Entry) Page() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s.\n\n", e.ID, e.Title)
	fmt.Fprintf(&b, "| severity | weakness | needs |\n| --- | --- | --- |\n| %s | %s | %s |\n\n", e.Severity, weaknesses(e.CWE), needs(e.Needs))
	fmt.Fprintf(&b, "## Why it matters\n\n%s\n\n## How it is found\n\n%s\n\n## How to mend it\n\n", e.Why, e.How)
	for _, name := range e.Frameworks() {
		f := e.Fix[name]
		if name != "" {
			fmt.Fprintf(&b, "### %s\n\n", name)
		}
		fmt.Fprintf(&b, "%s\n\n", f.Text)
		if f.Code != "" {
			fmt.Fprintf(&b, "```%s\n%s\n```\n\n", f.Language, f.Code)
		}
	}
	b.WriteString("## The guard\n\n")
	if e.Guard != "" {
		fmt.Fprintf(&b, "Closed by `%s`.", e.Guard)
		if e.GuardNote != "" {
			b.WriteString(" ")
		}
	}
	fmt.Fprintf(&b, "%s\n\n## References\n\n", e.GuardNote)
	for _, r := range e.References {
		fmt.Fprintf(&b, "- <%s>\n", r)
	}
	return b.String()
}

// Frameworks lists those that there is a remedy for, any ("") first.
func (e Entry) Frameworks() []string {
	var names []string
	for name := range e.Fix {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func weaknesses(cwe []string) string {
	links := make([]string, len(cwe))
	for i, c := range cwe {
		links[i] = fmt.Sprintf("[%s](https://cwe.mitre.org/data/definitions/%s.html)", c, strings.TrimPrefix(c, "CWE-"))
	}
	return strings.Join(links, ", ")
}

func needs(n Needs) string {
	switch n {
	case NeedsToken:
		return "a token"
	case NeedsSecret:
		return "the signing secret, or a second genuine token"
	case NeedsLogin:
		return "a login"
	}
	return "nothing"
}

// Index is a page of Markdown that lists every check.
func Index() string {
	var b strings.Builder
	b.WriteString("# The checks\n\nMade from the catalogue by `go generate ./internal/catalog`. `wiretight checks ID` shows the same pages.\n")
	area := ""
	for _, e := range All() {
		if a, _, _ := strings.Cut(e.ID, "."); a != area {
			area = a
			fmt.Fprintf(&b, "\n## %s\n\n| check | severity | what |\n| --- | --- | --- |\n", area)
		}
		fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s |\n", e.ID, e.ID, e.Severity, e.Title)
	}
	return b.String()
}
