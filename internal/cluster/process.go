package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program that runs, and the end of what it wrote.
type process struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended and all it wrote was read
	err   error         // of its end, once ended is closed

	mu   sync.Mutex
	tail []string
}

// maxTail is how many lines of a program's output are kept for error messages.
const maxTail = 40

// launch starts cmd, whose every line is given to heard; nil: to nobody.
func launch(name string, cmd *exec.Cmd, heard func(line string)) (*process, error) {
	p := &process{name: name, cmd: cmd, ended: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	_ = w.Close() // the child has its own
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(p.ended)
		p.read(r, heard)
		p.err = cmd.Wait()
	}()
	return p, nil
}

func (p *process) read(r io.ReadCloser, heard func(string)) {
	defer func() { _ = r.Close() }() // it was only read
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if heard != nil {
			heard(line)
		}
		p.mu.Lock()
		if p.tail = append(p.tail, line); len(p.tail) > 2*maxTail {
			p.tail = append(p.tail[:0], p.tail[maxTail:]...)
		}
		p.mu.Unlock()
	}
}

// last is the end of what the program wrote.
func (p *process) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.tail[max(0, len(p.tail)-maxTail):], "\n")
}

// running tells whether the program has not ended by itself.
func (p *process) running() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s has ended (%w); it wrote:\n%s", p.name, p.err, p.last())
	default:
		return nil
	}
}

// kill ends the program at once.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// stop ends the program as an operator would.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		<-p.ended
		return p.running()
	}
	timer := time.NewTimer(20 * time.Second)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.kill()
		return fmt.Errorf("%s did not end on SIGTERM; it wrote:\n%s", p.name, p.last())
	}
	if p.err != nil {
		return fmt.Errorf("%s ended on SIGTERM with %w; it wrote:\n%s", p.name, p.err, p.last())
	}
	return nil
}

// errMissing says that a program is not installed.
var errMissing = errors.New("is missing")

// find looks for a program that Debian has in a package of the same name.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%s %w; install it with: apt-get install %s", program, errMissing, program)
	}
	return path, nil
}

// Build compiles the wiretight binary of the module at root into dir.
func Build(ctx context.Context, root, dir string) (string, error) {
	out := dir + "/wiretight"
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "./cmd/wiretight")
	cmd.Dir = root
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, said)
	}
	return out, nil
}
