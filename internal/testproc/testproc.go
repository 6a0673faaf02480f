// Package testproc runs real programs for tests: it starts them, waits for what
// they say, and ends them by their own process when the test does.
package testproc

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a test waits for what should come soon. The machine may
// be busy.
const Patience = 30 * time.Second

// grace is how long a program may take to end with its test before it is killed.
const grace = 5 * time.Second

// buildTime is how long a build of everything may take on a busy machine.
const buildTime = 10 * time.Minute

// maxShown is how much of what a program has said a failed test repeats.
const maxShown = 6000

// Output keeps what is written to it, and can be read meanwhile. The zero value
// is empty and ready.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes what a program says. It never fails.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String is all that was written until now.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Process is a program that runs, with what it says on either stream.
type Process struct {
	Output
	t    testing.TB
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; to be read once done is closed
}

// Start runs cmd until the test ends. Then it gets SIGTERM, so that it can end
// its own children, and is killed if that does not do. A test that has failed
// shows the end of what it said.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, name: filepath.Base(cmd.Path), cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Output, &p.Output
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v (testdata/install-peers installs what the tests need)", cmd.Path, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.end)
	return p
}

func (p *Process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(grace):
		_ = p.cmd.Process.Kill() // the same
		<-p.done
	}
	if p.t.Failed() {
		said := p.String()
		p.t.Logf("%s said:\n%s", p.name, said[max(0, len(said)-maxShown):])
	}
}

// Stop sends SIGTERM, waits for the end, and returns how it ended.
func (p *Process) Stop() error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("stop %s: %v\n%s", p.name, err, p.String())
	}
	select {
	case <-p.done:
	case <-time.After(Patience):
		p.t.Fatalf("%s does not end:\n%s", p.name, p.String())
	}
	return p.err
}

// Says waits until the program says something, and returns the pattern's first
// group.
func (p *Process) Says(pattern string) (part string) {
	p.t.Helper()
	exp := regexp.MustCompile(pattern)
	p.Until("say "+pattern, func() bool {
		m := exp.FindStringSubmatch(p.String())
		if m != nil {
			part = m[1]
		}
		return m != nil
	})
	return part
}

// Until polls while the program runs, and fails the test if it ends or takes too
// long. The verb what completes the sentence that it does not.
func (p *Process) Until(what string, ok func() bool) {
	p.t.Helper()
	deadline := time.After(Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-p.done:
			p.t.Fatalf("%s ended: %v\n%s", p.name, p.err, p.String())
		case <-deadline:
			p.t.Fatalf("%s does not %s:\n%s", p.name, what, p.String())
		case <-tick.C:
		}
	}
}

// WithGuard builds the guard as a user would, into a folder that is removed at the
// end, stores its path in program, and then runs the tests. The result is what
// TestMain gives to os.Exit.
func WithGuard(m *testing.M, program *string) int {
	code, err := withGuard(m, program)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func withGuard(m *testing.M, program *string) (int, error) {
	dir, err := os.MkdirTemp("", "wiretight-test-")
	if err != nil {
		return 0, fmt.Errorf("make a folder for the guard: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is a temporary one
	*program = filepath.Join(dir, "wiretight")
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", *program, "github.com/wiretight/wiretight/cmd/wiretight").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the guard: %w\n%s", err, out)
	}
	return m.Run(), nil
}
