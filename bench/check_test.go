package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// built is the guard of this tree, for all tests that need it.
var built = struct {
	once sync.Once
	dir  string
	bin  string
	err  error
}{}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// builtGuard builds as other tests do, for what they have compiled is there.
func builtGuard(t *testing.T) string {
	t.Helper()
	t.Setenv("CGO_ENABLED", "1")
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "wiretight-guard-"); built.err == nil {
			built.bin, built.err = build("..", "./cmd/wiretight", filepath.Join(built.dir, "wiretight"))
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.bin
}

// TestCompare judges a guard against itself, and against itself with next to no
// memory and without the processor's instructions for cryptography: it collects
// garbage all the time, which makes it a multiple dearer. The turns are short,
// the difference is far above any noise.
func TestCompare(t *testing.T) {
	guard := builtGuard(t)
	realCaches(t)
	slow := filepath.Join(t.TempDir(), "slow")
	script := fmt.Sprintf("#!/bin/sh\nGOMEMLIMIT=1MiB GODEBUG=cpu.all=off exec %s \"$@\"\n", guard)
	if err := os.WriteFile(slow, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		tree string
		want error
		says string
	}{
		{"equal", guard, nil, " ok"},
		{"slowed", slow, errWorse, "WORSE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opts, err := parseFlags([]string{"-check", "-rounds=1", "-seconds=0.5", "-conns=8", "-rows=rs256"}, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			var table, progress bytes.Buffer
			err = compare(t.Context(), opts, [2]proxy{guardProxy("base", guard), guardProxy("tree", tc.tree)}, &table, &progress)
			if !errors.Is(err, tc.want) || !strings.Contains(table.String(), tc.says) {
				t.Errorf("got %v, want %v and %q in\n%s\n%s", err, tc.want, tc.says, &table, &progress)
			}
		})
	}
}

func TestCompareRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ row, want string }{
		{"rs999", "no row"},
		{"new", "cannot be compared in turns"},
		{"memory", "cannot be compared in turns"},
		{"honest", "cannot be compared in turns"},
	} {
		err := compare(t.Context(), Options{Rows: []string{tc.row}, Rounds: 1}, [2]proxy{}, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.row, err, tc.want)
		}
	}
	if _, err := chosenRows(checkRows); err != nil {
		t.Errorf("got %v, want rows that are there", err)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	two := [2]proxy{{name: "v1"}, {name: "tree"}}
	all := []*judged{
		{row: row{title: "one"}, costs: [2][]float64{{10, 20, 10}, {10, 21, 9}}},
		{row: row{title: "two"}, costs: [2][]float64{{10, 10, 10}, {20, 20, 21}}, again: true, worse: true},
		{row: row{title: "three"}, costs: [2][]float64{{10}, {12}}, again: true},
	}
	var b strings.Builder
	if err := report(all, two, &b); !errors.Is(err, errWorse) {
		t.Errorf("got %v, want %v", err, errWorse)
	}
	want := "CPU a request, µs    v1  tree  ratio  at least\n" +
		"one                10.0  10.0  1.000     0.000                       ok\n" +
		"two                10.0  20.0  2.000     0.000                    WORSE\n" +
		"three              10.0  12.0  1.200     0.000  ok (at the second look)\n"
	if got, _, _ := strings.Cut(b.String(), "ratio is"); got != want {
		t.Error(cmp.Diff(want, got))
	}
	if err := report(all[:1], two, io.Discard); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

// repository makes one with a commit, tagged or not, and another file beside.
func repository(t *testing.T, tag string) string {
	t.Helper()
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sub", "old.txt"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	git("add", ".")
	git("commit", "-q", "-m", "one")
	if tag != "" {
		git("tag", tag)
	}
	if err := os.WriteFile(filepath.Join(dir, "new.txt"), []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// publish writes a page with a table that was measured from a commit.
func publish(t *testing.T, dir, commit string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(page))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(machine{Commit: commit}.lines(), "\n- ")
	if err := os.WriteFile(file, []byte("- "+text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBaseCommit(t *testing.T) {
	t.Parallel()
	tagged, bare := repository(t, "v1.2.3"), repository(t, "")
	measured, gone := repository(t, ""), repository(t, "")
	first, err := baseCommit(measured, "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	publish(t, measured, first+"-dirty")
	publish(t, gone, "0123456789ab")
	publish(t, tagged, "0123456789ab")
	for _, tc := range []struct {
		name, source, asked string
		want                string // empty: refused with exit code 2
	}{
		{"last tag", tagged, "", "v1.2.3"},
		{"named", tagged, "v1.2.3", "^[0-9a-f]{7,}$"},
		{"named without tags", bare, "HEAD", "^[0-9a-f]{7,}$"},
		{"no tag, but a page", measured, "", "^" + first + "$"},
		{"a page's commit that is not here", gone, "", ""},
		{"nothing of all", bare, "", ""},
		{"unknown", tagged, "v9", ""},
		{"like an option", tagged, "--all", ""},
		{"no repository", t.TempDir(), "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := baseCommit(tc.source, tc.asked)
			var exit *exitError
			if tc.want == "" {
				if !errors.As(err, &exit) || exit.code != 2 {
					t.Errorf("got %q, %v, want exit code 2", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(tc.want).MatchString(got) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestUnpackCommit(t *testing.T) {
	t.Parallel()
	source, dir := repository(t, "v1"), t.TempDir()
	if err := unpackCommit(source, "v1", dir); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "sub", "old.txt"))
	if err != nil || string(raw) != "old" {
		t.Errorf("got %q, %v, want the file of the commit", raw, err)
	}
	for _, name := range []string{"new.txt", "link"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: got %v, want it left out", name, err)
		}
	}
	if err := unpackCommit(source, "v2", t.TempDir()); err == nil {
		t.Error("got no error for a commit that is not there")
	}
}

func tarOf(t *testing.T, name, text string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// TestUntarStaysInside feeds what git would never make.
func TestUntarStaysInside(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../out", "/out", "a/../../out"} {
		outer := t.TempDir()
		err := untar(tarOf(t, name, "x"), filepath.Join(outer, "in"))
		if _, stat := os.Lstat(filepath.Join(outer, "out")); stat == nil {
			t.Errorf("%s: got a file outside; error %v", name, err)
		}
		if err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if err := untar(strings.NewReader("no archive at all"), t.TempDir()); err == nil {
		t.Error("got no error for what is no archive")
	}
}
