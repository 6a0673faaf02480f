package scan_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// journal notes in which order checks ran.
type journal struct {
	mu  sync.Mutex
	ran []string
}

func (j *journal) check(id string, v scan.Verdict, change func(*scan.Check)) scan.Check {
	c := scan.Check{ID: id, Run: func(context.Context, *scan.Target) scan.Verdict {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.ran = append(j.ran, id)
		return v
	}}
	if change != nil {
		change(&c)
	}
	return c
}

func after(ids ...string) func(*scan.Check) {
	return func(c *scan.Check) { c.After = ids }
}

var found = scan.Find(scan.Evidence{Text: "seen"})

func TestOrderAndSubsumption(t *testing.T) {
	t.Parallel()
	j := &journal{}
	c, _ := (&api{}).start(t)
	r, err := scan.Run(t.Context(), c, []scan.Check{
		j.check("jwt.narrowest", found, after("jwt.wide", "jwt.narrow")),
		j.check("jwt.narrow", found, after("jwt.wide")),
		j.check("jwt.other", found, after("jwt.passed", "jwt.absent")),
		j.check("jwt.passed", scan.Pass(), nil),
		j.check("jwt.wide", found, nil),
		j.check("end.two", scan.Pass(), func(c *scan.Check) { c.Last, c.After = true, []string{"end.one", "jwt.wide.not"} }),
		j.check("end.one", scan.Pass(), func(c *scan.Check) { c.Last = true }),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []scan.SubsumedCheck{{ID: "jwt.narrow", By: "jwt.wide"}, {ID: "jwt.narrowest", By: "jwt.wide"}}
	if diff := cmp.Diff(want, r.Subsumed); diff != "" {
		t.Errorf("subsumed (-want +got):\n%s", diff)
	}
	if slices.Contains(j.ran, "jwt.narrow") || slices.Contains(j.ran, "jwt.narrowest") {
		t.Errorf("got %v, want no subsumed check to run", j.ran)
	}
	if n := len(j.ran); n != 5 || j.ran[n-2] != "end.one" || j.ran[n-1] != "end.two" {
		t.Errorf("got %v, want the last ones last, one before two", j.ran)
	}
	if slices.Index(j.ran, "jwt.other") < slices.Index(j.ran, "jwt.passed") {
		t.Errorf("got %v, want other after passed", j.ran)
	}
}

func TestSelection(t *testing.T) {
	t.Parallel()
	all := []string{"jwt.a", "jwt.b", "tls.c"}
	tests := []struct {
		name   string
		change func(*scan.Config)
		want   []string
	}{
		{"all", func(*scan.Config) {}, all},
		{"only an id", func(c *scan.Config) { c.Only = []string{"jwt.b"} }, []string{"jwt.b"}},
		{"only an area", func(c *scan.Config) { c.Only = []string{"jwt"} }, []string{"jwt.a", "jwt.b"}},
		{"skip", func(c *scan.Config) { c.Skip = []string{"jwt.a", "tls"} }, []string{"jwt.b"}},
		{"passive", func(c *scan.Config) { c.Passive = true }, []string{"tls.c"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			j := &journal{}
			c, _ := (&api{}).start(t)
			test.change(&c)
			r, err := scan.Run(t.Context(), c, []scan.Check{
				j.check("jwt.a", scan.Pass(), nil), j.check("jwt.b", scan.Pass(), nil),
				j.check("tls.c", scan.Pass(), func(c *scan.Check) { c.Passive = true }),
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, r.Passed); diff != "" {
				t.Errorf("passed (-want +got):\n%s", diff)
			}
			if len(r.Skipped) != len(all)-len(test.want) {
				t.Errorf("got skipped %v, want the others with a reason", r.Skipped)
			}
		})
	}
}

func TestBadLists(t *testing.T) {
	t.Parallel()
	j := &journal{}
	pass := scan.Pass()
	tests := []struct {
		name   string
		only   string
		checks []scan.Check
		want   string
	}{
		{"circle", "", []scan.Check{j.check("a.a", pass, after("a.b")), j.check("a.b", pass, after("a.a"))}, "waits for itself"},
		{"itself", "", []scan.Check{j.check("a.a", pass, after("a.a"))}, "waits for itself"},
		{"waits for a last one", "", []scan.Check{j.check("a.a", pass, after("a.b")), j.check("a.b", pass, func(c *scan.Check) { c.Last = true })}, "waits for itself"},
		{"twice", "", []scan.Check{j.check("a.a", pass, nil), j.check("a.a", pass, nil)}, "twice"},
		{"nothing to run", "", []scan.Check{{ID: "a.a"}}, "nothing to run"},
		{"unknown", "a.x", []scan.Check{j.check("a.a", pass, nil)}, `no check "a.x"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := scan.Config{URL: "http://127.0.0.1:1"}
			if test.only != "" {
				c.Only = []string{test.only}
			}
			if _, err := scan.Run(t.Context(), c, test.checks); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestBrokenChecksPassNothing(t *testing.T) {
	t.Parallel()
	c, _ := (&api{}).start(t)
	r, err := scan.Run(t.Context(), c, []scan.Check{
		{ID: "a.panic", Run: func(context.Context, *scan.Target) scan.Verdict { panic("boom with " + aliceToken()) }},
		{ID: "a.forgot", Run: func(context.Context, *scan.Target) scan.Verdict { return scan.Verdict{} }},
		{ID: "a.empty", Run: func(context.Context, *scan.Target) scan.Verdict { return scan.Find() }},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Passed)+len(r.Findings) != 0 || len(r.Inconclusive) != 3 {
		t.Errorf("got passed %v, findings %v, inconclusive %v, want three inconclusive", r.Passed, r.Findings, r.Inconclusive)
	}
	for _, u := range r.Inconclusive {
		if u.Reason == "" || strings.Contains(u.Reason, "eyJhbGciOiJIUzI1NiIs") {
			t.Errorf("%s: got reason %q, want one without a token", u.ID, u.Reason)
		}
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	j := &journal{}
	need := func(n catalog.Needs) func(*scan.Check) { return func(c *scan.Check) { c.Needs = n } }
	s := &api{}
	c, _ := s.start(t)
	c = scan.Config{URL: c.URL}
	r, err := scan.Run(t.Context(), c, []scan.Check{
		j.check("n.none", scan.Pass(), need(catalog.NeedsNothing)), j.check("n.token", scan.Pass(), need(catalog.NeedsToken)),
		j.check("n.secret", scan.Pass(), need(catalog.NeedsSecret)), j.check("n.login", scan.Pass(), need(catalog.NeedsLogin)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"n.none"}, r.Passed); diff != "" {
		t.Errorf("passed (-want +got):\n%s", diff)
	}
	for _, u := range r.Skipped {
		if !strings.Contains(u.Reason, "--") {
			t.Errorf("%s: got reason %q, want it to say which flag helps", u.ID, u.Reason)
		}
	}
}

// TestInterrupt ends the scan while one check has found something, one hangs on
// a request, one ignores its context, and one has not begun.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	c, _ := (&api{}).start(t)
	began := make(chan struct{}, 2)
	go func() {
		<-began
		<-began
		cancel()
	}()
	start := time.Now()
	r, err := scan.Run(ctx, c, []scan.Check{
		{ID: "a.found", Run: func(context.Context, *scan.Target) scan.Verdict { return found }},
		{ID: "a.hangs", After: []string{"a.found.not", "a.quick"}, Run: func(ctx context.Context, _ *scan.Target) scan.Verdict {
			began <- struct{}{}
			<-ctx.Done()
			return scan.Pass()
		}},
		{ID: "a.deaf", After: []string{"a.quick"}, Run: func(context.Context, *scan.Target) scan.Verdict {
			began <- struct{}{}
			<-release
			return scan.Pass()
		}},
		{ID: "a.quick", Run: func(context.Context, *scan.Target) scan.Verdict { return scan.Pass() }},
		{ID: "a.last", Last: true, Run: func(context.Context, *scan.Target) scan.Verdict {
			t.Error("the last check began after the end")
			return scan.Pass()
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("took %v", took)
	}
	if !strings.Contains(r.Incomplete, "interrupted") || r.Score != nil || len(r.Findings) != 1 {
		t.Errorf("got incomplete %q, score %v, findings %v, want a partial report", r.Incomplete, r.Score, r.Findings)
	}
	if diff := cmp.Diff([]string{"a.quick"}, r.Passed); diff != "" {
		t.Errorf("passed (-want +got):\n%s", diff)
	}
}

func TestMemoRunsOnce(t *testing.T) {
	t.Parallel()
	c, _ := (&api{}).start(t)
	look(t, c, func(_ context.Context, target *scan.Target) {
		var mu sync.Mutex
		n := 0
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				v, err := scan.Memo(target, "key", func() (int, error) {
					mu.Lock()
					defer mu.Unlock()
					n++
					return n, nil
				})
				if v != 1 || err != nil {
					t.Errorf("got %v, %v, want 1", v, err)
				}
			})
		}
		wg.Wait()
		if s, _ := scan.Memo(target, "key", func() (string, error) { return "another type", nil }); s != "another type" {
			t.Errorf("got %q, want types kept apart", s)
		}
	})
}
