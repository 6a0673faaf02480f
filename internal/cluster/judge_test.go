package cluster_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/cluster"
)

// TestJudge shows the judge what guards must not do, and what they may.
func TestJudge(t *testing.T) {
	t.Parallel()
	cfg := cluster.Config{Within: time.Second, Staleness: 5 * time.Second}
	at := func(d time.Duration, status int) cluster.Answer {
		return cluster.Answer{Status: status, Sent: time.Now().Add(d), Took: time.Millisecond}
	}
	type broken = map[cluster.Promise]int64
	for name, c := range map[string]struct {
		show    func(*cluster.Judge)
		want    broken
		hiccups int64
	}{
		"what is wanted":              {func(j *cluster.Judge) { j.Saw("once", at(0, 401), false, 200, 401) }, broken{}, 0},
		"503 while the store is well": {func(j *cluster.Judge) { j.Saw("once", at(0, 503), false, 200, 401) }, broken{}, 1},
		"503 while it is not": {func(j *cluster.Judge) {
			j.FaultBegins()
			j.Saw("once", at(time.Second, 503), false, 200)
		}, broken{}, 0},
		"503 from before": {func(j *cluster.Judge) {
			j.FaultBegins()
			j.FaultEnds()
			j.Saw("once", at(-time.Second, 503), false, 200)
		}, broken{}, 1},
		"503 to what needs no store": {func(j *cluster.Judge) {
			j.FaultBegins()
			j.Saw("public", at(time.Second, 503), true, 200)
		}, broken{cluster.PromiseAnswer: 1}, 0},
		"502":                {func(j *cluster.Judge) { j.Saw("once", at(0, 502), false, 200) }, broken{cluster.PromiseAnswer: 1}, 0},
		"a successor twice":  {func(j *cluster.Judge) { j.Succeeded("a", "b"); j.Succeeded("a", "b") }, broken{}, 0},
		"another successor":  {func(j *cluster.Judge) { j.Succeeded("a", "b"); j.Succeeded("a", "c") }, broken{cluster.PromiseRefresh: 1}, 0},
		"revoked, refused":   {func(j *cluster.Judge) { j.Retired("x", time.Now(), at(2*time.Second, 401)) }, broken{}, 0},
		"revoked, just now":  {func(j *cluster.Judge) { j.Retired("x", time.Now(), at(500*time.Millisecond, 200)) }, broken{}, 0},
		"revoked, and taken": {func(j *cluster.Judge) { j.Retired("x", time.Now(), at(1001*time.Millisecond, 200)) }, broken{cluster.PromiseRevoked: 1}, 0},
		"revoked, on an old copy": {func(j *cluster.Judge) {
			j.FaultBegins()
			j.Retired("x", time.Now(), at(5*time.Second, 200))
		}, broken{}, 0},
		"revoked, on a copy that is too old": {func(j *cluster.Judge) {
			j.FaultBegins()
			j.Retired("x", time.Now(), at(6001*time.Millisecond, 200))
		}, broken{cluster.PromiseRevoked: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := cluster.NewJudge(cfg)
			c.show(j)
			got, _ := j.Broken()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("promises (-want +got):\n%s", diff)
			}
			if j.Hiccups() != c.hiccups {
				t.Errorf("got %d answers 503 without a fault, want %d", j.Hiccups(), c.hiccups)
			}
		})
	}
}
