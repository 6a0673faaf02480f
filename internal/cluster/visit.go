package cluster

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// stay is how many times a visitor refreshes before logging out.
const stay = 15

// patience is how long a client tries again what was answered 503.
const patience = 60 * time.Second

// visit logs in, asks, refreshes and logs out, over and over.
func (l *Load) visit(name string) {
	for {
		s := l.login(name)
		if s == nil {
			return
		}
		l.hold(s)
		for n := 0; n < stay; n++ {
			if !l.rest(l.mix.Pause) {
				return
			}
			l.ask("ordinary", s.access, s.fingerprint)
			guards := []*Guard{l.guard()}
			if n%3 == 0 {
				guards = l.c.Guards // two tabs at the same moment
			}
			if n%4 == 1 {
				l.spend(payment{s.access, s.fingerprint})
			}
			if !l.renew(l.ctx, s, guards) {
				break
			}
		}
		if l.ctx.Err() != nil {
			return
		}
		l.logout(s)
	}
}

// hold notes an acknowledged session.
func (l *Load) hold(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, s)
}

func (l *Load) release(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = slices.DeleteFunc(l.open, func(o *session) bool { return o == s })
}

// login tries until there is a session. Nil: the load has ended.
func (l *Load) login(name string) *session {
	for l.rest(l.mix.Pause) {
		a := l.guard().post(context.Background(), pathLogin, session{}, url.Values{"username": {name}, "password": {password}})
		l.c.Judge.saw("login", a, false, http.StatusOK)
		if a.status == http.StatusOK {
			s := a.opened(session{})
			return &s
		}
		if !l.rest(50 * time.Millisecond) {
			break
		}
	}
	return nil
}

// renew refreshes at all of guards at the same moment, over again while the
// answer is 503. It says false where the session is lost. If ctx ends before
// there is an answer the session stays as it is.
func (l *Load) renew(ctx context.Context, s *session, guards []*Guard) bool {
	for begin := time.Now(); time.Since(begin) < patience; {
		answers := make([]answer, len(guards))
		var all sync.WaitGroup
		for i, g := range guards {
			all.Go(func() { answers[i] = g.post(context.Background(), pathRefresh, *s, nil) })
		}
		all.Wait()
		next, lost := *s, false
		for _, a := range answers {
			l.c.Judge.saw("refresh", a, false, http.StatusOK, http.StatusUnauthorized)
			switch a.status {
			case http.StatusOK:
				next = a.opened(*s)
				l.c.Judge.succeeded(s.refresh, next.refresh)
			case http.StatusUnauthorized:
				l.c.Judge.broke(PromiseSession, a.detail)
				lost = true
			}
		}
		if lost {
			l.release(s)
			return false
		}
		if next != *s {
			*s = next
			return true
		}
		if !wait(ctx, 50*time.Millisecond) {
			return true
		}
		guards = []*Guard{l.guard()}
	}
	l.c.Judge.broke(PromiseSession, "refresh was not answered for "+patience.String())
	return true
}

// logout tries until it is acknowledged. From then on neither token is good.
func (l *Load) logout(s *session) {
	l.release(s)
	for {
		a := l.guard().post(context.Background(), pathLogout, *s, nil)
		l.c.Judge.saw("logout", a, false, http.StatusNoContent)
		if a.status == http.StatusNoContent {
			l.retire(retiree{"a logged out session", *s, a.sent.Add(a.took)})
			return
		}
		if !l.rest(50 * time.Millisecond) {
			return // nobody knows whether it ended
		}
	}
}

// revoke revokes tokens by the command line, a few a second.
func (l *Load) revoke() {
	for l.rest(300 * time.Millisecond) {
		raw, jti := l.c.mint.token()
		l.ask("ordinary", raw, "")
		g := l.guard()
		for g.Revoke(context.Background(), jti) != nil {
			if !l.rest(50 * time.Millisecond) {
				return
			}
		}
		r := retiree{"a revoked token", session{access: raw}, time.Now()}
		l.tasks.Go(func() { l.follow(r) })
		l.retire(r)
	}
}

// follow measures how soon every guard knows a revocation.
func (l *Load) follow(r retiree) {
	for _, g := range l.c.Guards {
		for g.get(context.Background(), pathItems, r.s.access, "").status == http.StatusOK {
			if !l.rest(10 * time.Millisecond) {
				return
			}
		}
	}
	l.c.Judge.spread(r.ack, time.Now())
}

// retire notes what must be refused from ack on.
func (l *Load) retire(r retiree) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired = keep(l.retired, r, maxRetired, l.nRetired)
	l.nRetired++
}

// knock presents retired tokens again.
func (l *Load) knock() {
	for n := 0; l.rest(l.mix.Pause + 5*time.Millisecond); n++ {
		l.mu.Lock()
		var some []retiree
		if len(l.retired) > 0 {
			// The last one, and one of the others.
			some = []retiree{l.retired[(l.nRetired-1)%len(l.retired)], l.retired[n%len(l.retired)]}
		}
		l.mu.Unlock()
		for _, r := range some {
			l.present(r)
		}
	}
}

// present shows a retired token to every guard.
func (l *Load) present(r retiree) {
	for _, g := range l.c.Guards {
		l.c.Judge.retired(r.what, r.ack, g.get(context.Background(), pathItems, r.s.access, r.s.fingerprint))
	}
	if r.s.refresh == "" {
		return
	}
	a := l.guard().post(context.Background(), pathRefresh, r.s, nil)
	if a.status == http.StatusOK {
		l.c.Judge.broke(PromiseRevoked, r.what+" refreshed")
	}
}
