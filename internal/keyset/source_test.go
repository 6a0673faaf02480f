package keyset_test

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/token"
)

func TestNoKeys(t *testing.T) {
	t.Parallel()
	tests := map[string]*keyset.Source{
		"zero":   {},
		"static": keyset.Static(nil),
		"local":  keyset.NewLocal(nil),
		"remote": source(t, keyset.Remote{URL: "https://issuer.test/jwks"}),
	}
	for name, s := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mustBeUnavailable(t, s)
			if err := s.Err(); !errors.Is(err, keyset.ErrUnavailable) {
				t.Errorf("Err: got %v, want %v", err, keyset.ErrUnavailable)
			}
			if age, ok := s.Age(time.Now()); ok {
				t.Errorf("Age: got %v, want none", age)
			}
		})
	}
}

func TestStatic(t *testing.T) {
	t.Parallel()
	s := keyset.Static(parsed(t, jwks(jwk(t, "a"))))
	generation := mustHave(t, s, "a")
	s.Run(t.Context()) // returns at once
	ks, again, err := s.Refetch(t.Context(), "b")
	if err != nil || again != generation || !ks.Has("a") {
		t.Errorf("Refetch: got %v, %d, %v, want the keys of generation %d", ks, again, err, generation)
	}
	if err := s.Err(); err != nil {
		t.Errorf("Err: got %v, want nil", err)
	}
	if age, ok := s.Age(time.Now()); ok {
		t.Errorf("Age: got %v, want none", age)
	}
	defer func() {
		if recover() == nil {
			t.Error("Set on a static Source: got no panic, want one")
		}
	}()
	s.Set(nil)
}

func TestLocal(t *testing.T) {
	t.Parallel()
	a, b := jwk(t, "a"), jwk(t, "b")
	s := keyset.NewLocal(parsed(t, jwks(a)))
	first := mustHave(t, s, "a")
	s.Set(parsed(t, jwks(a)))
	if got := mustHave(t, s, "a"); got != first {
		t.Errorf("generation after an equal set: got %d, want %d", got, first)
	}
	s.Set(parsed(t, jwks(b)))
	second := mustHave(t, s, "b")
	if second <= first {
		t.Errorf("generation: got %d, want more than %d", second, first)
	}
	s.Set(nil)
	mustBeUnavailable(t, s)
	s.Set(parsed(t, jwks(b)))
	if got := mustHave(t, s, "b"); got <= second {
		t.Errorf("generation: got %d, want more than %d", got, second)
	}
	if err := s.Err(); err != nil {
		t.Errorf("Err: got %v, want nil", err)
	}
}

// A cache that is keyed by the generation alone must not take the keys of one
// Source for those of another.
func TestGenerationsDifferBetweenSources(t *testing.T) {
	t.Parallel()
	seen := map[uint64]bool{}
	for range 10 {
		generation := mustHave(t, keyset.Static(parsed(t, jwks(jwk(t, "a")))), "a")
		if seen[generation] {
			t.Fatalf("generation %d: got it twice, want it once", generation)
		}
		seen[generation] = true
	}
}

func TestLocalFromManySides(t *testing.T) {
	t.Parallel()
	sets := []*token.KeySet{parsed(t, jwks(jwk(t, "a"))), parsed(t, jwks(jwk(t, "b")))}
	s := keyset.NewLocal(sets[0])
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			var last uint64
			for j := range 500 {
				if i == 0 {
					s.Set(sets[j%2])
				}
				ks, generation, err := s.Current()
				if err != nil || ks == nil || generation < last {
					t.Errorf("Current: got %v, %d, %v after generation %d", ks, generation, err, last)
					return
				}
				last = generation
			}
		})
	}
	all.Wait()
}

func TestSame(t *testing.T) {
	t.Parallel()
	a := jwk(t, "a")
	static := keyset.Static(parsed(t, jwks(a)))
	local := keyset.NewLocal(parsed(t, jwks(a)))
	base := keyset.Remote{URL: "https://issuer.test/jwks"}
	discovered := keyset.Remote{Discovery: true, Issuer: "https://issuer.test"}
	withCA := func(r keyset.Remote, issuers ...*issuer) keyset.Remote {
		r.CA = x509.NewCertPool()
		for _, i := range issuers {
			r.CA.AddCert(i.Certificate())
		}
		return r
	}
	ca := newTLSIssuer(t, status(200))
	tests := []struct {
		name string
		a, b *keyset.Source
		want bool
	}{
		{"none", static, nil, false},
		{"one", local, local, true},
		{"static with equal keys", static, keyset.Static(parsed(t, jwks(a))), true},
		{"static with other keys", static, keyset.Static(parsed(t, jwks(jwk(t, "a")))), false},
		{"static without keys", keyset.Static(nil), keyset.Static(nil), false},
		{"local", local, keyset.NewLocal(parsed(t, jwks(a))), false},
		{"kinds", static, local, false},
		{"remote", source(t, base), source(t, base), true},
		{"remote, clocks apart", source(t, base), source(t, keyset.Remote{URL: base.URL, Now: newClock().now}), true},
		{"remote, other URL", source(t, base), source(t, keyset.Remote{URL: base.URL + "2"}), false},
		{"remote, CA or none", source(t, base), source(t, withCA(base)), false},
		{"remote, equal CA", source(t, withCA(base, ca)), source(t, withCA(base, ca)), true},
		{"remote, other CA", source(t, withCA(base)), source(t, withCA(base, ca)), false},
		{"discovery", source(t, discovered), source(t, discovered), true},
		{"discovery or URL", source(t, discovered), source(t, keyset.Remote{URL: discovered.Issuer}), false},
		{
			"discovery, other issuer", source(t, discovered),
			source(t, keyset.Remote{Discovery: true, URL: discovered.Issuer, Issuer: "https://other.test"}), false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.a.Same(tt.b); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if got := tt.b.Same(tt.a); got != tt.want {
				t.Errorf("the other way: got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCurrentAllocatesNothing(t *testing.T) {
	c := newClock()
	i := newIssuer(t, body(jwks(jwk(t, "a"))))
	s := source(t, keyset.Remote{URL: i.URL, Now: c.now})
	if _, _, err := s.Refetch(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(100, func() {
		if _, _, err := s.Current(); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("allocations: got %v, want 0", n)
	}
}

func BenchmarkCurrent(b *testing.B) {
	i := newIssuer(b, body(jwks(jwk(b, "a"))))
	s, err := keyset.NewRemote(keyset.Remote{URL: i.URL})
	if err != nil {
		b.Fatal(err)
	}
	if _, _, err := s.Refetch(b.Context(), "a"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := s.Current(); err != nil {
				b.Error(err)
			}
		}
	})
}
