package guard_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/store"
)

// longList is a store with so many revocations, of tokens that nobody has.
type longList struct {
	store.Store
	n int
}

func (s *longList) Watch(ctx context.Context, _ string, changed func(store.Record), synced func()) error {
	changed(store.Record{Pass: true, Deleted: true})
	for i := range s.n {
		key := revocation.Key(revocation.SID, revocation.Hash(revocation.SID, strconv.Itoa(i)))
		changed(store.Record{Key: key, Value: []byte("{}")})
	}
	for {
		synced()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// BenchmarkRevocations measures what the length of the list costs a request
// with a remembered token, on all processors at once.
func BenchmarkRevocations(b *testing.B) {
	for _, n := range []int{0, 1_000_000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			signer := newSigner(b, "key-1")
			memory := store.NewMemory(nil, 1000)
			b.Cleanup(func() { _ = memory.Close() })
			g, err := guard.New(guard.Config{
				Hosts: []string{testHost}, Store: &longList{memory, n},
				Tokens: guard.Tokens{Cache: 1000, Issuers: []guard.Issuer{{
					Issuer: testIssuer, Audiences: []string{testAudience}, Algorithms: []string{"ES256"}, JWKS: jwks(b, signer),
				}}},
			})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = g.Close() })
			eventually(b, "the list is read", func() bool { return g.Ready().Ready })
			now := time.Now()
			raw, err := signer.Sign("at+jwt", map[string]any{
				"iss": testIssuer, "aud": testAudience, "sub": "alice", "jti": randomID(), "sid": "mine",
				"iat": now.Unix(), "exp": now.Add(50 * time.Minute).Unix(),
			})
			if err != nil {
				b.Fatal(err)
			}
			handler := g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := secureRequest("GET", "/items/42")
					r.Header.Set("Authorization", "Bearer "+raw)
					w := &blank{header: http.Header{}}
					handler.ServeHTTP(w, r)
				}
			})
		})
	}
}
