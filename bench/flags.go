package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
)

// Options are what the command line says.
type Options struct {
	Rounds     int
	Cell       time.Duration // measuring time of one cell
	Warm       time.Duration // unmeasured load before each cell
	Conns      int           // connections kept busy
	Only       []string      // names of proxies; empty: all
	Rows       []string      // names of rows; empty: all
	Quick      bool
	From       string // file of earlier samples to print; empty: measure
	JSON       string // file for all samples; empty: none
	Plot       string // file for the plot; empty: none
	Update     string // document to put the tables into; empty: none
	Markdown   bool
	CPUProfile string   // file; empty: none
	MemProfile string   // file; empty: none
	Source     string   // folder of the module, to build bare and wiretight from
	Guards     []string // [LABEL=]PATH of guard binaries; empty: build one
	Check      bool     // compare with Base and judge
	Base       string   // commit; empty: as baseCommit says
}

// parseFlags reads the command line and refuses what cannot be measured.
func parseFlags(args []string, stderr io.Writer) (Options, error) {
	var o Options
	var seconds float64
	var only, rows string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.IntVar(&o.Rounds, "rounds", 3, "how often every cell is measured")
	fs.Float64Var(&seconds, "seconds", 2, "measuring time of a cell in seconds")
	fs.IntVar(&o.Conns, "conns", 64, "connections kept busy")
	fs.StringVar(&only, "only", "", "comma-separated `proxies` to measure; default all that are installed")
	fs.StringVar(&rows, "rows", "", "comma-separated `rows` to measure: "+strings.Join(rowNames(), ","))
	fs.BoolVar(&o.Quick, "quick", false, "one short round, small token sets: does it work, not how fast is it")
	fs.StringVar(&o.From, "from", "", "measure nothing; print the samples that -json wrote to `FILE`")
	fs.StringVar(&o.JSON, "json", "", "write every sample to `FILE`")
	fs.StringVar(&o.Plot, "plot", "", "draw the multiples, as SVG, into `FILE`")
	fs.StringVar(&o.Update, "update", "", "put the tables between the marks of a Markdown `FILE`, and the plot beside it unless -plot says where")
	fs.BoolVar(&o.Markdown, "markdown", false, "print the tables as Markdown")
	fs.StringVar(&o.CPUProfile, "cpuprofile", "", "afterwards, write a CPU profile of the guard in the first row to `FILE`")
	fs.StringVar(&o.MemProfile, "memprofile", "", "the same with what it allocates")
	fs.StringVar(&o.Source, "source", ".", "`folder` of the module that bare and wiretight are built from")
	fs.Func("wiretight", "guard binary `[LABEL=]PATH` in place of a fresh build; repeat to compare builds", func(s string) error {
		o.Guards = append(o.Guards, s)
		return nil
	})
	fs.BoolVar(&o.Check, "check", false, "compare the guard with that of -base in pairs; exit 1 if it became slower")
	fs.StringVar(&o.Base, "base", "", "`commit` that -check compares with; default the last tag, or without one what "+page+" was measured from")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; every option is a flag, see -help", fs.Arg(0))
	}
	o.Cell, o.Warm = time.Duration(seconds*float64(time.Second)), 500*time.Millisecond
	if o.Quick {
		o.Rounds, o.Cell, o.Warm = 1, 150*time.Millisecond, 50*time.Millisecond
	}
	if o.Rounds < 1 || o.Cell <= 0 || o.Conns < 1 {
		return o, errors.New("-rounds, -seconds and -conns must be above zero")
	}
	o.Only, o.Rows = list(only), list(rows)
	if o.Update != "" && o.Plot == "" {
		o.Plot = strings.TrimSuffix(o.Update, filepath.Ext(o.Update)) + ".svg"
	}
	var err error
	if o.Source, err = filepath.Abs(o.Source); err != nil {
		return o, fmt.Errorf("find the module's folder: %w", err)
	}
	return o, nil
}

// list splits a comma-separated flag; an empty one is nil.
func list(s string) []string {
	var out []string
	for f := range strings.SplitSeq(s, ",") {
		if f = strings.TrimSpace(f); f != "" {
			out = append(out, f)
		}
	}
	return out
}
