package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// profileCells is how many times a cell's time the profiled process works.
const profileCells = 3

// profile is the head of one profile, as pprof prints it.
type profile struct {
	Title string `json:"title"`
	Top   string `json:"top"`
}

// wanted is a profile that opts ask for.
type wanted struct {
	title, file string
	env         string // the variable that tells the guard
	index       string // of the samples, for pprof
}

func (o Options) profiles() []wanted {
	return slices.DeleteFunc([]wanted{
		{"processor time", o.CPUProfile, "WIRETIGHT_CPUPROFILE", "cpu"},
		{"bytes allocated", o.MemProfile, "WIRETIGHT_MEMPROFILE", "alloc_space"},
	}, func(w wanted) bool { return w.file == "" })
}

// prepare makes the file's name absolute and removes an old one, which must not
// pass for this run's.
func (w *wanted) prepare() (err error) {
	if w.file, err = filepath.Abs(w.file); err != nil {
		return fmt.Errorf("find profile: %w", err)
	}
	if err := os.Remove(w.file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove old profile: %w", err)
	}
	return nil
}

// top is the head of the profile, as pprof prints it.
func (w *wanted) top() (string, error) {
	text, err := exec.Command("go", "tool", "pprof", "-top", "-nodecount=10", "-sample_index="+w.index, w.file).Output()
	if err != nil {
		return "", fmt.Errorf("read profile %q: %w", w.file, err)
	}
	return head(string(text)), nil
}

// takeProfiles runs the first chosen row that has a load, that of the access log
// with one, on a guard that is built with the tag profile, which the shipped
// program is not, and writes the files that opts ask for. It is a cell of its
// own: watching costs time.
func (b *bed) takeProfiles(ctx context.Context) ([]profile, error) {
	all := b.opts.profiles()
	if len(all) == 0 {
		return nil, nil
	}
	var v variant
	for i := range all {
		if err := all[i].prepare(); err != nil {
			return nil, err
		}
		v.env = append(v.env, all[i].env+"="+all[i].file)
	}
	r, err := b.profileRow()
	if err != nil {
		return nil, err
	}
	v.accessLog = r.kind == logPrice
	fmt.Fprintf(b.progress, "profiling row %s\n", r.name)
	bin, err := build(b.opts.Source, "./cmd/wiretight", filepath.Join(b.dir, "profiled"), "profile")
	if err != nil {
		return nil, err
	}
	if err := b.loadFor(ctx, r, guardProxy("profiled", bin), v); err != nil {
		return nil, err
	}
	var out []profile
	for _, w := range all {
		text, err := w.top()
		if err != nil {
			return nil, err
		}
		out = append(out, profile{fmt.Sprintf("%s, row %s", w.title, r.name), text})
	}
	return out, nil
}

// profileRow is the first row that keeps a guard busy.
func (b *bed) profileRow() (row, error) {
	for _, r := range b.rows {
		if r.figure == cpuMultiple || r.kind == logPrice {
			return r, nil
		}
	}
	return row{}, fmt.Errorf("no row with a load to profile; add one, as -rows=rs256")
}

// loadFor keeps p busy and stops it, so that it writes its profiles.
func (b *bed) loadFor(ctx context.Context, r row, p proxy, v variant) error {
	c := b.enter(ctx, r, p, v)
	defer c.leave()
	b.race(ctx, r, []*racer{c}, 1, profileCells*b.opts.Cell)
	return c.err
}

// head leaves away what names the file and the build.
func head(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "File:") && !strings.HasPrefix(line, "Build ID:") && !strings.HasPrefix(line, "Time:") {
			b.WriteString(line)
		}
	}
	return b.String()
}
