package keyset_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/keyset"
)

func TestKidStorm(t *testing.T) {
	t.Parallel()
	const callers = 1000
	set := jwks(jwk(t, "a"))
	var here sync.WaitGroup
	here.Add(callers)
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		here.Wait() // nobody is served before all have asked
		body(set)(w, r)
	})
	s := source(t, keyset.Remote{URL: i.URL, Now: newClock().now})
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			here.Done()
			ks, _, err := s.Refetch(t.Context(), fmt.Sprint("unknown ", n))
			if err == nil && ks.Has("a") {
				return
			}
			// One who came too late for the flight and too soon for the next has
			// what Current had at that time.
			if !errors.Is(err, keyset.ErrUnavailable) {
				t.Errorf("Refetch: got %v, %v", ks, err)
			}
		})
	}
	all.Wait()
	mustHave(t, s, "a")
	for n := range callers {
		if _, _, err := s.Refetch(t.Context(), fmt.Sprint("another ", n)); err != nil {
			t.Fatalf("Refetch: got %v, want nil", err)
		}
	}
	if got := i.requests.Load(); got != 1 {
		t.Errorf("fetches for %d unknown kids: got %d, want 1", 2*callers, got)
	}
}

func TestRefetchPace(t *testing.T) {
	t.Parallel()
	c, i := newClock(), newIssuer(t, body(jwks(jwk(t, "a"))))
	s := source(t, keyset.Remote{URL: i.URL, Now: c.now})
	bad := status(500)
	rotated := body(jwks(jwk(t, "a"), jwk(t, "late")))
	steps := []struct {
		name    string
		wait    time.Duration
		handler http.HandlerFunc // nil: as before
		kid     string
		fetches int64
		found   bool
	}{
		{"no keys yet", 0, nil, "a", 1, true},
		{"known", time.Hour / 2, nil, "a", 0, true},
		{"unknown, too soon after the first", -time.Hour/2 + 9*time.Second, nil, "x", 0, false},
		{"unknown", time.Second, nil, "x", 1, false},
		{"the same, too soon", 9 * time.Second, nil, "x", 0, false},
		{"the same, remembered", time.Second, nil, "x", 0, false},
		{"another", 0, nil, "y", 1, false},
		{"a third, too soon", 9 * time.Second, nil, "z", 0, false},
		{"the first, forgotten", 12 * time.Second, nil, "x", 1, false},
		{"key not published yet", 10 * time.Second, nil, "late", 1, false},
		{"published, but remembered as missing", 10 * time.Second, rotated, "late", 0, false},
		{"published, and forgotten", 20 * time.Second, nil, "late", 1, true},
		{"issuer fails", 10 * time.Second, bad, "w", 1, false},
		{"issuer fails, too soon", 9 * time.Second, nil, "w", 0, false},
		{"a failure is no proof of absence", time.Second, nil, "w", 1, false},
		{"no name", 10 * time.Second, rotated, "", 1, false},
	}
	for _, step := range steps {
		c.advance(step.wait)
		if step.handler != nil {
			i.set(step.handler)
		}
		before := i.requests.Load()
		ks, generation, err := s.Refetch(t.Context(), step.kid)
		if err != nil || generation == 0 {
			t.Fatalf("%s: Refetch: got generation %d, %v, want keys", step.name, generation, err)
		}
		if got := ks.Has(step.kid); got != step.found {
			t.Errorf("%s: found: got %v, want %v", step.name, got, step.found)
		}
		if got := i.requests.Load() - before; got != step.fetches {
			t.Errorf("%s: fetches: got %d, want %d", step.name, got, step.fetches)
		}
	}
}

// A caller who gives up does not take the others' fetch along.
func TestRefetchGivenUp(t *testing.T) {
	t.Parallel()
	set := jwks(jwk(t, "a"))
	asked, release := make(chan struct{}), make(chan struct{})
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-release
		body(set)(w, r)
	})
	s := source(t, keyset.Remote{URL: i.URL})
	ctx, giveUp := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, _, err := s.Refetch(ctx, "a")
		first <- err
	}()
	<-asked
	go func() {
		_, _, err := s.Refetch(t.Context(), "a")
		second <- err
	}()
	giveUp()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: got %v, want %v", err, context.Canceled)
	}
	close(release)
	if err := <-second; err != nil {
		t.Errorf("the other: got %v, want nil", err)
	}
	mustHave(t, s, "a")
}

// A fetch that began before a token came may miss the token's key; the caller
// who joined it asks once more.
func TestRefetchAfterAnEarlierFlight(t *testing.T) {
	t.Parallel()
	old, fresh := body(jwks(jwk(t, "old"))), body(jwks(jwk(t, "fresh")))
	asked, release := make(chan struct{}), make(chan struct{})
	i := newIssuer(t, nil)
	i.set(func(w http.ResponseWriter, r *http.Request) {
		i.set(fresh)
		close(asked)
		<-release
		old(w, r)
	})
	s := source(t, keyset.Remote{URL: i.URL})
	running(t, s)
	<-asked
	got := make(chan bool, 1)
	go func() {
		ks, _, err := s.Refetch(t.Context(), "fresh")
		got <- err == nil && ks.Has("fresh")
	}()
	close(release)
	if !<-got {
		t.Error("key that came up during a fetch: got none, want it")
	}
	if got := i.requests.Load(); got != 2 {
		t.Errorf("fetches: got %d, want 2", got)
	}
}
