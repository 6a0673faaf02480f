package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// checkRows are the rows of hot paths, which bench-check compares.
var checkRows = []string{"rs256", "es256", "eddsa", "hs256", "many", "forged", "tls", "h2"}

// checkTurns is how often each guard is loaded in a round. Many short turns say
// more than few long ones.
const checkTurns = 20

// judged is what bench-check found in one row.
type judged struct {
	row
	costs [2][]float64 // CPU microseconds a request, of each turn
	again bool         // measured twice, for it looked worse
	worse bool
}

// errWorse is the reason for exit code 1.
var errWorse = errors.New("slower than the base by more than 10 %, beyond noise")

// check compares the guard of the tree with that of the base commit.
func check(ctx context.Context, opts Options, stdout, stderr io.Writer) (err error) {
	base, err := baseCommit(opts.Source, opts.Base)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "wiretight-bench-")
	if err != nil {
		return fmt.Errorf("make a folder to build in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintf(stderr, "building %s and the tree\n", base)
	sources := filepath.Join(dir, "base")
	if err := unpackCommit(opts.Source, base, sources); err != nil {
		return err
	}
	old, err := build(sources, "./cmd/wiretight", filepath.Join(dir, "old"))
	if err != nil {
		return err
	}
	tree, err := build(opts.Source, "./cmd/wiretight", filepath.Join(dir, "new"))
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "base is %s\n", base)
	return compare(ctx, opts, [2]proxy{guardProxy("base", old), guardProxy("tree", tree)}, stdout, stderr)
}

// compare measures two proxies in pairs and returns errWorse if the second is
// slower than the first. A row in which it looks so is measured once more, with
// new processes, and both measurements must say so: how a process comes to lie
// in memory is noise too.
func compare(ctx context.Context, opts Options, two [2]proxy, stdout, stderr io.Writer) (err error) {
	if opts.Rows == nil {
		opts.Rows = checkRows
	}
	rows, err := chosenRows(opts.Rows)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.figure != cpuMultiple || r.kind == eachNew {
			return fmt.Errorf("row %q cannot be compared in turns; take of %v", r.name, checkRows)
		}
	}
	b, err := newBedOf(ctx, opts, rows, two[:], stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	all := make([]*judged, len(rows))
	for i, r := range rows {
		all[i] = &judged{row: r}
	}
	for round := range opts.Rounds {
		for _, j := range all {
			fmt.Fprintf(stderr, "%d/%d %s\n", round+1, opts.Rounds, j.name)
			if err := b.judge(ctx, j, two); err != nil {
				return fmt.Errorf("row %s: %w", j.name, err)
			}
		}
	}
	for _, j := range all {
		if j.worse = worse(j.ratios()); !j.worse {
			continue
		}
		fmt.Fprintf(stderr, "%s looks slower: once more\n", j.name)
		if err := b.lookAgain(ctx, j, two); err != nil {
			return fmt.Errorf("row %s: %w", j.name, err)
		}
	}
	return report(all, two, stdout)
}

// lookAgain judges by new measurements alone, and keeps the old ones too.
func (b *bed) lookAgain(ctx context.Context, j *judged, two [2]proxy) error {
	first := j.costs
	j.costs, j.again = [2][]float64{}, true
	for range b.opts.Rounds {
		if err := b.judge(ctx, j, two); err != nil {
			return err
		}
	}
	j.worse = worse(j.ratios())
	for i := range j.costs {
		j.costs[i] = append(first[i], j.costs[i]...)
	}
	return nil
}

// judge adds one round to j: new processes, loaded in turn.
func (b *bed) judge(ctx context.Context, j *judged, two [2]proxy) error {
	all := []*racer{b.enter(ctx, j.row, two[0], variant{}), b.enter(ctx, j.row, two[1], variant{})}
	defer all[0].leave()
	defer all[1].leave()
	b.race(ctx, j.row, all, checkTurns, b.opts.Cell/(checkTurns/2))
	for i, c := range all {
		if c.err != nil {
			return fmt.Errorf("%s: %w", c.name, c.err)
		}
		if c.seen.failures()*100 > c.seen.Requests {
			return fmt.Errorf("%s: too many wrong answers to compare: %v", c.name, c.seen)
		}
		j.costs[i] = append(j.costs[i], c.costs...)
	}
	return nil
}

// ratios are the tree's costs over the base's.
func (j *judged) ratios() []float64 { return ratios(j.costs[0], j.costs[1]) }

// report prints the rows and returns errWorse if one is.
func report(all []*judged, two [2]proxy, w io.Writer) error {
	t := grid{{"CPU a request, µs", two[0].name, two[1].name, "ratio", "at least", ""}}
	var err error
	for _, j := range all {
		r := j.ratios()
		says := "ok"
		switch {
		case j.worse:
			says, err = "WORSE", errWorse
		case j.again:
			says = "ok (at the second look)"
		}
		t = append(t, []string{
			j.title, fmt.Sprintf("%.1f", median(j.costs[0])), fmt.Sprintf("%.1f", median(j.costs[1])),
			fmt.Sprintf("%.3f", median(r)), fmt.Sprintf("%.3f", atLeast(r)), says,
		})
	}
	if _, err := io.WriteString(w, t.text()); err != nil {
		return err
	}
	fmt.Fprintf(w, "ratio is the median of pairs measured in turn; at least: its bound, with %g %% of doubt\n"+
		"a row is worse above %.2f, if even the bound is above %.2f, twice\n", doubt*100, tooMuch, surelyTo)
	return err
}

// newBedOf is a bed for these proxies and rows alone.
func newBedOf(ctx context.Context, opts Options, rows []row, ps []proxy, progress io.Writer) (*bed, error) {
	return newBedWith(ctx, opts, progress, func(b *bed) error {
		b.rows, b.proxies = rows, ps
		return nil
	})
}
