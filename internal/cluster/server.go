package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/port"
)

// Server is a redis-server on loopback that keeps what it has confirmed
// (appendonly, each write flushed) and evicts nothing.
type Server struct {
	dir  string
	port string
	args []string
	p    *process
}

// NewServer chooses a port, and makes dir for the server's data. More arguments
// of redis-server may follow.
func NewServer(ctx context.Context, dir string, more ...string) (*Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the store's folder: %w", err)
	}
	number, err := freePort(ctx)
	args := []string{
		"--port", number, "--bind", "127.0.0.1", "--dir", dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction",
		"--repl-diskless-sync-delay", "0", // replicas are not made to wait for each other
	}
	return &Server{dir: dir, port: number, args: append(args, more...)}, err
}

// listen opens a port of loopback that the system chooses.
func listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	return l, nil
}

// freePort chooses a port that is kept for a server until ctx ends, also while
// the server is down.
func freePort(ctx context.Context) (string, error) {
	addr, release, err := port.Hold()
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, release)
	_, number, err := net.SplitHostPort(addr)
	return number, err
}

// Addr is where the server listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", s.port) }

// Start runs the server and waits until it answers.
func (s *Server) Start(ctx context.Context) error {
	path, err := find("redis-server")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), path, s.args...)
	if s.p, err = launch("redis-server", cmd, nil); err != nil {
		return err
	}
	_, err = poll(ctx, 20*time.Second, "redis-server answers", func() bool {
		said, err := s.Command("PING")
		return err == nil && said == "PONG" || s.p.running() != nil
	})
	return errors.Join(err, s.p.running())
}

// Kill ends the server with SIGKILL.
func (s *Server) Kill() {
	if s.p != nil {
		s.p.kill()
	}
}

// Forget removes what a killed server has kept.
func (s *Server) Forget() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove the store's data: %w", err)
	}
	return os.MkdirAll(s.dir, 0o700)
}

// Copy copies what a killed server has kept into a new folder.
func (s *Server) Copy(dir string) error {
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		return fmt.Errorf("copy the store's data: %w", err)
	}
	return nil
}

// Restore puts a copy in the place of what a killed server has kept.
func (s *Server) Restore(dir string) error {
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove the store's data: %w", err)
	}
	if err := os.CopyFS(s.dir, os.DirFS(dir)); err != nil {
		return fmt.Errorf("restore the store's data: %w", err)
	}
	return nil
}

// Command sends a line and returns the answer, if that is a status, a number
// or a text. An error of the server is an error.
func (s *Server) Command(line string) (string, error) {
	d := net.Dialer{Timeout: time.Second}
	c, err := d.Dial("tcp", s.Addr())
	if err != nil {
		return "", fmt.Errorf("ask redis-server: %w", err)
	}
	defer func() { _ = c.Close() }() // the answer is there, or an error
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprintf(c, "%s\r\n", line); err != nil {
		return "", fmt.Errorf("ask redis-server: %w", err)
	}
	r := bufio.NewReader(c)
	head, err := r.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("ask redis-server: %w", err)
	}
	head = strings.TrimRight(head, "\r\n")
	switch {
	case strings.HasPrefix(head, "-"):
		return "", errors.New(head[1:])
	case strings.HasPrefix(head, "$"):
		n, err := strconv.Atoi(head[1:])
		if err != nil || n < 0 || n > 1<<20 {
			return "", fmt.Errorf("redis-server answered %q", head)
		}
		text := make([]byte, n)
		_, err = io.ReadFull(r, text)
		return string(text), err
	case head == "":
		return "", errors.New("redis-server answered nothing")
	}
	return head[1:], nil
}

// operations is how many commands the server has processed since it started.
func (s *Server) operations() (int64, error) {
	info, err := s.Command("INFO stats")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(info) {
		if n, ok := strings.CutPrefix(line, "total_commands_processed:"); ok {
			return strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		}
	}
	return 0, errors.New("redis-server does not count its commands")
}
