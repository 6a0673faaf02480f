package scan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wiretight/wiretight/internal/catalog"
)

const (
	// workers is how many checks run side by side.
	workers = 12
	// maxCheck bounds one check, and afterGrace how long one may still run when
	// the scan is over.
	maxCheck   = 2 * time.Minute
	afterGrace = 3 * time.Second
)

// results is what the checks have said so far.
type results struct {
	mu    sync.Mutex
	found map[string]string // id -> the id of what found it: itself, or a wider one
}

// Found tells whether a check has found something. It is settled for the checks
// of After; others may still be running.
func (t *Target) Found(id string) bool {
	t.results.mu.Lock()
	defer t.results.mu.Unlock()
	return t.results.found[id] == id
}

// task is one check of a scan.
type task struct {
	check   Check
	done    chan struct{}
	verdict Verdict
	by      string // subsumed by
	settled bool
}

// schedule runs the checks.
type schedule struct {
	target *Target
	tasks  []*task
	byID   map[string]*task

	mu       sync.Mutex
	finished int
}

func newSchedule(t *Target, checks []Check) (*schedule, error) {
	s := &schedule{target: t, byID: map[string]*task{}}
	for _, c := range checks {
		if c.ID == "" || c.Run == nil || s.byID[c.ID] != nil {
			return nil, fmt.Errorf("the check %q has no id or nothing to run, or is listed twice", c.ID)
		}
		k := &task{check: c, done: make(chan struct{})}
		s.tasks = append(s.tasks, k)
		s.byID[c.ID] = k
	}
	for _, list := range [][]string{t.config.Only, t.config.Skip} {
		for _, name := range list {
			if !slices.ContainsFunc(checks, func(c Check) bool { return named(c.ID, name) }) {
				return nil, fmt.Errorf("there is no check %q; wiretight checks lists them", name)
			}
		}
	}
	if id := s.circle(); id != "" {
		return nil, fmt.Errorf("the check %s waits for itself", id)
	}
	return s, nil
}

// named tells whether a name of Only or Skip means the check: its id, or its
// area.
func named(id, name string) bool { return id == name || strings.HasPrefix(id, name+".") }

// circle returns a check that waits for itself.
func (s *schedule) circle() string {
	state := map[string]int{}
	var visit func(id string) string
	visit = func(id string) string {
		k := s.byID[id]
		if k == nil || state[id] == 2 {
			return ""
		}
		if state[id] == 1 {
			return id
		}
		state[id] = 1
		for _, a := range k.check.After {
			if bad := visit(a); bad != "" {
				return bad
			}
		}
		// The last ones run when all others are done.
		state[id] = 2
		return ""
	}
	for _, k := range s.tasks {
		if bad := visit(k.check.ID); bad != "" {
			return bad
		}
		for _, a := range k.check.After {
			if o := s.byID[a]; o != nil && o.check.Last && !k.check.Last {
				return k.check.ID
			}
		}
	}
	return ""
}

// run runs every check, and returns when all are settled.
func (s *schedule) run(ctx context.Context) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, workers)
	for _, k := range s.tasks {
		if k.check.Last {
			continue
		}
		wg.Go(func() { s.perform(ctx, k, slots) })
	}
	wg.Wait()
	for _, k := range s.ordered() {
		s.perform(ctx, k, slots)
	}
}

// ordered are the last checks in the order of the list, those that they wait for
// before them.
func (s *schedule) ordered() []*task {
	var list []*task
	seen := map[*task]bool{}
	var add func(k *task)
	add = func(k *task) {
		if k == nil || !k.check.Last || seen[k] {
			return
		}
		seen[k] = true
		for _, a := range k.check.After {
			add(s.byID[a])
		}
		list = append(list, k)
	}
	for _, k := range s.tasks {
		add(k)
	}
	return list
}

// perform settles one check.
func (s *schedule) perform(ctx context.Context, k *task, slots chan struct{}) {
	v, by := s.decide(ctx, k, slots)
	s.settle(k, v, by)
}

