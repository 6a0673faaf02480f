package store_test

import (
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/port"
	"github.com/wiretight/wiretight/internal/store/storetest"
)

// server is a redis-server of the test's own, on loopback.
type server struct {
	t         testing.TB
	port      int
	args      []string
	dir       string
	sentinel  string // its configuration file, if it is a Sentinel
	process   *exec.Cmd
	databases atomic.Int64
}

// startServer starts a server with further arguments and waits until it answers.
func startServer(t testing.TB, args ...string) *server {
	s := &server{t: t, port: freePort(t), args: args}
	s.start()
	return s
}

// freePort is a port that nobody listens on, nor ever will but us.
func freePort(t testing.TB) int {
	t.Helper()
	_, number, _ := net.SplitHostPort(port.Keep(t))
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (s *server) start() {
	s.t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatal("redis-server is missing: apt-get install redis-server")
	}
	if s.dir == "" {
		s.dir = s.t.TempDir()
	}
	args := append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--databases", "2000",
		"--save", "", "--dir", s.dir, "--repl-diskless-sync-delay", "0",
	}, s.args...)
	if s.sentinel != "" {
		args = []string{s.sentinel, "--sentinel"}
	}
	s.process = exec.Command(path, args...)
	var out strings.Builder
	s.process.Stdout, s.process.Stderr = &out, &out
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	process := s.process
	s.t.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })
	deadline := time.Now().Add(formed)
	storetest.Eventually(s.t, 2*formed, func() bool {
		if time.Now().After(deadline) {
			s.t.Fatalf("redis-server does not answer; it wrote:\n%s", out.String())
		}
		return s.answers()
	})
}

func (s *server) answers() bool {
	_, err := s.command("PING")
	return err == nil
}

// command sends an inline command and returns the first line of the answer.
func (s *server) command(line string) (string, error) {
	answer, err := s.whole(line)
	answer, _, _ = strings.Cut(answer, "\r\n")
	return answer, err
}

// whole sends an inline command and returns the answer as it was sent.
func (s *server) whole(line string) (string, error) {
	c, err := net.DialTimeout("tcp", s.Address(), formed)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(formed))
	if _, err := fmt.Fprintf(c, "%s\r\n", line); err != nil {
		return "", err
	}
	buf := make([]byte, 64<<10)
	n, err := c.Read(buf)
	if err != nil {
		return "", err
	}
	answer := string(buf[:n])
	if strings.HasPrefix(answer, "-LOADING") {
		return "", fmt.Errorf("%s", answer)
	}
	return answer, nil
}

func (s *server) must(line string) string {
	s.t.Helper()
	answer, err := s.command(line)
	if err != nil || strings.HasPrefix(answer, "-") {
		s.t.Fatalf("%s: got %q, %v", line, answer, err)
	}
	return answer
}

// kill ends the server at once.
func (s *server) kill() {
	s.t.Helper()
	if err := s.process.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	_ = s.process.Wait()
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Address is host and port.
func (s *server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL names a database that nobody has used.
func (s *server) URL() string {
	return fmt.Sprintf("redis://%s/%d", s.Address(), s.databases.Add(1))
}
