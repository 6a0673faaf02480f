package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
)

// callers are how many requests come at once.
const callers = 64

// deployments are the forms in which servers come.
func deployments(b *testing.B) map[string]func() string {
	return map[string]func() string{
		"standalone": func() string { return startServer(b).URL() + "?" },
		"cluster=3":  func() string { return addresses(startCluster(b, 3, 0, calm).nodes) },
		"wait=1": func() string {
			primary := startServer(b)
			startReplica(b, primary)
			return "redis://" + primary.Address() + "?wait=1&"
		},
	}
}

// benchmarkValkey measures work of callers, each with a number of its own.
func benchmarkValkey(b *testing.B, work func(s store.Store, caller int) error) {
	for name, url := range deployments(b) {
		b.Run(name, func(b *testing.B) {
			s, err := store.OpenPatient(fresh(url()))
			opened(b, s, err)
			var left atomic.Int64
			left.Store(int64(b.N))
			errs := make(chan error, callers)
			b.ReportAllocs()
			b.ResetTimer()
			for caller := range callers {
				go func() {
					var err error
					for err == nil && left.Add(-1) >= 0 {
						err = work(s, caller)
					}
					errs <- err
				}()
			}
			for range callers {
				if err := <-errs; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}

// BenchmarkValkeyConsume uses tokens up, as a route that is good once does.
func BenchmarkValkeyConsume(b *testing.B) {
	benchmarkValkey(b, func(s store.Store, _ int) error {
		key := fmt.Sprintf("once/%064x", benchmarkKeys.Add(1))
		return s.Replace(context.Background(), key, nil, []byte{1}, time.Now().Add(time.Hour))
	})
}

// BenchmarkValkeySwap replaces records of a session's size, as refreshes do.
func BenchmarkValkeySwap(b *testing.B) {
	type place struct {
		store  store.Store
		caller int
	}
	var mu sync.Mutex
	last := make(map[place][]byte)
	benchmarkValkey(b, func(s store.Store, caller int) error {
		at := place{s, caller}
		mu.Lock()
		old := last[at]
		mu.Unlock()
		next := fmt.Appendf(nil, "%0400d", benchmarkKeys.Add(1))
		key := fmt.Sprintf("issuer/session/%d", caller)
		err := s.Replace(context.Background(), key, old, next, time.Now().Add(time.Hour))
		mu.Lock()
		last[at] = next
		mu.Unlock()
		return err
	})
}
