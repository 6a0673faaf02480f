package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestRun is the whole of it, small: every proxy that is installed, each kind
// of row.
func TestRun(t *testing.T) {
	guard := builtGuard(t)
	realCaches(t)
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	file := filepath.Join(dir, "out.json")
	var table, progress bytes.Buffer
	err := run(t.Context(), []string{
		"-quick", "-conns=4", "-source=..", "-wiretight", guard, "-rows=new,forged,honest,tls,h2,log,memory,start,size,authorize-http,authorize-grpc,bolt-vs-redis",
		"-json", file, "-cpuprofile", filepath.Join(dir, "cpu"), "-memprofile", filepath.Join(dir, "mem"),
	}, &table, &progress)
	if err != nil {
		t.Fatalf("run: %v\n%s", err, &progress)
	}
	got, err := readResults(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Samples) + len(got.Dashes); n != len(got.Rows)*len(got.Proxies) {
		t.Errorf("got %d samples and dashes, want one a cell: %d", n, len(got.Rows)*len(got.Proxies))
	}
	for _, s := range got.Samples {
		checkSample(t, s)
	}
	for line := range strings.Lines(table.String()) {
		if n := utf8.RuneCountInString(line); n > 91 && !strings.Contains(line, ":") && !strings.Contains(line, "%") {
			t.Errorf("got a line of %d letters: %s", n, line)
		}
	}
	if len(got.Profiles) != 2 || !strings.Contains(got.Profiles[0].Top, "flat%") || !strings.Contains(got.Profiles[1].Top, "flat%") {
		t.Errorf("got profiles %v, want two tables", got.Profiles)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("got %v, %v in the folder for temporary files, want nothing", left, err)
	}
}

// realCaches keeps Go's cache where it is, while bench's own is a new one.
func realCaches(t *testing.T) {
	t.Helper()
	goCache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", strings.TrimSpace(string(goCache))) // it would follow the next
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
}

func checkSample(t *testing.T, s sample) {
	t.Helper()
	// A forged RS256 token makes HAProxy drop connections, honest ones too, and
	// Apache's module is not safe with threads.
	frail := s.Proxy == "apache" || s.Proxy == "haproxy-jwt" && (s.Row == "forged" || s.Row == "honest")
	if s.Failed > 0 && !frail {
		t.Errorf("%s, %s: got %d failed requests, want none: %v", s.Row, s.Proxy, s.Failed, s.Errors)
	}
	if s.Value <= 0 && s.Row != "log" && s.Row != "bolt-vs-redis" {
		t.Errorf("%s, %s: got value %v, want more than 0", s.Row, s.Proxy, s.Value)
	}
	if s.Requests > 0 && (s.P50 <= 0 || s.P99 < s.P50 || s.PeakMB <= 0) {
		t.Errorf("%s, %s: got p50 %v ms, p99 %v ms, peak %v MB", s.Row, s.Proxy, s.P50, s.P99, s.PeakMB)
	}
	switch s.Row {
	case "new":
		if s.Requests != newTokens/quickPart {
			t.Errorf("new, %s: got %d requests, want one a token", s.Proxy, s.Requests)
		}
	case "tls":
		if s.Dials != s.Requests {
			t.Errorf("tls, %s: got %d connections for %d requests", s.Proxy, s.Dials, s.Requests)
		}
	case "honest":
		if len(s.Honest) != 3 {
			t.Fatalf("honest, %s: got %d phases, want 3", s.Proxy, len(s.Honest))
		}
		for _, h := range s.Honest {
			if h.Requests == 0 || (h.Failed > 0 || h.Lost > 0) && !frail {
				t.Errorf("honest, %s: got %+v, want good answers", s.Proxy, h)
			}
		}
	}
}

func TestRunRefuses(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	for _, tc := range []struct{ name, args, want string }{
		{"unknown proxy", "-only=squid", `no proxy "squid"`},
		{"unknown row", "-rows=rs999 -only=haproxy", `no row "rs999"`},
		{"no rounds", "-rounds=0", "above zero"},
		{"argument", "fast", `unexpected argument "fast"`},
		{"missing guard", "-wiretight=/nowhere/wiretight -only=haproxy", "no such file"},
		{"guard that ends", "-quick -only=true -wiretight=/bin/true -rows=rs256", "it ended"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := run(t.Context(), strings.Fields(tc.args), io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// TestBrokenPeerIsADash has a peer that ends at once, beside one that works.
func TestBrokenPeerIsADash(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	good, err := find("haproxy", "haproxy")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := chosenRows([]string{"eddsa"})
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Rounds: 2, Cell: 50 * time.Millisecond, Warm: 50 * time.Millisecond, Conns: 2, Source: ".."}
	b, err := newBedOf(t.Context(), opts, rows, []proxy{
		{name: baseline, bin: good, configure: haproxyPlain},
		{name: "broken", bin: "/bin/true", checks: true, configure: bareArgs},
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	got, err := b.measureAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Samples) != 2 || len(got.Dashes) != 2 || !strings.Contains(got.Dashes[0].Why, "it ended") {
		t.Errorf("got %d samples and %+v, want two of the one that works and why the other does not", len(got.Samples), got.Dashes)
	}
}

// TestCPUTimeCountsChildren burns time in a child and a grandchild that goes
// on running, and one that has ended.
func TestCPUTimeCountsChildren(t *testing.T) {
	const burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
	for _, tc := range []struct{ name, script string }{
		{"itself", burn + "; echo done; read x"},
		{"living child", "(" + burn + "; echo done; sleep 60) & read x; kill $!"},
		{"living grandchild", "(sh -c '" + burn + "; echo done; exec sleep 60' & trap \"kill $!\" TERM; wait) & read x; kill $!"},
		{"ended child", "(" + burn + "); echo done; read x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("sh", "-c", tc.script)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(out, make([]byte, len("done\n"))); err != nil {
				t.Fatal(err)
			}
			got, err := cpuTime(cmd.Process.Pid)
			if err != nil || got < 30*time.Millisecond || got > 30*time.Second {
				t.Errorf("got %v, %v, want between 30 ms and 30 s", got, err)
			}
			fmt.Fprintln(in)
			_ = cmd.Wait() // a killed child may lend it its status
		})
	}
}

func TestGoneProcessIsAnError(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if got, err := cpuTime(cmd.Process.Pid); err == nil {
		t.Errorf("cpuTime: got %v, want an error", got)
	}
	if got, err := residentMemory(cmd.Process.Pid); err == nil {
		t.Errorf("residentMemory: got %v, want an error", got)
	}
}

func TestStopKillsTheStubborn(t *testing.T) {
	t.Parallel()
	p, err := startProcess(context.Background(), "", "here", nil, "sh", "-c", "trap '' TERM; echo here; while :; do sleep 1; done")
	if err != nil {
		t.Fatal(err)
	}
	p.stop()
	if p.cmd.ProcessState == nil {
		t.Error("got a running process, want none")
	}
}
