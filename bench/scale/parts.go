package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/wiretight/wiretight/internal/cluster"
	"github.com/wiretight/wiretight/internal/store"
)

// manyRevocations fills a server step by step, with a guard that listens, and
// starts another one at each step.
func (s *scale) manyRevocations(ctx context.Context) (t *table, err error) {
	t = &table{
		title: "Revocations in one redis-server",
		head: []string{
			"revocations", "redis, µs each", "redis, bytes each", "guard that listens, µs each", "its MB",
			"new guard ready after", "its CPU until then", "its MB", "its own MB",
		},
	}
	b, err := s.newBed(ctx, "revocations")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	old := b.guards.Guards[0]
	done := 0
	for _, n := range s.revocations {
		s.say("%d revocations", n)
		before, err := cpu(old.PID())
		if err != nil {
			return t, err
		}
		cost, bytes, err := b.fill(ctx, done, n, revoke(b.store))
		if err != nil {
			return t, err
		}
		// What the guard has not read yet it reads now.
		if err := pause(ctx, s.settle); err != nil {
			return t, err
		}
		after, err := cpu(old.PID())
		if err != nil {
			return t, err
		}
		rss, _, err := resident(old.PID())
		if err != nil {
			return t, err
		}
		st, err := s.newcomer(ctx, b.guards)
		if err != nil {
			return t, err
		}
		t.add(count(n), f1(cost), f0(bytes), f1(micros(after-before, n-done)), f0(rss), seconds(st.took), seconds(st.cpu), f0(st.rss), f0(st.anon))
		done = n
	}
	return t, nil
}

// manySessions fills another server with sessions, and swaps some of them.
func (s *scale) manySessions(ctx context.Context) (t *table, err error) {
	t = &table{
		title: "Sessions in one redis-server",
		head: []string{
			"sessions", "redis, µs each", "redis, bytes each", "redis, µs a refresh", "guard that listens, MB", "new guard ready after", "its MB",
		},
	}
	b, err := s.newBed(ctx, "sessions")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	p, err := learn(ctx, b.guards, b.store)
	if err != nil {
		return nil, err
	}
	t.title += fmt.Sprintf(" (key of %d bytes, value of %d)", len(p.key), len(p.value))
	done := 0
	for _, n := range s.sessions {
		s.say("%d sessions", n)
		cost, bytes, err := b.fill(ctx, done, n, p.open(b.store))
		if err != nil {
			return t, err
		}
		var swaps []float64
		for round := range s.rounds &^ 1 { // there and back again
			swap, _, err := b.fill(ctx, 0, min(n, 10_000), p.swap(b.store, round%2 == 1))
			if err != nil {
				return t, err
			}
			swaps = append(swaps, swap)
		}
		rss, _, err := resident(b.guards.Guards[0].PID())
		if err != nil {
			return t, err
		}
		st, err := s.newcomer(ctx, b.guards)
		if err != nil {
			return t, err
		}
		t.add(count(n), f1(cost), f0(bytes), f1(median(swaps)), f0(rss), seconds(st.took), f0(st.rss))
		done = n
	}
	return t, nil
}

// manyGuards lets more and more instances listen to the same revocations.
func (s *scale) manyGuards(ctx context.Context) (t *table, err error) {
	t = &table{
		title: "Instances on one redis-server",
		head: []string{
			"guards", "redis idle, ms CPU a second", "a guard idle, ms CPU a second", "redis, µs a revocation", "a guard, µs a revocation",
			"in force everywhere after, median", "longest",
		},
	}
	b, err := s.newBed(ctx, "guards")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	done := 0
	for _, n := range s.guards {
		s.say("%d guards", n)
		for len(b.guards.Guards) < n {
			g, err := b.guards.AddGuard(ctx)
			if err != nil {
				return t, err
			}
			if err := ready(ctx, g); err != nil {
				return t, err
			}
		}
		row, err := s.fanOut(ctx, b, &done)
		if err != nil {
			return t, err
		}
		t.add(append([]string{count(n)}, row...)...)
	}
	return t, nil
}

// pace is how many revocations a second are pushed when their cost is measured.
const pace = 250

