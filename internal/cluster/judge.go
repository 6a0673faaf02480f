package cluster

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Promise is something that guards say they keep, whatever the store does.
type Promise string

// The promises.
const (
	PromiseOnce    Promise = "no token passes twice where it is good once"
	PromiseRefresh Promise = "a refresh token has one successor"
	PromiseSession Promise = "no acknowledged session is lost"
	PromiseRevoked Promise = "what was revoked stays refused"
	PromiseAnswer  Promise = "every answer is one of those that are documented"
	PromiseReturn  Promise = "service returns within 5 s of the store"
	PromiseReady   Promise = "readiness tells"
)

// Promises is all of them.
var Promises = []Promise{PromiseOnce, PromiseRefresh, PromiseSession, PromiseRevoked, PromiseAnswer, PromiseReturn, PromiseReady}

// Judge hears what clients were told and what reached the upstream. It is safe
// for concurrent use, and remembers everything, so that it grows with the load.
type Judge struct {
	staleness, within time.Duration

	mu         sync.Mutex
	began      time.Time
	answers    map[string]map[int]int64 // by kind of request and status
	took       map[string][]time.Duration
	broken     map[Promise]int64
	examples   []string
	successors map[string]string
	faults     []span
	hiccups    int64 // 503 while nothing was wrong
	decisions  int64
	slowest    time.Duration // that a revocation took to be known everywhere
}

// span is a time during which the store is at fault. A zero to goes on.
type span struct{ from, to time.Time }

// maxExamples bounds the broken promises that are told in words.
const maxExamples = 20

func newJudge(cfg Config) *Judge {
	return &Judge{
		staleness: cfg.Staleness, within: cfg.Within, began: time.Now(),
		answers: map[string]map[int]int64{}, took: map[string][]time.Duration{},
		broken: map[Promise]int64{}, successors: map[string]string{},
	}
}

// FaultBegins says that from now on the store is at fault.
func (j *Judge) FaultBegins() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults = append(j.faults, span{from: time.Now()})
}

// FaultEnds says that service is whole again.
func (j *Judge) FaultEnds() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := len(j.faults); n > 0 {
		j.faults[n-1].to = time.Now()
	}
}

// faulty tells whether the store was at fault at any moment of a time. The
// caller holds mu.
func (j *Judge) faulty(from, to time.Time) bool {
	return slices.ContainsFunc(j.faults, func(s span) bool {
		return s.from.Before(to) && (s.to.IsZero() || s.to.After(from))
	})
}

// faultySince tells whether the store was at fault at any moment since then.
func (j *Judge) faultySince(then time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.faulty(then, time.Now())
}

// broke notes a broken promise.
func (j *Judge) broke(p Promise, how string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.breaks(p, how)
}

func (j *Judge) breaks(p Promise, how string) {
	j.broken[p]++
	if len(j.examples) < maxExamples {
		j.examples = append(j.examples, fmt.Sprintf("%7.3fs %s: %s", time.Since(j.began).Seconds(), p, how))
	}
}

// saw notes an answer, which must have one of the wanted statuses. 503 may
// come whenever the store is at fault, except for what needs no store.
func (j *Judge) saw(kind string, a answer, storeless bool, want ...int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.answers[kind] == nil {
		j.answers[kind] = map[int]int64{}
	}
	j.answers[kind][a.status]++
	j.took[kind] = append(j.took[kind], a.took)
	j.decisions++
	switch {
	case a.err != nil:
		j.breaks(PromiseAnswer, kind+": "+a.err.Error())
	case slices.Contains(want, a.status):
	case a.status == http.StatusServiceUnavailable && !storeless:
		if !j.faulty(a.sent, a.sent.Add(a.took)) {
			j.hiccups++
		}
	default:
		j.breaks(PromiseAnswer, fmt.Sprintf("%s: got %d %s, want %v", kind, a.status, a.detail, want))
	}
}

// succeeded notes the successor of a refresh token.
func (j *Judge) succeeded(old, successor string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if was, ok := j.successors[old]; ok && was != successor {
		j.breaks(PromiseRefresh, "another successor was given out")
	}
	j.successors[old] = successor
}

// retired judges an answer to a token whose end was acknowledged at ack. While
// the store is at fault, a guard may believe its copy for as long as it is
// configured to.
func (j *Judge) retired(what string, ack time.Time, a answer) {
	if a.status == http.StatusUnauthorized || a.status == http.StatusServiceUnavailable {
		return
	}
	late := a.sent.Sub(ack)
	j.mu.Lock()
	defer j.mu.Unlock()
	if late > j.within+j.staleness || late > j.within && !j.faulty(ack, a.sent) {
		j.breaks(PromiseRevoked, fmt.Sprintf("%s got %d %s, %v after it was acknowledged", what, a.status, a.detail, late.Round(time.Millisecond)))
	}
}

// spread notes how long a revocation took to be known everywhere.
func (j *Judge) spread(ack, known time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.faulty(ack, known) {
		j.slowest = max(j.slowest, known.Sub(ack))
	}
}

// Broken is how often each promise was broken, and examples in words.
func (j *Judge) Broken() (counts map[Promise]int64, examples []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	counts = map[Promise]int64{}
	for p, n := range j.broken {
		counts[p] = n
	}
	return counts, slices.Clone(j.examples)
}

// Took gives how long the answers to a kind of request took, in order of their
// length, and forgets them.
func (j *Judge) Took(kind string) []time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := j.took[kind]
	delete(j.took, kind)
	slices.Sort(all)
	return all
}

// Answers is how often a kind of request was answered with a status.
func (j *Judge) Answers(kind string, status int) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.answers[kind][status]
}