func (s *schedule) decide(ctx context.Context, k *task, slots chan struct{}) (Verdict, string) {
	if reason := s.leftOut(k.check); reason != "" {
		return Skip(reason), ""
	}
	for _, id := range k.check.After {
		if o := s.byID[id]; o != nil {
			<-o.done
		}
	}
	for _, id := range k.check.After {
		s.target.results.mu.Lock()
		by := s.target.results.found[id]
		s.target.results.mu.Unlock()
		if by != "" {
			return Verdict{}, by
		}
	}
	if reason := s.lacks(ctx, k.check); reason != "" {
		return Skip(reason), ""
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return Unsure(interrupted(ctx)), ""
	}
	return s.call(ctx, k.check), ""
}

// leftOut says why the user does not want the check.
func (s *schedule) leftOut(c Check) string {
	cfg := s.target.config
	is := func(name string) bool { return named(c.ID, name) }
	switch {
	case len(cfg.Only) > 0 && !slices.ContainsFunc(cfg.Only, is):
		return "not among --only"
	case slices.ContainsFunc(cfg.Skip, is):
		return "left out by --skip"
	case cfg.Passive && !c.Passive:
		return "left out by --passive"
	}
	return ""
}

// lacks says what the check would need and the scan does not have.
func (s *schedule) lacks(ctx context.Context, c Check) string {
	t := s.target
	_, haveToken := t.Token()
	switch c.Needs {
	case catalog.NeedsToken:
		if !haveToken {
			return t.Unprotected()
		}
	case catalog.NeedsSecret:
		if !haveToken {
			return t.Unprotected()
		}
		if _, known := t.Secret(ctx); !known && t.config.OtherToken.Empty() {
			return "the signing secret is not known and was not guessed: give --secret, or --other-token with a token for another audience"
		}
	case catalog.NeedsLogin:
		if !t.CanLogin() {
			return "needs a login that can be repeated: give --login-url with --login-data or --login-json"
		}
	}
	return ""
}

// call runs the check, and takes a panic or an overrun for no verdict.
func (s *schedule) call(ctx context.Context, c Check) Verdict {
	w := &witness{}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, witnessKey{}, w), maxCheck)
	defer cancel()
	verdict := make(chan Verdict, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				verdict <- Unsure(fmt.Sprintf("the check broke off: %v", p))
			}
		}()
		verdict <- c.Run(ctx, s.target)
	}()
	var v Verdict
	select {
	case v = <-verdict:
	case <-ctx.Done():
		timer := time.NewTimer(afterGrace)
		defer timer.Stop()
		select {
		case v = <-verdict:
		case <-timer.C:
			return Unsure("the check did not end in time")
		}
	}
	return s.sound(ctx, v, w)
}

// sound makes a verdict keep to the rules: what was cut short is no pass, and
// refusals count only if the genuine token outlived them.
func (s *schedule) sound(ctx context.Context, v Verdict, w *witness) Verdict {
	switch {
	case v.Outcome == Found && len(v.Findings) == 0:
		return Unsure("the check found something and did not say what")
	case v.Outcome == Passed && ctx.Err() != nil:
		return Unsure(interrupted(ctx))
	case v.Outcome == Passed:
		if reason := s.target.outlived(ctx, w); reason != "" {
			return Unsure(reason)
		}
	}
	return v
}

func (s *schedule) settle(k *task, v Verdict, by string) {
	t := s.target
	t.results.mu.Lock()
	if t.results.found == nil {
		t.results.found = map[string]string{}
	}
	switch {
	case by != "":
		t.results.found[k.check.ID] = by
	case v.Outcome == Found:
		t.results.found[k.check.ID] = k.check.ID
	}
	t.results.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	k.verdict, k.by, k.settled = v, by, true
	close(k.done)
	s.finished++
	if t.config.Progress != nil {
		t.config.Progress(s.finished, len(s.tasks), k.check.ID)
	}
}

// abandon settles every check without running it.
func (s *schedule) abandon(reason string) {
	for _, k := range s.tasks {
		if why := s.leftOut(k.check); why != "" {
			s.settle(k, Skip(why), "")
			continue
		}
		s.settle(k, Unsure(s.target.Mask(reason)), "")
	}
}
