package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/cluster"
	"github.com/wiretight/wiretight/internal/store"
)

// bed is a redis-server with guards on it, and our own connection to it.
type bed struct {
	server *cluster.Server
	guards *cluster.Cluster
	store  store.Store
}

func (s *scale) newBed(ctx context.Context, name string) (b *bed, err error) {
	b = &bed{}
	// Flushed once a second, as most run it, and rewritten by nobody meanwhile.
	b.server, err = cluster.NewServer(ctx, filepath.Join(s.dir, name), "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
	if err != nil {
		return nil, err
	}
	if err := b.server.Start(ctx); err != nil {
		return nil, err
	}
	url := "redis://" + b.server.Addr()
	if b.guards, err = cluster.Start(ctx, cluster.Config{Program: s.program, Guards: 1, StoreURL: url, Staleness: 30 * time.Second}); err != nil {
		b.server.Kill()
		return nil, err
	}
	if b.store, err = store.Open(ctx, url, time.Now); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), b.close())
	}
	return b, nil
}

func (b *bed) close() error {
	if b.store != nil {
		_ = b.store.Close() // nothing is left to be written
	}
	err := b.guards.Close()
	b.server.Kill()
	return err
}

// memory is what the server uses for data, in bytes.
func (b *bed) memory() (float64, error) {
	info, err := b.server.Command("INFO memory")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(info) {
		if n, ok := strings.CutPrefix(line, "used_memory:"); ok {
			return strconv.ParseFloat(strings.TrimSpace(n), 64)
		}
	}
	return 0, errors.New("redis-server does not tell its memory")
}

// fill makes changes and says what one has cost the server: processor time in
// microseconds, memory in bytes.
func (b *bed) fill(ctx context.Context, first, last int, change func(context.Context, int) error) (cost, bytes float64, err error) {
	before, err := b.memory()
	if err != nil {
		return 0, 0, err
	}
	began, err := cpu(b.server.PID())
	if err != nil {
		return 0, 0, err
	}
	if err := each(ctx, first, last, callers, change); err != nil {
		return 0, 0, err
	}
	used, err := cpu(b.server.PID())
	if err != nil {
		return 0, 0, err
	}
	after, err := b.memory()
	return micros(used-began, last-first), (after - before) / float64(last-first), err
}

// start is what a new instance needs until it is ready, and what it then has.
type start struct {
	took, cpu time.Duration
	rss, anon float64 // MB; anon is not a file's
}

// newcomer starts one more guard and takes it away again.
func (s *scale) newcomer(ctx context.Context, c *cluster.Cluster) (st start, err error) {
	began := time.Now()
	g, err := c.AddGuard(ctx)
	if err != nil {
		return st, err
	}
	if err := ready(ctx, g); err != nil {
		return st, err
	}
	st.took = time.Since(began)
	if st.cpu, err = cpu(g.PID()); err != nil {
		return st, err
	}
	// The collector has time to give back what reading has cost.
	if err := pause(ctx, s.settle); err != nil {
		return st, err
	}
	if st.rss, st.anon, err = resident(g.PID()); err != nil {
		return st, err
	}
	return st, c.Stop(g)
}

func ready(ctx context.Context, g *cluster.Guard) error {
	for deadline := time.Now().Add(2 * time.Minute); ; {
		status, body, err := g.Ready(ctx)
		if err == nil && status == 200 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the guard is not ready: %d %s %w", status, body, err)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
