// Command bench measures what Wiretight's guard costs beside its peers, for
// whoever changes the guard: CPU time a request, as a multiple of HAProxy
// without any check, measured in turn on the same machine and the same work.
//
// See README.md for what each row does and how to read the table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options are what the command line says.
type Options struct {
	Rounds   int
	Cell     time.Duration // measuring time of one cell
	Warm     time.Duration // unmeasured load before each cell
	Conns    int           // connections kept busy
	Only     []string      // names of proxies; empty: all
	Rows     []string      // names of rows; empty: all
	Quick    bool
	JSON     string // file for all samples; empty: none
	Markdown bool
	Source   string   // folder of the module, to build bare and wiretight from
	Guards   []string // [LABEL=]PATH of guard binaries; empty: build one
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	bed, err := newBed(ctx, opts, stderr)
	if err != nil {
		return err
	}
	defer bed.close()
	results, err := bed.measureAll(ctx)
	if err != nil {
		return err
	}
	if opts.JSON != "" {
		if err := results.writeJSON(opts.JSON); err != nil {
			return err
		}
	}
	if opts.Markdown {
		return results.markdown(stdout)
	}
	return results.text(stdout)
}

// parseFlags reads the command line and refuses what cannot be measured.
func parseFlags(args []string, stderr io.Writer) (Options, error) {
	var o Options
	var seconds float64
	var only, rows string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.IntVar(&o.Rounds, "rounds", 3, "how often every cell is measured")
	fs.Float64Var(&seconds, "seconds", 3, "measuring time of a cell in seconds")
	fs.IntVar(&o.Conns, "conns", 64, "connections kept busy")
	fs.StringVar(&only, "only", "", "comma-separated `proxies` to measure; default all")
	fs.StringVar(&rows, "rows", "", "comma-separated `rows` to measure: "+strings.Join(rowNames(), ","))
	fs.BoolVar(&o.Quick, "quick", false, "one short round, small token sets: does it work, not how fast is it")
	fs.StringVar(&o.JSON, "json", "", "write every sample to `FILE`")
	fs.BoolVar(&o.Markdown, "markdown", false, "print the table as Markdown")
	fs.StringVar(&o.Source, "source", ".", "`folder` of the module that bare and wiretight are built from")
	fs.Func("wiretight", "guard binary `[LABEL=]PATH` in place of a fresh build; repeat to compare builds", func(s string) error {
		o.Guards = append(o.Guards, s)
		return nil
	})
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; every option is a flag, see -help", fs.Arg(0))
	}
	o.Cell, o.Warm = time.Duration(seconds*float64(time.Second)), 500*time.Millisecond
	if o.Quick {
		o.Rounds, o.Cell, o.Warm = 1, 300*time.Millisecond, 100*time.Millisecond
	}
	if o.Rounds < 1 || o.Cell <= 0 || o.Conns < 1 {
		return o, errors.New("-rounds, -seconds and -conns must be above zero")
	}
	o.Only, o.Rows = list(only), list(rows)
	var err error
	if o.Source, err = filepath.Abs(o.Source); err != nil {
		return o, fmt.Errorf("find the module's folder: %w", err)
	}
	return o, nil
}

// list splits a comma-separated flag; an empty one is nil.
func list(s string) []string {
	var out []string
	for _, f := range strings.Split(s, ",") {
		if f = strings.TrimSpace(f); f != "" {
			out = append(out, f)
		}
	}
	return out
}
