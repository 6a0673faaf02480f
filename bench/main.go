// Command bench measures what Wiretight's guard costs beside its peers, for
// whoever changes the guard: CPU time a request, as a multiple of HAProxy
// without any check, measured in turn on the same machine and the same work.
//
// See README.md for what each row does and how to read the tables.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	var exit *exitError
	if errors.As(err, &exit) {
		os.Exit(exit.code)
	}
	os.Exit(1)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if opts.Check {
		return check(ctx, opts, stdout, stderr)
	}
	var results *results
	if opts.From != "" {
		results, err = readResults(opts.From)
	} else {
		results, err = measured(ctx, opts, stderr)
	}
	if err != nil {
		return err
	}
	return results.publish(opts, stdout)
}

// measured takes all samples, and profiles if they are asked for.
func measured(ctx context.Context, opts Options, stderr io.Writer) (res *results, err error) {
	b, err := newBed(ctx, opts, stderr)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if res, err = b.measureAll(ctx); err != nil {
		return nil, err
	}
	res.Profiles, err = b.takeProfiles(ctx)
	return res, err
}

// publish writes the results wherever opts want them.
func (r *results) publish(opts Options, stdout io.Writer) error {
	if opts.JSON != "" {
		if err := r.writeJSON(opts.JSON); err != nil {
			return err
		}
	}
	if opts.Plot != "" {
		if err := r.writePlot(opts.Plot); err != nil {
			return err
		}
	}
	if opts.Update != "" {
		var text bytes.Buffer
		if err := r.markdown(&text, besideDocument(opts.Update, opts.Plot)); err != nil {
			return err
		}
		if err := updateDocument(opts.Update, text.String()); err != nil {
			return err
		}
	}
	if opts.Markdown {
		return r.markdown(stdout, "")
	}
	return r.text(stdout)
}

// besideDocument is the plot's address as the document must write it.
func besideDocument(document, plot string) string {
	if plot == "" {
		return ""
	}
	rel, err := filepath.Rel(filepath.Dir(document), plot)
	if err != nil {
		return plot
	}
	return filepath.ToSlash(rel)
}
