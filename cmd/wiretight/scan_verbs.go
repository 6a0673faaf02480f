package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

func checksCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "checks [ID]",
		Short: "The catalogue of checks, or one check's page",
		Example: `  wiretight checks
  wiretight checks jwt.alg-none`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				for _, e := range catalog.All() {
					if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%-32s %-8s %s\n", e.ID, e.Severity, e.Title); err != nil {
						return err
					}
				}
				return nil
			}
			e, ok := catalog.Lookup(args[0])
			if !ok {
				return &exitError{exitUsage, fmt.Errorf("wiretight: there is no check %q; wiretight checks lists them", args[0])}
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), checkPage(e))
			return err
		},
	}
}

// checkPage is a check's page for a terminal.
func checkPage(e catalog.Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n\nSeverity   %s\n", e.ID, e.Title, e.Severity)
	if len(e.CWE) > 0 {
		fmt.Fprintf(&b, "CWE        %s\n", strings.Join(e.CWE, ", "))
	}
	if e.Needs != "" && e.Needs != catalog.NeedsNothing {
		fmt.Fprintf(&b, "Needs      %s\n", e.Needs)
	}
	if closes := strings.TrimSpace(e.Guard + " " + e.GuardNote); closes != "" {
		fmt.Fprintf(&b, "Guard      %s\n", wrap(closes, columns-11, "           "))
	}
	section := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "\n%s\n  %s\n", name, wrap(text, columns-2, "  "))
		}
	}
	section("Why", e.Why)
	section("How the scanner decides", e.How)
	frameworks := make([]string, 0, len(e.Fix))
	for name := range e.Fix {
		frameworks = append(frameworks, name)
	}
	slices.Sort(frameworks)
	for _, name := range frameworks {
		fix := e.Fix[name]
		title := "Fix"
		if name != "" {
			title += " in " + name
		}
		section(title, fix.Text)
		if fix.Code != "" {
			fmt.Fprintf(&b, "\n    %s\n", strings.ReplaceAll(strings.TrimRight(fix.Code, "\n"), "\n", "\n    "))
		}
	}
	if len(e.References) > 0 {
		fmt.Fprintf(&b, "\nReferences\n  %s\n", strings.Join(e.References, "\n  "))
	}
	return b.String()
}

// wrap breaks text into lines of at most width characters; all but the first
// begin with indent.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	n := 0
	for _, w := range strings.Fields(text) {
		switch {
		case n == 0:
		case n+1+len([]rune(w)) > width:
			b.WriteString("\n" + indent)
			n = 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(w)
		n += len([]rune(w))
	}
	return b.String()
}

func baselineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "baseline",
		Short:   "Accept findings until a day",
		Example: "  wiretight baseline write report.json > baseline.json",
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "write REPORT.json",
		Short: "Make a baseline from a report",
		Long: `Writes an entry for each finding of a report to standard output. Fill in reason,
expires (as 2027-01-31) and owner: an entry without reason and expiry is refused.
Delete what is not to be accepted.`,
		Example: "  wiretight baseline write report.json > baseline.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := openReport(args[0])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetIndent("", "  ")
			e.SetEscapeHTML(false)
			return e.Encode(scan.NewBaseline(r))
		},
	})
	return cmd
}

func diffCommand() *cobra.Command {
	failOn := "low"
	cmd := &cobra.Command{
		Use:   "diff OLD.json NEW.json",
		Short: "What appeared between two reports, and what went away",
		Long: `Compares two JSON reports of one API. Exit 0: nothing new at or above --fail-on;
1: something new; 2: wrong usage; 3: the newer scan is not complete.`,
		Example: "  wiretight diff main.json branch.json --fail-on high",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			older, errOld := openReport(args[0])
			newer, errNew := openReport(args[1])
			severity := checkSeverity(failOn)
			if severity != nil {
				severity = fmt.Errorf("wiretight: %w", severity)
			}
			if err := errors.Join(severity, errOld, errNew); err != nil {
				return &exitError{exitUsage, err}
			}
			d := scan.Diff(older, newer)
			if _, err := fmt.Fprint(cmd.OutOrStdout(), diffText(d)); err != nil {
				return err
			}
			switch {
			case newer.Incomplete != "":
				return &exitError{exitFailed, fmt.Errorf("wiretight: %s is not complete: %s", args[1], newer.Incomplete)}
			case d.Reaches(catalog.Severity(failOn)):
				return &exitError{code: exitFindings}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&failOn, "fail-on", "low", "exit 1 at something new from critical, high, medium or low, or none")
	return cmd
}

func diffText(d scan.Difference) string {
	var b strings.Builder
	list := func(sign string, findings []scan.Finding) {
		for _, f := range findings {
			fmt.Fprintf(&b, "%s %-8s %-32s %s %s\n", sign, f.Severity, f.ID, f.Location.Method, f.Location.URL)
		}
	}
	list("+", d.New)
	list("-", d.Gone)
	for _, id := range d.Undecided {
		fmt.Fprintf(&b, "? %s found something before, and reached no verdict now\n", id)
	}
	fmt.Fprintf(&b, "%d new, %d gone, %d as before\n", len(d.New), len(d.Gone), len(d.Kept))
	return b.String()
}

func openReport(name string) (*scan.Report, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("wiretight: %w", err)
	}
	defer file.Close()
	r, err := scan.ReadReport(file)
	if err != nil {
		return nil, fmt.Errorf("wiretight: %s: %w", name, err)
	}
	return r, nil
}
