package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startLimit = 20 * time.Second
	stopLimit  = 5 * time.Second
)

// process is a server that this program started and will stop, by its pid.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended and its stderr is read
	tail  *tail
	// ready is how long it took from exec to ready.
	ready time.Duration
}

// startProcess runs bin and returns when it is ready: when a line of its
// standard error begins with line or, if line is empty, when addr accepts a
// connection. env is added to its environment. What it writes is read and
// dropped, but for the last lines.
func startProcess(ctx context.Context, addr, line string, env []string, bin string, args ...string) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", bin, err)
	}
	p := &process{cmd: exec.Command(bin, args...), ended: make(chan struct{}), tail: &tail{}}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.cmd.Env = append(os.Environ(), env...)
	begin := time.Now()
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("start %s: %w", bin, err)
	}
	said := make(chan time.Time, 1)
	go func() {
		p.read(r, line, said)
		r.Close()
		_ = p.cmd.Wait() // how it ended is in the tail
		close(p.ended)
	}()
	if line == "" {
		go pollAccept(addr, said, p.ended)
	}
	select {
	case at := <-said:
		p.ready = at.Sub(begin)
		return p, nil
	case <-p.ended:
		err = errors.New("it ended")
	case <-time.After(startLimit):
		err = fmt.Errorf("not ready after %v", startLimit)
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.stop()
	return nil, fmt.Errorf("start %s: %w; it wrote: %s", bin, err, p.tail)
}

// read takes in everything that the process writes until it closes the pipe.
func (p *process) read(r io.Reader, line string, said chan<- time.Time) {
	in := bufio.NewReaderSize(r, 64<<10)
	for waiting := line != ""; waiting; {
		text, err := in.ReadSlice('\n')
		if bytes.HasPrefix(text, []byte(line)) {
			said <- time.Now()
			waiting = false
		}
		p.tail.Write(text)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
	// An endless writer is no concern here: stop ends it.
	_, _ = io.Copy(p.tail, in)
}

func pollAccept(addr string, said chan<- time.Time, ended <-chan struct{}) {
	every := time.NewTicker(time.Millisecond)
	defer every.Stop()
	for {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			c.Close()
			said <- time.Now()
			return
		}
		select {
		case <-ended:
			return
		case <-every.C:
		}
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks the process to end, and kills it if it does not.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// tail keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex
	last []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const keep = 2 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	b = b[max(0, n-keep):]
	t.last = append(t.last[max(0, min(len(t.last), len(t.last)+len(b)-keep)):], b...)
	return n, nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.last))
}

// freeAddr returns a loopback address that was free a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}
