package config_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/config"
)

// repeated writes entry with the numbers from 0, until the text is nearly the
// longest file that is read.
func repeated(before, entry string, most int) string {
	var text strings.Builder
	text.WriteString(before)
	for i := 0; i < most && text.Len() < 1<<20-200; i++ {
		fmt.Fprintf(&text, entry, i)
	}
	return text.String()
}

// worked is the processor time that this process has used. Unlike the clock it
// does not count what other programs do meanwhile.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestHostileFilesAreCheap bounds work and message of files that were written
// to cost much. It runs alone, so that the work is its own.
func TestHostileFilesAreCheap(t *testing.T) {
	const rest = "tls: {dev: true}\nupstreams: [{name: app, url: \"http://127.0.0.1:8000\"}]\n"
	for name, text := range map[string]string{
		"alias bomb":      string(read(t, "testdata/err/alias-bomb.yaml")),
		"aliases, wide":   string(read(t, "testdata/err/alias-wide.yaml")),
		"alias in itself": string(read(t, "testdata/err/alias-in-itself.yaml")),
		"nesting":         strings.Repeat("[", 1<<19),
		"nested blocks":   strings.Repeat("- ", 1<<19),
		"unknown keys":    repeated(rest, "k%d: 1\n", 1<<20),
		"hosts":           repeated(rest+"hosts:\n", "- h%d\n", 1<<20),
		"wrong hosts":     repeated(rest+"hosts:\n", "- h%d.\n", 1<<20),
		"routes":          repeated(rest+"routes:\n", "- {path: //%d}\n", 1<<20),
		"risks":           repeated(rest+"accept_risk:\n", "- jwt.no-expiry #%d\n", 1<<20),
		"long key":        rest + strings.Repeat("k", 1<<20-200) + ": 1\n",
		"long value":      rest + "mode: " + strings.Repeat("k", 1<<20-200),
		"long comment":    "#" + strings.Repeat("k", 1<<20-200),
	} {
		start := worked(t)
		_, err := config.Parse("w.yaml", []byte(text), t.TempDir(), config.Flags{})
		took := worked(t) - start
		var ps config.Problems
		if !errors.As(err, &ps) || len(ps) > 201 {
			t.Errorf("%s: got %d problems, %T; want from 1 to 201", name, len(ps), err)
		}
		if n := len(ps.Error()); n > 200<<10 {
			t.Errorf("%s: got a message of %d bytes, want 200 KiB at most", name, n)
		}
		if took > 10*time.Second {
			t.Errorf("%s: took %v, want under 10s of processor time", name, took)
		}
	}
}
