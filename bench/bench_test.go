package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestRun is the whole of it, small: three programs, each kind of row.
func TestRun(t *testing.T) {
	goCache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", strings.TrimSpace(string(goCache))) // it would follow the next
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	file := filepath.Join(t.TempDir(), "out.json")
	var table, progress bytes.Buffer
	err = run(t.Context(), []string{
		"-quick", "-conns=4", "-source=..", "-only=haproxy,haproxy-jwt,bare",
		"-rows=rs256,new,forged,tls,h2,log,memory,start,size", "-json", file,
	}, &table, &progress)
	if err != nil {
		t.Fatalf("run: %v\n%s", err, &progress)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got results
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got, want := len(got.Samples), 9*3-1; got != want { // bare writes no log
		t.Errorf("got %d samples, want %d", got, want)
	}
	for _, s := range got.Samples {
		// A forged RS256 token makes HAProxy drop connections, honest ones too.
		if s.Failed > 0 && (s.Row != "forged" || s.Proxy != "haproxy-jwt") {
			t.Errorf("%s, %s: got %d failed requests, want none: %v", s.Row, s.Proxy, s.Failed, s.Errors)
		}
		if s.Value <= 0 && s.Row != "log" {
			t.Errorf("%s, %s: got value %v, want more than 0", s.Row, s.Proxy, s.Value)
		}
		if s.Row == "new" && s.Requests != newTokens/quickPart {
			t.Errorf("new, %s: got %d requests, want one a token", s.Proxy, s.Requests)
		}
		if s.Row == "tls" && s.Dials != s.Requests {
			t.Errorf("tls, %s: got %d connections for %d requests", s.Proxy, s.Dials, s.Requests)
		}
	}
	for line := range strings.Lines(table.String()) {
		if strings.Contains(line, "wrong answers") {
			continue
		}
		if n := utf8.RuneCountInString(line); n > 121 {
			t.Errorf("got a line of %d letters: %s", n, line)
		}
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("got %v, %v in the folder for temporary files, want nothing", left, err)
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
	p, err := startProcess(context.Background(), "", "here", "sh", "-c", "trap '' TERM; echo here; while :; do sleep 1; done")
	if err != nil {
		t.Fatal(err)
	}
	p.stop()
	if p.cmd.ProcessState == nil {
		t.Error("got a running process, want none")
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	r := &results{Rounds: 3, Conns: 64, Proxies: []string{"haproxy", "new", "old"}, guards: []string{"new", "old"}}
	r.rows = slices.DeleteFunc(rows(), func(w row) bool { return w.name != "rs256" && w.name != "memory" })
	add := func(row, proxy string, values ...float64) {
		for i, v := range values {
			r.Samples = append(r.Samples, sample{Round: i + 1, Row: row, Proxy: proxy, Value: v, Requests: 1})
		}
	}
	add("rs256", "haproxy", 20, 40, 10)
	add("rs256", "new", 40, 120, 25) // 2, 3, 2.5
	add("rs256", "old", 80, 160, 40)
	add("memory", "new", 41, 39, 52)
	for _, tc := range []struct {
		name  string
		print func(io.Writer) error
		want  []string
	}{
		{"text", r.text, []string{
			"RS256, one hot token  ×     3.3     20.0 (10.0–40.0) µs  2.50 (2.00–3.00) ok    4.00 (4.00–4.00) over\n",
			"after 100,000 tokens  MB    40      -                    41.0 (39.0–52.0) over  -\n",
		}},
		{"markdown", r.markdown, []string{
			"| --- | --- | --- | --- | --- | --- |\n",
			"| RS256, one hot token | × | 3.3 | 20.0 (10.0–40.0) µs | 2.50 (2.00–3.00) ok | 4.00 (4.00–4.00) over |\n",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := tc.print(&b); err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("got\n%s\nwant a line %q", &b, want)
				}
			}
		})
	}
}
