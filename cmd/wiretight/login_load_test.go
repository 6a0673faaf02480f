package main

import (
	"context"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestLoginsDoNotStarveTheAPI measures the API's answers while passwords are
// being looked at as fast as they can be. A machine that does other things as
// well gives no exact figures, so the limit is generous: it finds an API that
// waits for logins, not one that shares the processor with them.
func TestLoginsDoNotStarveTheAPI(t *testing.T) {
	b := newBed(t)
	b.config(issuerOn + "rate_limit: {login: 100000/m}\n")
	g := b.start("-c", "wiretight.yaml")
	b.ok(testPassword, "users", "add", "alice", "--password-stdin")
	raw := b.mint(nil)
	measure := func() time.Duration {
		var took []time.Duration
		for begin := time.Now(); time.Since(begin) < 2*time.Second; {
			start := time.Now()
			g.want(200, "/items", raw)
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		t.Logf("%d requests: median %v, 99th percentile %v", len(took), took[len(took)/2], took[len(took)*99/100])
		return took[len(took)*99/100]
	}
	// Whoever waits for logins does so each time; whoever waited for other work of
	// this machine does not.
	var alone, busy time.Duration
	for range 5 {
		alone = measure()
		busy = g.whileLoggingIn(measure)
		if busy <= 5*alone+20*time.Millisecond {
			g.stop()
			return
		}
	}
	t.Errorf("the 99th percentile of the API is %v while others log in, and %v else; want under %v", busy, alone, 5*alone+20*time.Millisecond)
}

// whileLoggingIn measures while four try to log in without a pause.
func (g *instance) whileLoggingIn(measure func() time.Duration) time.Duration {
	t := g.bed.t
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var logins sync.WaitGroup
	var tried atomic.Int64
	for range 4 {
		logins.Go(func() {
			for ctx.Err() == nil {
				if status, _ := g.post("/auth/login", visitor{}, url.Values{"username": {"alice"}, "password": {"wrong password"}}); status != 401 && status != 503 {
					t.Errorf("login: got %d, want 401", status)
				}
				tried.Add(1)
			}
		})
	}
	took := measure()
	stop()
	logins.Wait()
	t.Logf("%d logins meanwhile", tried.Load())
	if tried.Load() == 0 {
		t.Error("nobody has logged in, so that this test tells nothing")
	}
	return took
}
