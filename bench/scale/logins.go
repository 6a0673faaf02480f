package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/cluster"
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
	var session cluster.Session
	login := func() (status int) { session, status = g.Login(ctx); return status }
	if err := answered(ctx, login); err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	for _, kind := range []struct {
		name string
		n    int
		ask  func() int
	}{
		{"login", s.asks/16 + 1, login}, // hashing is slow on purpose
		{"refresh", s.asks, func() (status int) { session, status = g.Refresh(ctx, session); return status }},
		{"ordinary, token remembered", 5 * s.asks, func() int { return g.ItemsOf(ctx, session) }},
		{"`once`", s.asks, func() int { return g.Pay(ctx, b.guards.Token().Raw) }},
	} {
		row, err := s.costOf(ctx, b, g.PID(), kind.n, kind.ask)
		if err != nil {
			return t, fmt.Errorf("%s: %w", kind.name, err)
		}
		t.add(append([]string{kind.name}, row...)...)
	}
	return t, nil
}

// costOf is the median of the rounds.
func (s *scale) costOf(ctx context.Context, b *bed, pid, n int, ask func() int) ([]string, error) {
	var guard, hashing, server []float64
	for range s.rounds {
		h0 := children(pid)
		s0, g0, err := b.used()
		if err != nil {
			return nil, err
		}
		for range n {
			if err := answered(ctx, ask); err != nil {
				return nil, err
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

// answered asks until it is answered with 200. 503 says that the store was slow,
// which is no reason to throw away what was measured before: the machine is busy
// on purpose.
func answered(ctx context.Context, ask func() int) error {
	for try := 0; ; try++ {
		status := ask()
		if status == http.StatusOK {
			return nil
		}
		if status != http.StatusServiceUnavailable || try == tries {
			return fmt.Errorf("got %d", status)
		}
		if err := pause(ctx, again); err != nil {
			return err
		}
	}
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
