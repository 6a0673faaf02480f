package keyset_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wiretight/wiretight/internal/keyset"
	"github.com/wiretight/wiretight/internal/port"
)

// inBubble runs f on fake time. Issuers that f asks must be outside, or their
// open listeners would keep the time from passing.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// pass lets fake time pass, and what it sets off come to its end.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestPace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		header    []string
		low, high time.Duration
	}{
		{"none", nil, 270 * time.Second, 300 * time.Second},
		{"public", []string{"Cache-Control", "public"}, 270 * time.Second, 300 * time.Second},
		{"ten minutes", []string{"Cache-Control", "public, max-age=600, must-revalidate"}, 540 * time.Second, 600 * time.Second},
		{"quoted", []string{"Cache-Control", `Max-Age="600"`}, 540 * time.Second, 600 * time.Second},
		{"aged", []string{"Cache-Control", "max-age=600", "Age", "300"}, 270 * time.Second, 300 * time.Second},
		{"aged out", []string{"Cache-Control", "max-age=600", "Age", "9999"}, 30 * time.Second, 33 * time.Second},
		{"zero", []string{"Cache-Control", "max-age=0"}, 30 * time.Second, 33 * time.Second},
		{"one second", []string{"Cache-Control", "max-age=1"}, 30 * time.Second, 33 * time.Second},
		{"no-store", []string{"Cache-Control", "no-store, max-age=600"}, 30 * time.Second, 33 * time.Second},
		{"no-cache", []string{"Cache-Control", "max-age=600, no-cache"}, 30 * time.Second, 33 * time.Second},
		{"garbage", []string{"Cache-Control", "max-age=soon"}, 30 * time.Second, 33 * time.Second},
		{"negative", []string{"Cache-Control", "max-age=-1"}, 30 * time.Second, 33 * time.Second},
		{"the smaller of two", []string{"Cache-Control", "max-age=6000, max-age=600"}, 540 * time.Second, 600 * time.Second},
		{"a year", []string{"Cache-Control", "max-age=31536000"}, 54 * time.Minute, time.Hour},
		{"beyond counting", []string{"Cache-Control", "max-age=99999999999999999999"}, 54 * time.Minute, time.Hour},
		{"a shared cache's", []string{"Cache-Control", "s-maxage=1"}, 270 * time.Second, 300 * time.Second},
	}
	set := jwks(jwk(t, "a"))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := newIssuer(t, body(set, tt.header...))
			inBubble(t, func(t *testing.T) {
				s := source(t, keyset.Remote{URL: i.URL})
				running(t, s)
				synctest.Wait()
				mustHave(t, s, "a")
				for round := int64(1); round <= 3; round++ {
					if got := i.requests.Load(); got != round {
						t.Fatalf("fetches: got %d, want %d", got, round)
					}
					age, _ := s.Age(time.Now())
					pass(tt.low - age - time.Second)
					if got := i.requests.Load(); got != round {
						t.Fatalf("fetches before %v: got %d, want %d", tt.low, got, round)
					}
					pass(tt.high - tt.low + time.Second)
				}
			})
		})
	}
}

// Many instances that start together do not stay together.
func TestJitter(t *testing.T) {
	i := newIssuer(t, body(jwks(jwk(t, "a"))))
	inBubble(t, func(t *testing.T) {
		const instances = 20
		for range instances {
			running(t, source(t, keyset.Remote{URL: i.URL}))
		}
		pass(270 * time.Second)
		times := 0
		for last := i.requests.Load(); last < 2*instances; {
			pass(time.Second)
			if n := i.requests.Load(); n != last {
				times, last = times+1, n
			}
		}
		if times < 5 {
			t.Errorf("moments at which %d instances refreshed: got %d, want 5 or more", instances, times)
		}
	})
}

