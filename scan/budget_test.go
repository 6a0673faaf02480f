package scan_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/scan"
)

func TestMaxRequests(t *testing.T) {
	t.Parallel()
	a := &api{}
	c, _ := a.start(t)
	c.MaxRequests = 70
	r := within(t, c, func(ctx context.Context, target *scan.Target) scan.Verdict {
		for {
			if _, err := target.Do(ctx, scan.Request{}); err != nil {
				if !errors.Is(err, scan.ErrBudget) {
					t.Errorf("got %v, want ErrBudget", err)
				}
				return scan.Unsure(err.Error())
			}
		}
	})
	if got := a.count.Load(); got > 70 || r.Requests != 70 {
		t.Errorf("got %d requests at the target and %d in the report, want 70", got, r.Requests)
	}
	if !strings.Contains(r.Incomplete, "budget") || r.Grade != nil {
		t.Errorf("got incomplete %q and grade %v, want no grade", r.Incomplete, r.Grade)
	}
}

// TestRate counts what the target sees of eight checks that all want more, a few
// times if need be: a busy machine may hold up the first request or the last.
func TestRate(t *testing.T) {
	const rate = 50.0 // not side by side: time is measured
	var got float64
	for range 5 {
		if got = seenRate(t, rate, 100); got <= rate*1.05 && got >= rate*0.95 {
			return
		}
	}
	t.Errorf("got %.1f requests a second, want %.0f within 5 %%", got, rate)
}

// seenRate is how many of so many requests a second reach the target.
func seenRate(t *testing.T, rate float64, requests int64) float64 {
	t.Helper()
	var mu sync.Mutex
	var times []time.Time
	a := &api{extra: func(http.ResponseWriter, *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		times = append(times, time.Now())
		return false
	}}
	c, _ := a.start(t)
	c.Rate = rate
	var asked atomic.Int64
	var checks []scan.Check
	for i := range 8 {
		checks = append(checks, scan.Check{ID: "test." + string(rune('a'+i)), Run: func(ctx context.Context, target *scan.Target) scan.Verdict {
			for asked.Add(1) <= requests {
				if _, err := target.Do(ctx, scan.Request{}); err != nil {
					return scan.Unsure(err.Error())
				}
			}
			return scan.Pass()
		}})
	}
	if _, err := scan.Run(t.Context(), c, checks); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	return float64(len(times)-1) / times[len(times)-1].Sub(times[0]).Seconds()
}

func TestBackOff(t *testing.T) {
	t.Parallel()
	var limited atomic.Int64
	a := &api{extra: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/slow" && limited.Add(1) <= 2 {
			w.Header().Set("Retry-After", "0.2")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		if r.URL.Path == "/always" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}}
	c, _ := a.start(t)
	look(t, c, func(ctx context.Context, target *scan.Target) {
		began := time.Now()
		r, err := target.Do(ctx, scan.Request{Path: "/slow"})
		if err != nil || r.Status != http.StatusNotFound {
			t.Errorf("got %+v, %v, want the answer after two 429", r, err)
		}
		if took := time.Since(began); took < 400*time.Millisecond {
			t.Errorf("took %v, want both waits of 0.2 s", took)
		}
		r, err = target.Do(ctx, scan.Request{Path: "/always"})
		if err != nil || r.Status != http.StatusServiceUnavailable {
			t.Errorf("got %+v, %v, want the 503 in the end", r, err)
		}
		before := a.count.Load()
		if r, err = target.Do(ctx, scan.Request{Path: "/always", NoRetry: true}); err != nil || r.Status != 503 || a.count.Load() != before+1 {
			t.Errorf("got %+v, %v after %d requests, want one", r, err, a.count.Load()-before)
		}
	})
}
