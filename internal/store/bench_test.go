package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
)

// engines opens each store once more for a benchmark.
func engines(b *testing.B) map[string]func(b *testing.B) store.Store {
	return map[string]func(b *testing.B) store.Store{
		"memory": func(b *testing.B) store.Store {
			return opened(b, store.NewMemory(nil, 1<<30), nil)
		},
		"bolt": func(b *testing.B) store.Store {
			s, err := store.OpenBolt(filepath.Join(b.TempDir(), "state.db"), nil)
			return opened(b, s, err)
		},
		"valkey": func(b *testing.B) store.Store {
			s, err := store.Open(context.Background(), startServer(b).URL(), nil)
			return opened(b, s, err)
		},
	}
}

var benchmarkKeys atomic.Int64

// BenchmarkReplace consumes fresh keys, as a route that is good once does.
func BenchmarkReplace(b *testing.B) {
	for name, open := range engines(b) {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
				s := open(b)
				expires := time.Now().Add(time.Hour)
				work := make(chan struct{})
				ended := make(chan error, callers)
				for range callers {
					go func() {
						var err error
						for range work {
							key := fmt.Sprintf("jti:https://issuer.example/:%032x", benchmarkKeys.Add(1))
							if e := s.Replace(context.Background(), key, nil, []byte{}, expires); e != nil {
								err = e
							}
						}
						ended <- err
					}()
				}
				b.ResetTimer()
				for range b.N {
					work <- struct{}{}
				}
				close(work)
				for range callers {
					if err := <-ended; err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
			})
		}
	}
}

// BenchmarkReplay is refused each time.
func BenchmarkReplay(b *testing.B) {
	for name, open := range engines(b) {
		b.Run(name, func(b *testing.B) {
			s := open(b)
			if err := s.Replace(context.Background(), "jti", nil, []byte{}, time.Time{}); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if s.Replace(context.Background(), "jti", nil, []byte{}, time.Time{}) == nil {
					b.Fatal("replay was accepted")
				}
			}
		})
	}
}