func TestNotModifiedKeepsPace(t *testing.T) {
	first := true // requests come one after the other
	set := jwks(jwk(t, "a"))
	i := newIssuer(t, func(w http.ResponseWriter, _ *http.Request) {
		if !first {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		first = false
		body(set, "ETag", `"v"`, "Cache-Control", "max-age=1800")(w, nil)
	})
	inBubble(t, func(t *testing.T) {
		s := source(t, keyset.Remote{URL: i.URL})
		running(t, s)
		pass(3*time.Hour + time.Minute)
		if got := i.requests.Load(); got < 7 || got > 8 {
			t.Errorf("fetches in 3 hours at half an hour: got %d, want 7", got)
		}
		mustHave(t, s, "a")
	})
}

func TestNotModifiedChangesPace(t *testing.T) {
	first := true // requests come one after the other
	set := jwks(jwk(t, "a"))
	i := newIssuer(t, func(w http.ResponseWriter, _ *http.Request) {
		if !first {
			w.Header().Set("Cache-Control", "max-age=60")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		first = false
		body(set, "ETag", `"v"`, "Cache-Control", "max-age=1800")(w, nil)
	})
	inBubble(t, func(t *testing.T) {
		s := source(t, keyset.Remote{URL: i.URL})
		running(t, s)
		pass(31*time.Minute + 10*time.Minute)
		if got := i.requests.Load(); got < 10 {
			t.Errorf("fetches in the 10 minutes after the pace came down to one: got %d, want 10 or more", got)
		}
	})
}

// With the port closed at start, keys are there within 5 s of its opening.
func TestDownAtStart(t *testing.T) {
	t.Parallel()
	addr := port.Keep(t)
	s := source(t, keyset.Remote{URL: "http://" + addr})
	running(t, s)
	until(t, "the first failure", slow*5*time.Second, func() bool {
		return strings.Contains(s.Err().Error(), "connection refused")
	})
	mustBeUnavailable(t, s)
	mustFail(t, s, "check that the issuer runs there")
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(body(jwks(jwk(t, "a"))))
	_ = srv.Listener.Close() // the one that it made for itself
	srv.Listener = l
	srv.Start()
	t.Cleanup(srv.Close)
	until(t, "the keys", slow*5*time.Second, func() bool { return s.Err() == nil })
	mustHave(t, s, "a")
}

// However long the issuer was down, a Source without keys has them within 5 s
// of its return, and does not ask more than once a second.
func TestRetryWithoutKeys(t *testing.T) {
	i := newIssuer(t, status(500))
	good := body(jwks(jwk(t, "a")))
	inBubble(t, func(t *testing.T) {
		s := source(t, keyset.Remote{URL: i.URL})
		running(t, s)
		synctest.Wait()
		last := time.Now()
		for _, most := range []time.Duration{1100, 2000, 4000, 4000, 4000} { // ms
			before := i.requests.Load()
			for i.requests.Load() == before {
				pass(10 * time.Millisecond)
			}
			gap := time.Since(last)
			if gap < most*9/10*time.Millisecond || gap > (most+10)*time.Millisecond {
				t.Errorf("wait for the next fetch: got %v, want the last tenth of %d ms", gap, most)
			}
			last = time.Now()
		}
		pass(2 * time.Hour)
		mustBeUnavailable(t, s)
		i.set(good)
		pass(5 * time.Second)
		mustHave(t, s, "a")
	})
}

// A Source that still has keys is gentler with a failing issuer, until they
// have become too old.
func TestRetryWithKeys(t *testing.T) {
	i := newIssuer(t, body(jwks(jwk(t, "a")), "Cache-Control", "max-age=60"))
	good := *i.handler.Load()
	inBubble(t, func(t *testing.T) {
		s := source(t, keyset.Remote{URL: i.URL})
		running(t, s)
		pass(time.Second)
		i.set(status(500))
		pass(5 * time.Minute)
		before := i.requests.Load()
		pass(10 * time.Minute)
		if got := i.requests.Load() - before; got < 20 || got > 22 {
			t.Errorf("fetches in 10 minutes at 30 s: got %d, want 20 to 22", got)
		}
		mustHave(t, s, "a")
		mustFail(t, s, "answers 500")
		i.set(good)
		pass(30 * time.Second)
		if err := s.Err(); err != nil {
			t.Errorf("Err after recovery: got %v, want nil", err)
		}
		i.set(status(500))
		pass(time.Minute + keyset.StaleAfter)
		mustBeUnavailable(t, s)
		i.set(good)
		pass(5 * time.Second)
		mustHave(t, s, "a")
	})
}

// What Refetch learns moves the next refresh, and a failure of it is mended
// by Run.
func TestRefetchAndRun(t *testing.T) {
	i := newIssuer(t, body(jwks(jwk(t, "a"))))
	soon := body(jwks(jwk(t, "b")), "Cache-Control", "max-age=30")
	inBubble(t, func(t *testing.T) {
		s := source(t, keyset.Remote{URL: i.URL})
		running(t, s)
		pass(200 * time.Second)
		if _, _, err := s.Refetch(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		pass(269 * time.Second)
		if got := i.requests.Load(); got != 2 {
			t.Errorf("fetches before the refresh that the refetch put off: got %d, want 2", got)
		}
		i.set(soon)
		if _, _, err := s.Refetch(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		mustHave(t, s, "b")
		pass(34 * time.Second)
		if got := i.requests.Load(); got != 4 {
			t.Errorf("fetches after the refresh that the refetch brought near: got %d, want 4", got)
		}
		i.set(status(500))
		if _, _, err := s.Refetch(t.Context(), "y"); err != nil {
			t.Fatal(err)
		}
		mustFail(t, s, "answers 500")
		i.set(soon)
		pass(2 * time.Second)
		if err := s.Err(); err != nil {
			t.Errorf("Err after Run has tried again: got %v, want nil", err)
		}
	})
}

// A reload starts Run again, before or after the former one has ended.
func TestTwoRuns(t *testing.T) {
	i := newIssuer(t, body(jwks(jwk(t, "a")), "Cache-Control", "max-age=600"))
	inBubble(t, func(t *testing.T) {
		s := source(t, keyset.Remote{URL: i.URL})
		stop := running(t, s)
		running(t, s)
		pass(time.Second)
		if got := i.requests.Load(); got != 1 {
			t.Errorf("first fetches of two Runs: got %d, want 1", got)
		}
		pass(600 * time.Second)
		if got := i.requests.Load(); got != 2 {
			t.Errorf("fetches of two Runs when one was due: got %d, want 2", got)
		}
		stop()
		pass(600 * time.Second)
		if got := i.requests.Load(); got != 3 {
			t.Errorf("fetches when one Run is left: got %d, want 3", got)
		}
	})
}

// Run ends at once while its issuer keeps it waiting, leaves nothing behind,
// and does not take its own end for the issuer's fault.
func TestEndOfRun(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 2)
	i := newIssuer(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	s := source(t, keyset.Remote{URL: i.URL})
	for range 2 {
		stop := running(t, s)
		<-asked
		began := time.Now()
		stop()
		if took := time.Since(began); took > slow*2*time.Second {
			t.Errorf("end of Run: took %v, want less than 2s", took)
		}
		mustFail(t, s, "not fetched yet")
	}
	i.set(body(jwks(jwk(t, "a"))))
	running(t, s)
	until(t, "keys", slow*5*time.Second, func() bool { return s.Err() == nil })
	mustHave(t, s, "a")
}

func TestRunAfterTheEnd(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, status(200))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	source(t, keyset.Remote{URL: i.URL}).Run(ctx)
	if got := i.requests.Load(); got != 0 {
		t.Errorf("fetches: got %d, want 0", got)
	}
}
