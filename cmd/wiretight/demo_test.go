package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/guard"
)

var update = flag.Bool("update", false, "write the golden files anew")

// startDemo starts what the demonstration shows.
func startDemo(t *testing.T, o demoOptions) (*demoBed, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	if o.listen == "" {
		o.listen = "127.0.0.1:0"
	}
	bed, err := newDemoBed(ctx, t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bed.close)
	return bed, ctx
}

// varies are the parts of the table that differ from run to run.
var varies = []struct {
	part *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(127\.0\.0\.1|localhost):\d+`), "$1:PORT"},
	{regexp.MustCompile(`cut \d\.\ds after`), "cut N.Ns after"},
	{regexp.MustCompile(`429 from no\. \d\d`), "429 from no. NN"},
}

func TestDemoTableIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	bed, ctx := startDemo(t, demoOptions{})
	report, err := bed.attack(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{60, 80, 120, 160} {
		var out bytes.Buffer
		report.print(&screen{w: &out, width: width}, bed)
		table := out.String()
		for line := range strings.Lines(table) {
			line = strings.TrimSuffix(line, "\n")
			if len(line) > width && width >= 80 {
				t.Errorf("width %d: line of %d characters: %s", width, len(line), line)
			}
			if strings.Trim(line, printableASCII) != "" {
				t.Errorf("width %d: not plain ASCII: %q", width, line)
			}
		}
		if width != 80 && width != 120 {
			continue
		}
		for _, v := range varies {
			table = v.part.ReplaceAllString(table, v.with)
		}
		golden := filepath.Join("testdata", "demo-"+map[int]string{80: "80", 120: "120"}[width]+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(table), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), table); diff != "" {
			t.Errorf("width %d: -want +got (write it anew with -update):\n%s", width, diff)
		}
		if width == 80 && strings.Contains(table, "...") {
			t.Errorf("width 80: something is cut short:\n%s", table)
		}
	}
	for _, l := range report.lines {
		if len(l.name) > longestName {
			t.Errorf("name %q is longer than %d", l.name, longestName)
		}
	}
}

var printableASCII = func() string {
	var b strings.Builder
	for r := ' '; r <= '~'; r++ {
		b.WriteRune(r)
	}
	return b.String()
}()

func TestDemoTellsWhenTheGuardDoesNotHold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*guard.Config)
		row    string // that must be marked
	}{
		{"everything is only observed", func(c *guard.Config) { c.Mode = guard.ObserveOnly }, "Unsigned (alg none)"},
		{"replay is only observed", func(c *guard.Config) { c.Observe = []guard.Rule{guard.RuleReplay} }, "DPoP proof used twice"},
		{"the debug endpoint is public", func(c *guard.Config) { c.Routes = append(c.Routes, guard.Route{Path: "/env", Public: true}) }, "Debug endpoint, no token"},
		{"another audience", func(c *guard.Config) { c.Tokens.Issuers[0].Audiences = []string{"other"} }, "WebSocket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			var out, diag bytes.Buffer
			err := runDemo(ctx, demoOptions{once: true, noScan: true, listen: "127.0.0.1:0", change: c.change}, &out, &diag)
			var exit *exitError
			if !errors.As(err, &exit) {
				t.Fatalf("got %v, want an exit code", err)
			}
			if exit.code != exitFindings {
				t.Errorf("got exit %d (%v), want %d", exit.code, err, exitFindings)
			}
			if !strings.Contains(out.String(), "!!"+c.row) {
				t.Errorf("row %q is not marked:\n%s", c.row, out.String())
			}
		})
	}
}

func TestDemoOnceEndsWell(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var out, diag bytes.Buffer
	if err := runDemo(ctx, demoOptions{once: true, noScan: true, every: true, listen: "127.0.0.1:0"}, &out, &diag); err != nil {
		t.Fatalf("got %v\n%s", err, out.String())
	}
	for _, want := range []string{"alg nOnE, signature empty", "The guard held.", "the guard for 0."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the output", want)
		}
	}
	if strings.Contains(out.String()+diag.String(), "eyJ") {
		t.Error("there is a token on the screen")
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("there is colour where no terminal is")
	}
}

func TestDemoListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":8443", "192.0.2.1:8443", "nonsense"} {
		err := runDemo(context.Background(), demoOptions{once: true, listen: addr}, &bytes.Buffer{}, &bytes.Buffer{})
		var exit *exitError
		if !errors.As(err, &exit) || exit.code != exitUsage {
			t.Errorf("--listen %s: got %v, want a usage error", addr, err)
		}
	}
}

// TestDemoCommandsCanBePasted gives what the screen shows to a shell.
func TestDemoCommandsCanBePasted(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("curl is missing; install it: sudo apt-get install curl")
	}
	bed, ctx := startDemo(t, demoOptions{})
	staying, leave := context.WithCancel(ctx)
	ended := make(chan error, 1)
	var out bytes.Buffer
	go func() { ended <- bed.stayUp(staying, &screen{w: &out, width: 80}, &bytes.Buffer{}) }()
	awaitFile(ctx, t, filepath.Join(bed.dir, "unsigned"))
	want := []string{" 200", " 401", " 200", " 401", "Bearer eyJ", "[redacted]", "data: ", " 403", " 403", " 401"}
	tries := bed.tries()
	tries = append(tries, tries[0]) // burnt by the one before
	for i, try := range tries {
		shell := exec.CommandContext(ctx, "sh", "-c", strings.Replace(try.command, "curl ", "curl --max-time 2 ", 1))
		got, err := shell.Output()
		if err != nil && !strings.Contains(try.command, "/events") {
			t.Errorf("%s: %v", try.command, err)
		}
		if i >= len(want) || !strings.Contains(string(got), want[i]) {
			t.Errorf("%s: %s\ngot %s\nwant %q in it", try.what, try.command, got, want[i])
		}
	}
	leave()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), tries[0].command) || strings.Contains(out.String(), "eyJ") {
		t.Errorf("got %q, want the commands without a token", out.String())
	}
}

func TestScreenFitsWhereItGoes(t *testing.T) {
	for _, c := range []struct {
		columns string
		width   int
	}{{"", 80}, {"120", 120}, {"20", 60}, {"1000", 160}, {"wide", 80}, {"-1", 80}} {
		t.Setenv("COLUMNS", c.columns)
		if s := newScreen(&bytes.Buffer{}); s.width != c.width || s.color {
			t.Errorf("COLUMNS=%s: got width %d, colour %v; want %d and none", c.columns, s.width, s.color, c.width)
		}
	}
	plain := &screen{}
	if got := plain.paint(red, "x"); got != "x" {
		t.Errorf("got %q, want no escape", got)
	}
	if got := (&screen{color: true}).paint(red, "x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("got %q, want red", got)
	}
}

func TestDemoInterruptedSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	var out, diag bytes.Buffer
	time.AfterFunc(300*time.Millisecond, cancel) // in the midst of it, or before it
	err := runDemo(ctx, demoOptions{once: true, noScan: true, listen: "127.0.0.1:0"}, &out, &diag)
	var exit *exitError
	if !errors.As(err, &exit) || exit.code != exitFailed || strings.Contains(out.String(), "The guard") {
		t.Errorf("got %v and %q, want exit %d and no judgement", err, out.String(), exitFailed)
	}
}

func awaitFile(ctx context.Context, t *testing.T, path string) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no file %s", path)
		case <-tick.C:
		}
	}
}
