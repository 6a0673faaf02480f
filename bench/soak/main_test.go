package main

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/cluster"
)

// TestSoaks runs the real thing for a moment, without a kill: those are tried
// where the soak itself is.
func TestSoaks(t *testing.T) {
	t.Parallel()
	program, err := cluster.Build(t.Context(), "../..", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	code := run(t.Context(), []string{
		"-wiretight", program, "-duration", "2s", "-kills", "0", "-visitors", "1", "-payers", "1", "-readers", "1",
		"-pause", "10ms", "-within", "1m", // the machine may be busy
	}, &out, &said)
	if code != 0 {
		t.Fatalf("got exit code %d\n%s%s", code, out.String(), said.String())
	}
	for _, want := range []string{`decisions +[1-9]`, `store operations +[1-9]`, `reached the upstream +[1-9]`, `promises +broken`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("got no %s in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "kill 1") {
		t.Errorf("got a kill, want none:\n%s", out.String())
	}
}

// TestCannotRun has each cause end with 2, which is not the code of a broken
// promise.
func TestCannotRun(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		args []string
		want int
	}{
		"help":             {t.Context(), []string{"-h"}, 0},
		"unknown flag":     {t.Context(), []string{"-x"}, 2},
		"no such program":  {t.Context(), []string{"-wiretight", "/nowhere/wiretight"}, 2},
		"interrupted":      {over, []string{"-wiretight", "/nowhere/wiretight"}, 2},
		"not from the top": {t.Context(), nil, 2}, // it builds ./cmd/wiretight
	} {
		if got := run(c.ctx, c.args, io.Discard, io.Discard); got != c.want {
			t.Errorf("%s: got exit code %d, want %d", name, got, c.want)
		}
	}
}
