package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// masterSet is what the Sentinels call the primary.
const masterSet = "main"

// Replicated is a primary with two replicas, and three Sentinels that put one
// of these in its place when it has been silent for a second.
type Replicated struct {
	Primary   *Server
	replicas  []*Server
	sentinels []*Server
}

// StartReplicated starts all of them in dir, and waits until they know each
// other. What it has started when it fails, it ends.
func StartReplicated(ctx context.Context, dir string) (*Replicated, error) {
	r := &Replicated{}
	if err := r.start(ctx, dir); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Replicated) start(ctx context.Context, dir string) (err error) {
	if r.Primary, err = NewServer(ctx, filepath.Join(dir, "primary")); err != nil {
		return err
	}
	if err := r.Primary.Start(ctx); err != nil {
		return err
	}
	for i := range 2 {
		s, err := NewServer(ctx, filepath.Join(dir, fmt.Sprint("replica", i)), "--replicaof", "127.0.0.1 "+r.Primary.port)
		if err != nil {
			return err
		}
		r.replicas = append(r.replicas, s)
		if err := s.Start(ctx); err != nil {
			return err
		}
		if err := s.says(ctx, "INFO replication", "master_link_status:up"); err != nil {
			return err
		}
	}
	for i := range 3 {
		s, err := newSentinel(ctx, filepath.Join(dir, fmt.Sprint("sentinel", i)), r.Primary)
		if err != nil {
			return err
		}
		r.sentinels = append(r.sentinels, s)
		if err := s.Start(ctx); err != nil {
			return err
		}
	}
	for _, s := range r.sentinels {
		if err := s.says(ctx, "INFO sentinel", "slaves=2,sentinels=3"); err != nil {
			return err
		}
	}
	return nil
}

// newSentinel writes the file that a Sentinel reads, and later writes itself.
func newSentinel(ctx context.Context, dir string, primary *Server) (*Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a Sentinel's folder: %w", err)
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf(`port %s
bind 127.0.0.1
dir %s
sentinel monitor %[3]s 127.0.0.1 %s 2
sentinel down-after-milliseconds %[3]s 1000
sentinel failover-timeout %[3]s 4000
`, port, dir, masterSet, primary.port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write a Sentinel's configuration: %w", err)
	}
	return &Server{dir: dir, port: port, args: []string{file, "--sentinel"}}, nil
}

// says waits until the server's answer to a command holds a text.
func (s *Server) says(ctx context.Context, command, text string) error {
	_, err := poll(ctx, 30*time.Second, fmt.Sprintf("redis-server answers %s with %q", command, text), func() bool {
		said, err := s.Command(command)
		return err == nil && strings.Contains(said, text) || s.p.running() != nil
	})
	return errors.Join(err, s.p.running())
}

// URL names the Sentinels. A change counts when a replica has it too.
func (r *Replicated) URL() string {
	u := fmt.Sprintf("redis://%s?master_set=%s&wait=1", r.sentinels[0].Addr(), masterSet)
	for _, s := range r.sentinels[1:] {
		u += "&addr=" + s.Addr()
	}
	return u
}

// Close kills all of them.
func (r *Replicated) Close() {
	all := append(append([]*Server{}, r.sentinels...), r.replicas...)
	if r.Primary != nil {
		all = append(all, r.Primary)
	}
	for _, s := range all {
		s.Kill()
	}
}
