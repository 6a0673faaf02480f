package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// text lays the inspection out for people. Only values of the token itself may
// be wider than the terminal.
func (i *inspection) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Token %s, %d bytes, signature not verified\n", i.Token, i.Bytes)
	i.object(&b, "Header", i.Header, nil)
	says := map[string]string{}
	for _, t := range i.Times {
		says[t.Claim] = t.Says
		if t.At != "" {
			says[t.Claim] = t.At + ", " + t.Says
		}
	}
	i.object(&b, "Claims", i.Claims, says)
	b.WriteString("\nStrict parser\n")
	if i.Strict.WellFormed {
		b.WriteString("  well-formed\n")
	} else {
		b.WriteString(fill("refused: "+i.Strict.Reason, "  "))
	}
	if len(i.Findings) == 0 {
		b.WriteString("\nNo check fails on what the token says.\n")
	} else {
		fmt.Fprintf(&b, "\nWould fail %s\n", counted(len(i.Findings), "check"))
	}
	for _, f := range i.Findings {
		fmt.Fprintf(&b, "  %s (%s)\n", f.ID, f.Severity)
		b.WriteString(fill(f.Title+".", "    "))
		b.WriteString(fill(f.Detail, "    "))
	}
	for _, n := range i.Notes {
		b.WriteString("\n" + fill("Note: "+n, ""))
	}
	return b.String()
}

func (i *inspection) object(b *strings.Builder, title string, ms members, says map[string]string) {
	fmt.Fprintf(b, "\n%s\n", title)
	if len(ms) == 0 {
		b.WriteString("  (none)\n")
		return
	}
	width := 0
	for _, m := range ms {
		width = max(width, min(16, utf8.RuneCountInString(m.name)))
	}
	for _, m := range ms {
		fmt.Fprintf(b, "  %-*s  %s", width, m.name, m.value)
		if s := says[m.name]; s != "" {
			fmt.Fprintf(b, "  %s", s)
		}
		b.WriteByte('\n')
	}
}

// fill breaks text into lines of at most columns, each after indent.
func fill(text, indent string) string {
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if line != indent && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	return b.String() + line + "\n"
}

// span is a duration as people say it, whatever its sign.
func span(d time.Duration) string {
	d = max(d, -d)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d/time.Minute))
	case d < 48*time.Hour:
		h, m := int(d/time.Hour), int(d%time.Hour/time.Minute)
		if m == 0 {
			return fmt.Sprintf("%dh", h)
		}
		return fmt.Sprintf("%dh %dm", h, m)
	}
	return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
}
