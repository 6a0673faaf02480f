package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// How many are measured: enough for the clocks, and hashing is slow on purpose.
const (
	logins    = 60
	refreshes = 1000
	asks      = 5000
)

// requests measures what whole requests cost a guard and its redis-server.
func (s *scale) requests(ctx context.Context) (t *table, err error) {
	t = &table{title: "Requests, one after the other", head: []string{"request", "guard, µs CPU", "its hashing, µs CPU", "redis, µs CPU"}}
	s.say("requests")
	b, err := s.newBed(ctx, "requests")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	g := b.guards.Guards[0]
	session, status := g.Login(ctx)
	if status != 200 {
		return nil, fmt.Errorf("log in: got %d", status)
	}
	for _, kind := range []struct {
		name string
		n    int
		ask  func() int
	}{
		{"login", logins, func() int { _, status := g.Login(ctx); return status }},
		{"refresh", refreshes, func() (status int) { session, status = g.Refresh(ctx, session); return status }},
		{"ordinary, token remembered", asks, func() int { return g.ItemsOf(ctx, session) }},
		{"`once`", refreshes, func() int { return g.Pay(ctx, b.guards.Token().Raw) }},
	} {
		row, err := s.costOf(b, g.PID(), kind.n, kind.ask)
		if err != nil {
			return t, fmt.Errorf("%s: %w", kind.name, err)
		}
		t.add(append([]string{kind.name}, row...)...)
	}
	return t, nil
}

// costOf is the median of the rounds.
func (s *scale) costOf(b *bed, pid, n int, ask func() int) ([]string, error) {
	var guard, hashing, server []float64
	for range s.rounds {
		h0 := children(pid)
		s0, g0, err := b.used()
		if err != nil {
			return nil, err
		}
		for range n {
			if status := ask(); status != 200 {
				return nil, fmt.Errorf("got %d", status)
			}
		}
		s1, g1, err := b.used()
		if err != nil {
			return nil, err
		}
		guard, server = append(guard, micros(g1-g0, n)), append(server, micros(s1-s0, n))
		hashing = append(hashing, micros(children(pid)-h0, n))
	}
	return []string{f0(median(guard)), f0(median(hashing)), f0(median(server))}, nil
}

// children is the processor time of those that a process has now: the one that
// hashes passwords. One that has ended counts as nothing.
func children(pid int) (sum time.Duration) {
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0
	}
	for _, task := range all {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil {
			continue
		}
		for child := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				if used, err := cpu(n); err == nil {
					sum += used
				}
			}
		}
	}
	return sum
}
