package issuer

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
)

// Hashing a password keeps a core busy for tens of milliseconds, and leaves
// 19 MiB behind for the collector. Within a process that serves other requests
// too, each of them would feel it: Go's scheduler takes a core away from a
// goroutine ten milliseconds late. Between processes the system does it at
// once, so passwords may be hashed in processes of their own.

// ServeHashes is the main loop of such a process: it answers what comes on r
// until r ends.
func ServeHashes(r io.Reader, w io.Writer) error {
	lines := bufio.NewReaderSize(r, maxHashLine)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read password: %w", err)
		}
		salt, password, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		s, errSalt := base64.RawStdEncoding.DecodeString(salt)
		p, errPassword := base64.RawStdEncoding.DecodeString(password)
		if errSalt != nil || errPassword != nil || len(s) != hashSalt {
			return errors.New("read password: it is of unknown form")
		}
		if _, err := io.WriteString(w, base64.RawStdEncoding.EncodeToString(argon2id(p, s))+"\n"); err != nil {
			return fmt.Errorf("write hash: %w", err)
		}
	}
}

// maxHashLine is the longest line: salt and password in base64.
const maxHashLine = 4 << 10

func argon2id(password, salt []byte) []byte {
	return argon2.IDKey(password, salt, hashTime, hashMemory, hashLanes, hashSize)
}

// workers are processes that hash. They end when nobody has needed them for a
// while, and start anew.
type workers struct {
	command func() *exec.Cmd

	mu     sync.Mutex
	idle   []*worker
	closed bool
}

// workerIdle is how long a process is kept that nobody needs.
const workerIdle = time.Minute

type worker struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	timer *time.Timer
}

// errNoWorker says that no process could be started.
var errNoWorker = errors.New("start a process to hash passwords")

// hash asks a process. One that was idle may have died; then a new one is asked.
func (ws *workers) hash(ctx context.Context, password string, salt []byte) ([]byte, error) {
	for {
		w, fresh, err := ws.take()
		if err != nil {
			return nil, err
		}
		sum, err := w.ask(ctx, password, salt)
		if err == nil {
			ws.give(w)
			return sum, nil
		}
		w.end()
		if fresh || ctx.Err() != nil {
			return nil, fmt.Errorf("hash password: %w", errors.Join(err, ctx.Err()))
		}
	}
}

func (ws *workers) take() (w *worker, fresh bool, err error) {
	ws.mu.Lock()
	if n := len(ws.idle); n > 0 {
		w, ws.idle = ws.idle[n-1], ws.idle[:n-1]
	}
	ws.mu.Unlock()
	if w != nil {
		w.timer.Stop()
		return w, false, nil
	}
	w, err = startWorker(ws.command())
	return w, true, err
}

func (ws *workers) give(w *worker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed {
		go w.end()
		return
	}
	w.timer = time.AfterFunc(workerIdle, func() { ws.retire(w) })
	ws.idle = append(ws.idle, w)
}

// retire ends a process that is idle still.
func (ws *workers) retire(w *worker) {
	ws.mu.Lock()
	for i, other := range ws.idle {
		if other == w {
			ws.idle = append(ws.idle[:i], ws.idle[i+1:]...)
			defer w.end()
			break
		}
	}
	ws.mu.Unlock()
}

func (ws *workers) close() {
	ws.mu.Lock()
	idle := ws.idle
	ws.idle, ws.closed = nil, true
	ws.mu.Unlock()
	for _, w := range idle {
		w.timer.Stop()
		w.end()
	}
}

func startWorker(cmd *exec.Cmd) (*worker, error) {
	w := &worker{cmd: cmd}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoWorker, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoWorker, err)
	}
	w.in, w.out = in, bufio.NewReaderSize(out, 1<<10)
	// A process begins with the priority of the thread that starts it. The
	// thread cannot go back to its own, so it ends with its goroutine.
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		yieldToOthers()
		started <- cmd.Start()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%w: %w", errNoWorker, err)
	}
	return w, nil
}

// ask waits for one hash. If ctx ends first the process is killed.
func (w *worker) ask(ctx context.Context, password string, salt []byte) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { _ = w.cmd.Process.Kill() })
	defer stop()
	line := base64.RawStdEncoding.EncodeToString(salt) + " " + base64.RawStdEncoding.EncodeToString([]byte(password)) + "\n"
	if _, err := io.WriteString(w.in, line); err != nil {
		return nil, err
	}
	answer, err := w.out.ReadString('\n')
	if err != nil {
		return nil, err
	}
	sum, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimSuffix(answer, "\n"))
	if err != nil || len(sum) != hashSize {
		return nil, errors.New("the process answers something else than a hash")
	}
	return sum, nil
}

// end lets the process go, or makes it.
func (w *worker) end() {
	_ = w.in.Close() // it ends when its input does
	kill := time.AfterFunc(time.Second, func() { _ = w.cmd.Process.Kill() })
	defer kill.Stop()
	_ = w.cmd.Wait() // how it ended matters no more
}
