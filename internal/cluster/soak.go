package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Soak is a run under load in which the store is killed now and then.
type Soak struct {
	Config
	Mix
	// Duration is how long the load lasts, the kills within it; 60 s.
	Duration time.Duration
	// Kills is how often the store is killed with SIGKILL; 3. Less than 0: never.
	Kills int
	// Down is how long it stays away each time; 3 s.
	Down time.Duration
	// Slack is how many times longer than promised service may take to return,
	// for a machine that does other things as well; 1.
	Slack int
	// Say is told what happens; nil: nobody.
	Say func(string)
}

// Run soaks, and reports what the guards, their clients and the upstream saw.
// An error means that the run itself failed; broken promises are in the report.
func (s Soak) Run(ctx context.Context) (*Report, error) {
	s.Duration, s.Down = orElse(s.Duration, time.Minute), orElse(s.Down, 3*time.Second)
	s.Kills, s.Slack = max(0, orElse(s.Kills, 3)), orElse(s.Slack, 1)
	if s.Say == nil {
		s.Say = func(string) {}
	}
	c, err := Start(ctx, s.Config)
	if err != nil {
		return nil, err
	}
	s.Say(fmt.Sprintf("%d guards and redis-server run", len(c.Guards)))
	r := &Report{Guards: len(c.Guards)}
	begin := time.Now()
	stopCounting := r.count(c.Store)
	load := c.Load(s.Mix)
	err = s.kill(ctx, c, r, begin)
	if err == nil {
		wait(ctx, s.Duration-time.Since(begin))
	}
	r.Took = time.Since(begin)
	s.Say("the load ends; what was acknowledged is looked at again")
	load.Stop()
	stopCounting()
	r.take(c)
	if err := c.Close(); err != nil {
		return r, err
	}
	if err == nil {
		err = ctx.Err()
	}
	return r, err
}

// kill kills and restarts the store, at even distances.
func (s Soak) kill(ctx context.Context, c *Cluster, r *Report, begin time.Time) error {
	for n := range s.Kills {
		at := s.Duration * time.Duration(2*n+1) / time.Duration(2*s.Kills)
		if !wait(ctx, at-time.Since(begin)) {
			return ctx.Err()
		}
		c.Judge.FaultBegins()
		killed := time.Now()
		c.Store.Kill()
		if err := c.AwaitUnready(ctx, s.Down+ReturnWithin, c.Guards...); err != nil {
			return err
		}
		unready := time.Since(killed)
		wait(ctx, s.Down-time.Since(killed))
		if err := c.Store.Start(ctx); err != nil {
			return err
		}
		back, err := c.AwaitReturn(ctx, s.Slack)
		r.Kills = append(r.Kills, Kill{Unready: unready, Down: time.Since(killed) - longest(back), Back: back})
		if err != nil {
			return err
		}
		s.Say(fmt.Sprintf("kill %d: not ready after %v, whole again %v after the store", n+1, round(unready), round(longest(back))))
	}
	return nil
}

// count adds up the store's commands, over its restarts. What a killed server
// did since it was last asked is missing.
func (r *Report) count(s *Server) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var task sync.WaitGroup
	task.Go(func() {
		last := int64(0)
		for wait(ctx, 200*time.Millisecond) {
			n, err := s.operations()
			if err != nil {
				continue
			}
			if n < last {
				last = 0
			}
			r.Operations += n - last - 1 // the question itself
			last = n
		}
	})
	return func() {
		cancel()
		task.Wait()
	}
}
