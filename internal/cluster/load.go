package cluster

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Mix says how many of each kind of client there are. Less than 0: none.
type Mix struct {
	Visitors int // log in, ask, refresh, log out; 4
	Payers   int // present one token everywhere at the same moment; 2
	Readers  int // ask with tokens as they are, forged ones, and none; 2
	// Pause is between two steps of each client; 5 ms.
	Pause time.Duration
}

// Load is clients that go on until Stop.
type Load struct {
	c     *Cluster
	mix   Mix
	ctx   context.Context // of the steps; requests under way are not cut
	stop  context.CancelFunc
	tasks sync.WaitGroup
	turn  atomic.Int64

	mu       sync.Mutex
	open     []*session // acknowledged, and not logged out
	retired  []retiree
	nRetired int
	spent    []payment
	nSpent   int
}

// retiree is a token that was revoked, or whose session was logged out.
type retiree struct {
	what string
	s    session
	ack  time.Time
}

// payment is a token that was presented where it is good once.
type payment struct{ raw, fingerprint string }

// How many of each are kept, to be presented again.
const (
	maxRetired = 100
	maxSpent   = 400
)

// Load starts clients.
func (c *Cluster) Load(mix Mix) *Load {
	mix.Visitors = orElse(mix.Visitors, 4)
	mix.Payers = orElse(mix.Payers, 2)
	mix.Readers = orElse(mix.Readers, 2)
	mix.Pause = max(0, orElse(mix.Pause, 5*time.Millisecond))
	l := &Load{c: c, mix: mix}
	l.ctx, l.stop = context.WithCancel(context.Background())
	for n := range mix.Visitors {
		l.tasks.Go(func() { l.visit(users[n%len(users)]) })
	}
	for range mix.Payers {
		l.tasks.Go(l.pay)
	}
	for range mix.Readers {
		l.tasks.Go(l.read)
	}
	l.tasks.Go(l.revoke)
	l.tasks.Go(l.knock)
	return l
}

// Stop ends the clients. Then every session that was acknowledged must still
// refresh, and no token that was spent or revoked may pass, on any guard.
func (l *Load) Stop() {
	l.stop()
	l.tasks.Wait()
	for _, s := range l.open {
		if l.renew(context.Background(), s, l.c.Guards[:1]) {
			l.ask("ordinary", s.access, s.fingerprint)
		}
	}
	for _, p := range l.spent {
		for _, g := range l.c.Guards {
			l.replay(g, p)
		}
	}
	for _, r := range l.retired {
		l.present(r)
	}
}

// guard takes turns.
func (l *Load) guard() *Guard { return l.c.Guards[int(l.turn.Add(1))%len(l.c.Guards)] }

// rest waits between two steps. It says false at the end.
func (l *Load) rest(d time.Duration) bool { return wait(l.ctx, d) }

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// ask presents a good token to one guard.
func (l *Load) ask(kind, raw, fingerprint string) {
	l.c.Judge.saw(kind, l.guard().get(context.Background(), pathItems, raw, fingerprint), false, http.StatusOK)
}

// read asks with tokens that are to be remembered, forged ones, and none.
func (l *Load) read() {
	bg := context.Background()
	raw, _ := l.c.mint.token()
	for n := 0; l.rest(l.mix.Pause); n++ {
		if n%100 == 0 {
			raw, _ = l.c.mint.token()
		}
		l.ask("ordinary", raw, "")
		switch n % 4 {
		case 0:
			l.c.Judge.saw("public", l.guard().get(bg, pathOpen, "", ""), true, http.StatusOK)
		case 1:
			l.c.Judge.saw("forged", l.guard().get(bg, pathItems, l.c.mint.forged(), ""), true, http.StatusUnauthorized)
		case 2:
			l.c.Judge.saw("no token", l.guard().get(bg, pathItems, "", ""), true, http.StatusUnauthorized)
		}
	}
}

// pay presents one token to all guards at the same moment, and now and then
// again one that was spent long ago.
func (l *Load) pay() {
	for l.rest(l.mix.Pause) {
		raw, _ := l.c.mint.token()
		l.spend(payment{raw, ""})
		l.mu.Lock()
		var old []payment
		if n := len(l.spent); n > 0 {
			old = append(old, l.spent[int(l.turn.Load())%n])
		}
		l.mu.Unlock()
		for _, p := range old {
			l.replay(l.guard(), p)
		}
	}
}

// spend presents a fresh token everywhere at once.
func (l *Load) spend(p payment) {
	answers, begin := make([]answer, len(l.c.Guards)), time.Now()
	var all sync.WaitGroup
	for i, g := range l.c.Guards {
		all.Go(func() { answers[i] = g.get(context.Background(), pathPay, p.raw, p.fingerprint) })
	}
	all.Wait()
	passed, unknown := 0, 0
	for _, a := range answers {
		l.c.Judge.saw("once", a, false, http.StatusOK, http.StatusUnauthorized)
		switch {
		case a.status == http.StatusOK:
			passed++
		case a.status != http.StatusUnauthorized:
			unknown++
		}
	}
	if passed == 0 && unknown == 0 && !l.c.Judge.faultySince(begin) {
		l.c.Judge.broke(PromiseAnswer, "once: a fresh token was refused everywhere: "+answers[0].detail)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if passed > 0 {
		l.spent = keep(l.spent, p, maxSpent, l.nSpent)
		l.nSpent++
	}
}

// replay presents a token that was spent.
func (l *Load) replay(g *Guard, p payment) {
	l.c.Judge.saw("replay", g.get(context.Background(), pathPay, p.raw, p.fingerprint), false, http.StatusUnauthorized)
}

// keep adds to a list of bounded length, in the place of the n-th oldest.
func keep[T any](list []T, v T, bound, n int) []T {
	if len(list) < bound {
		return append(list, v)
	}
	list[n%bound] = v
	return list
}