func (s *scale) fanOut(ctx context.Context, b *bed, done *int) ([]string, error) {
	var idleServer, idleGuard, server, guard, took []float64
	write := revoke(b.store)
	for range s.rounds {
		is, ig, err := b.during(func() error { return pause(ctx, s.window) })
		if err != nil {
			return nil, err
		}
		n := 0
		ls, lg, err := b.during(func() error {
			tick := time.NewTicker(time.Second / pace)
			defer tick.Stop()
			for end := time.Now().Add(s.window); time.Now().Before(end); n++ {
				<-tick.C
				if err := retried(ctx, func() error { return write(ctx, *done+n) }); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		*done += n
		second := float64(s.window) / float64(time.Second)
		idleServer = append(idleServer, is.Seconds()*1000/second)
		idleGuard = append(idleGuard, ig.Seconds()*1000/second)
		server, guard = append(server, micros(ls-is, n)), append(guard, micros(lg-ig, n))
	}
	for range 7 * s.rounds {
		d, err := b.reach(ctx)
		if err != nil {
			return nil, err
		}
		took = append(took, d.Seconds()*1000)
	}
	longest := 0.0
	for _, d := range took {
		longest = max(longest, d)
	}
	return []string{
		f1(median(idleServer)), f1(median(idleGuard)), f1(median(server)), f1(median(guard)),
		f0(median(took)) + " ms", f0(longest) + " ms",
	}, nil
}

// during says what the server and, on average, each guard have used while do ran.
func (b *bed) during(do func() error) (server, guard time.Duration, err error) {
	s0, g0, err := b.used()
	if err != nil {
		return 0, 0, err
	}
	if err := do(); err != nil {
		return 0, 0, err
	}
	s1, g1, err := b.used()
	return s1 - s0, (g1 - g0) / time.Duration(len(b.guards.Guards)), err
}

// used is the processor time of the server, and of all guards together.
func (b *bed) used() (server, guards time.Duration, err error) {
	if server, err = cpu(b.server.PID()); err != nil {
		return 0, 0, err
	}
	for _, g := range b.guards.Guards {
		one, err := cpu(g.PID())
		if err != nil {
			return 0, 0, err
		}
		guards += one
	}
	return server, guards, nil
}

// manyInBolt starts a guard on files with more and more revocations.
func (s *scale) manyInBolt(ctx context.Context) (*table, error) {
	t := &table{
		title: "Revocations in a bolt file",
		head:  []string{"revocations", "bytes of file each", "new guard ready after", "its CPU until then", "its MB", "its own MB"},
	}
	dir := filepath.Join(s.dir, "bolt")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	for _, n := range s.bolt {
		s.say("%d revocations in bolt", n)
		path := filepath.Join(dir, fmt.Sprintf("%d.db", n))
		st, err := s.onFile(ctx, path, n)
		if err != nil {
			return t, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return t, fmt.Errorf("look at the file: %w", err)
		}
		t.add(count(n), f0(float64(info.Size())/float64(n)), seconds(st.took), seconds(st.cpu), f0(st.rss), f0(st.anon))
	}
	return t, nil
}

// onFile writes revocations, has a guard make its own records beside them, and
// then measures a start.
func (s *scale) onFile(ctx context.Context, path string, n int) (st start, err error) {
	file, err := store.OpenBolt(path, time.Now)
	if err != nil {
		return st, err
	}
	err = each(ctx, 0, n, 4*callers, revoke(file))
	if err := errors.Join(err, file.Close()); err != nil {
		return st, err
	}
	c, err := cluster.Start(ctx, cluster.Config{Program: s.program, Guards: 1, StoreURL: "bolt://" + path, Staleness: 30 * time.Second})
	if err != nil {
		return st, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.Stop(c.Guards[0]); err != nil {
		return st, err
	}
	return s.newcomer(ctx, c)
}

func f0(x float64) string { return fmt.Sprintf("%.0f", x) }
func f1(x float64) string { return fmt.Sprintf("%.1f", x) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// count is a number with its thousands apart.
func count(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return count(n/1000) + fmt.Sprintf(",%03d", n%1000)
}
