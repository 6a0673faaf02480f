package cluster

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a soak has counted.
type Report struct {
	Guards     int
	Took       time.Duration
	Decisions  int64 // answers to clients that were judged
	Upstream   int64 // requests that reached it
	Operations int64 // of the store
	Kills      []Kill
	Hiccups    int64                    // 503 while the store was well
	Revoked    time.Duration            // the slowest revocation, while the store was well
	Answers    map[string]map[int]int64 // by kind and status; 0: none
	Reasons    map[string]int64         // refusals in the guards' logs, by rule and reason
	Broken     map[Promise]int64
	Examples   []string // of broken promises
}

// Kill is one kill of the store.
type Kill struct {
	Unready time.Duration   // from the kill until every guard was unready
	Down    time.Duration   // from the kill until the server answered again
	Back    []time.Duration // from then until each guard did all its work
}

func (r *Report) take(c *Cluster) {
	j := c.Judge
	r.Broken, r.Examples = j.Broken()
	r.Upstream = c.upstream.requests.Load()
	j.mu.Lock()
	r.Decisions, r.Hiccups, r.Revoked, r.Answers = j.decisions, j.hiccups, j.slowest, j.answers
	j.mu.Unlock()
	r.Reasons = map[string]int64{}
	for _, g := range c.Guards {
		g.mu.Lock()
		for reason, n := range g.reasons {
			r.Reasons[reason] += n
		}
		g.mu.Unlock()
	}
}

// Kept tells whether every promise was kept.
func (r *Report) Kept() bool { return len(r.Broken) == 0 }

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }
	seconds := r.Took.Seconds()
	line("guards\t%d", r.Guards)
	line("time\t%.1f s", seconds)
	line("decisions\t%d\t%.0f a second", r.Decisions, float64(r.Decisions)/seconds)
	line("reached the upstream\t%d", r.Upstream)
	line("store operations\t%d\t%.0f a second", r.Operations, float64(r.Operations)/seconds)
	for n, k := range r.Kills {
		line("kill %d\tunready after %v, down %v, whole again after %v", n+1, round(k.Unready), round(k.Down), rounded(k.Back))
	}
	line("slowest revocation\t%v", round(r.Revoked))
	line("503 while the store was well\t%d", r.Hiccups)
	line("\nanswers")
	for _, kind := range slices.Sorted(maps.Keys(r.Answers)) {
		var all []string
		for _, status := range slices.Sorted(maps.Keys(r.Answers[kind])) {
			all = append(all, fmt.Sprintf("%d: %d", status, r.Answers[kind][status]))
		}
		line("  %s\t%s", kind, strings.Join(all, ", "))
	}
	line("\nrefusals by rule and reason, from the guards' logs")
	reasons := slices.Collect(maps.Keys(r.Reasons))
	slices.SortFunc(reasons, func(a, b string) int { return int(r.Reasons[b] - r.Reasons[a]) })
	for _, reason := range reasons {
		line("  %d\t%s", r.Reasons[reason], reason)
	}
	line("\npromises\tbroken")
	for _, p := range Promises {
		line("  %s\t%d", p, r.Broken[p])
	}
	for _, e := range r.Examples {
		line("  %s", e)
	}
	return t.Flush()
}

func longest(all []time.Duration) time.Duration {
	return slices.Max(append([]time.Duration{0}, all...))
}

func rounded(all []time.Duration) string {
	var text []string
	for _, d := range all {
		text = append(text, round(d).String())
	}
	return strings.Join(text, ", ")
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
