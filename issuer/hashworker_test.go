package issuer_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wiretight/wiretight/issuer"
)

// hasherMain is the process that hashes in the tests below, well or not.
func hasherMain() bool {
	switch manner := os.Getenv("WIRETIGHT_TEST_HASHER"); manner {
	case "":
		return false
	case "well":
		if pids := os.Getenv("WIRETIGHT_TEST_PIDS"); pids != "" {
			_ = os.WriteFile(filepath.Join(pids, strconv.Itoa(os.Getpid())), nil, 0o600)
		}
		if err := issuer.ServeHashes(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
	case "garbage":
		fmt.Println("garbage")
	case "silent":
		time.Sleep(time.Minute)
	case "dead":
	}
	return true
}

// hasher makes the configuration of an issuer that hashes in such processes. It
// returns the directory where they leave their numbers.
func hasher(t testing.TB, manner string) (change func(*issuer.Config), pids string) {
	t.Helper()
	pids = t.TempDir()
	return func(c *issuer.Config) {
		c.Login = issuer.Rate{Count: 1000, Per: time.Minute}
		c.HashCommand = func() *exec.Cmd {
			cmd := exec.Command(os.Args[0])
			cmd.Env = []string{"WIRETIGHT_TEST_HASHER=" + manner, "WIRETIGHT_TEST_PIDS=" + pids}
			return cmd
		}
	}, pids
}

func running(t testing.TB, dir string) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && syscall.Kill(pid, 0) == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestHashingElsewhere(t *testing.T) {
	t.Parallel()
	change, dir := hasher(t, "well")
	f := newFixture(t, change)
	f.login("alice")
	if a := f.do(loginJSON("alice", "wrong password")); a.status != 401 {
		t.Errorf("wrong password: got %d, want 401", a.status)
	}
	each(8, func(int) { f.login("alice") })
	pids := running(t, dir)
	if len(pids) == 0 || len(pids) > 8 {
		t.Fatalf("got %d processes, want one a core at most", len(pids))
	}
	// A process that dies while it is idle costs nobody a login.
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	f.login("alice")
	// What one process hashes another one verifies, this one too.
	alone := f.config
	alone.HashCommand = nil
	f.config = alone
	_, server := f.start()
	if a := f.doAt(server, loginJSON("alice", testPassword)); a.status != 200 {
		t.Errorf("without processes: got %d, want 200", a.status)
	}
	if err := f.issuer.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of all processes", func() bool { return len(running(t, dir)) == 0 })
}

// TestHashingThatFails: no answer is no yes, and no silent no either.
func TestHashingThatFails(t *testing.T) {
	t.Parallel()
	for _, manner := range []string{"garbage", "dead"} {
		f := newFixture(t, nil)
		change, _ := hasher(t, manner)
		change(&f.config)
		_, server := f.start()
		if a := f.doAt(server, loginJSON("alice", testPassword)); a.status != 503 {
			t.Errorf("%s: got %d %s, want 503", manner, a.status, a.body)
		}
	}
}

func TestHashingWithoutAProcess(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *issuer.Config) {
		c.HashCommand = func() *exec.Cmd { return exec.Command(filepath.Join(t.TempDir(), "missing")) }
	})
	f.login("alice")
}

func TestServeHashes(t *testing.T) {
	t.Parallel()
	salt := "AAAAAAAAAAAAAAAAAAAAAA"
	for _, tc := range []struct {
		name, in string
		answers  int
		ok       bool
	}{
		{"nothing", "", 0, true},
		{"two", salt + " AAAA\n" + salt + " AAAB\n", 2, true},
		{"empty password", salt + " \n", 1, true},
		{"short salt", "AAAA AAAA\n", 0, false},
		{"no base64", "!!! AAAA\n", 0, false},
		{"one word", "AAAA\n", 0, false},
		{"cut short", salt + " AA", 0, false},
		{"long", salt + " " + strings.Repeat("A", 1<<16) + "\n", 0, false},
	} {
		var out bytes.Buffer
		err := issuer.ServeHashes(strings.NewReader(tc.in), &out)
		if got := strings.Count(out.String(), "\n"); got != tc.answers || (err == nil) != tc.ok {
			t.Errorf("%s: got %d answers and %v, want %d and success %v", tc.name, got, err, tc.answers, tc.ok)
		}
	}
}

func FuzzServeHashes(f *testing.F) {
	f.Add("AAAAAAAAAAAAAAAAAAAAAA !\n")
	f.Add("\n")
	f.Fuzz(func(t *testing.T, in string) {
		if strings.Contains(in, "AAAAAAAAAAAAAAAAAAAAAA A") {
			return // a hash takes its time
		}
		var out bytes.Buffer
		_ = issuer.ServeHashes(strings.NewReader(in), &out) // any error, but no panic
	})
}
