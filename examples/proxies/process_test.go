package proxies_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program that runs, with what it has said.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when it has ended
	err  error         // how it ended
}

// output can be read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes what the program says.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String is all that it has said.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs a program in the example's folder until the test ends.
func (b *bed) start(program string, args ...string) *process {
	b.t.Helper()
	p := &process{t: b.t, name: filepath.Base(program), cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Dir = b.dir
	p.cmd.Env = append(os.Environ(), "HOME="+b.dir, "XDG_DATA_HOME="+b.dir, "XDG_CONFIG_HOME="+b.dir)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		b.t.Fatalf("start %s: %v (testdata/install-peers installs what the tests need)", program, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	b.t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended, and must end its own children
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
			_ = p.cmd.Process.Kill()
			<-p.done
		}
		if b.t.Failed() {
			said := p.out.String()
			b.t.Logf("%s said:\n%s", p.name, said[max(0, len(said)-6000):])
		}
	})
	return p
}

// stop sends SIGTERM and waits for the end.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s does not end", p.name)
	}
}

// said is what the program has written until now.
func (p *process) said() string { return p.out.String() }

// says waits until the program says something, and returns the part in
// parentheses.
func (p *process) says(pattern string) (part string) {
	p.t.Helper()
	exp := regexp.MustCompile(pattern)
	p.until("say "+pattern, func() bool {
		m := exp.FindStringSubmatch(p.out.String())
		if m != nil {
			part = m[1]
		}
		return m != nil
	})
	return part
}

// until polls while the program runs.
func (p *process) until(what string, ok func() bool) {
	p.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-p.done:
			p.t.Fatalf("%s ended: %v\n%s", p.name, p.err, p.out.String())
		case <-deadline:
			p.t.Fatalf("%s does not %s:\n%s", p.name, what, p.out.String())
		case <-tick.C:
		}
	}
}
