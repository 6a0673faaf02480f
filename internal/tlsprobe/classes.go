package tlsprobe

import (
	"context"
	"slices"
	"sync"
)

// ClassAnswer is a peer's answer to the offer of one class of suites.
type ClassAnswer struct {
	Outcome
	// Version and Suite are what the peer agreed to.
	Version Version
	Suite   Suite
	// Bits is the size of the finite-field group that was shown, of
	// ClassWeakDH only, whatever the verdict. Zero: none was shown.
	Bits int
}

// Classes holds an answer for each of AllClasses.
type Classes map[Class]ClassAnswer

// Accepted lists the accepted classes in the order of AllClasses.
func (c Classes) Accepted() []Class {
	var list []Class
	for _, class := range AllClasses() {
		if c[class].Verdict == Accepted {
			list = append(list, class)
		}
	}
	return list
}

// Classes asks, at each version that v says is accepted, for the suites of all
// classes that are still open, and strikes out what the peer takes until it
// refuses: about as many connections as classes accepted plus versions.
func (p *Probe) Classes(ctx context.Context, v Versions) Classes {
	out := make(Classes)
	if v.Best() == 0 {
		for _, c := range AllClasses() {
			out[c] = ClassAnswer{Outcome: v.none()}
		}
		return out
	}
	var weak, secrecy, cbc Classes
	var dh ClassAnswer
	var wg sync.WaitGroup
	wg.Go(func() { weak = p.eliminate(ctx, v, slices.DeleteFunc(WeakClasses(), isWeakDH)) })
	wg.Go(func() { secrecy = p.eliminate(ctx, v, []Class{ClassNoFS}) })
	wg.Go(func() { cbc = p.eliminate(ctx, v, []Class{ClassCBC}) })
	wg.Go(func() { dh = p.weakDH(ctx, v) })
	wg.Wait()
	for _, part := range []Classes{weak, secrecy, cbc} {
		for c, a := range part {
			out[c] = a
		}
	}
	out[ClassWeakDH] = dh
	return out
}

func isWeakDH(c Class) bool { return c == ClassWeakDH }

// eliminate decides each of classes.
func (p *Probe) eliminate(ctx context.Context, v Versions, classes []Class) Classes {
	e := elimination{probe: p, out: make(Classes)}
	for _, version := range suiteVersions(v, classes) {
		if !e.at(ctx, version, classes) {
			break
		}
	}
	for _, c := range classes {
		if _, ok := e.out[c]; !ok {
			e.out[c] = ClassAnswer{Outcome: refused("no suite of the class is accepted")}
		}
	}
	// What SSL 2 lists is accepted too, whatever the later versions do.
	for _, s := range v[SSL2].Suites2 {
		for _, c := range s.classes() {
			if slices.Contains(classes, c) && e.out[c].Verdict != Accepted {
				e.out[c] = ClassAnswer{Outcome: accepted("%v by %v", SSL2, s), Version: SSL2}
			}
		}
	}
	return e.out
}

// suiteVersions lists the versions at which a class is asked for: all of them,
// newest first, for the weak ones, since servers allow some suites with some
// versions only; the newest and the oldest for the others.
func suiteVersions(v Versions, classes []Class) []Version {
	list := v.classic()
	slices.Reverse(list)
	if len(classes) == 1 {
		if len(list) > 2 {
			list = []Version{list[0], list[len(list)-1]}
		}
		return list
	}
	if v[TLS13].Verdict == Accepted {
		list = append([]Version{TLS13}, list...)
	}
	return list
}

// elimination strikes classes off an offer until the peer refuses it.
type elimination struct {
	probe *Probe
	out   Classes // what is decided
	// rude says that the peer refuses otherwise than by a plain alert. Once that
	// is known it need not be found out again at every version.
	rude bool
}

// at asks at one version until the peer refuses. It returns false when asking
// on is of no use.
func (e *elimination) at(ctx context.Context, v Version, classes []Class) bool {
	for {
		open := e.open(classes)
		list := suitesOf(v, open)
		if len(list) == 0 {
			return true
		}
		suite, version, err := e.probe.choose(ctx, v, list)
		if err != nil {
			return e.stumble(ctx, v, open, err)
		}
		for _, c := range suite.Classes() {
			if slices.Contains(open, c) {
				e.out[c] = ClassAnswer{Outcome: accepted("%v with %v", version, suite), Version: version, Suite: suite}
			}
		}
	}
}

// open lists those of classes that nothing was accepted of.
func (e *elimination) open(classes []Class) []Class {
	return slices.DeleteFunc(slices.Clone(classes), func(c Class) bool { return e.out[c].Verdict == Accepted })
}

// stumble judges the end of an offer that was not taken. A peer may have
// stumbled over the whole of an offer of which it would take a part: unless it
// refused in its usual way, each class is asked for by itself.
func (e *elimination) stumble(ctx context.Context, v Version, open []Class, err error) bool {
	outcome := outcomeOf(err)
	switch {
	case outcome.Verdict != Refused:
		for _, c := range open {
			e.out[c] = ClassAnswer{Outcome: outcome}
		}
		return false
	case plainRefusal(err), len(open) == 1, e.rude:
		return true
	}
	for _, c := range open {
		if e.out[c].Verdict != Accepted && !e.at(ctx, v, []Class{c}) {
			return false
		}
	}
	e.rude = len(e.open(open)) == len(open)
	return true
}

func suitesOf(v Version, classes []Class) []Suite {
	return suitesFor(v, func(t suiteTraits) bool {
		return slices.ContainsFunc(t.classes, func(c Class) bool { return slices.Contains(classes, c) })
	})
}

// choose returns the suite of list that the peer takes when asked at version v,
// and the version that it takes it with.
func (p *Probe) choose(ctx context.Context, v Version, list []Suite) (Suite, Version, error) {
	var got Suite
	var version Version
	if v >= TLS13 {
		c := newClient13(goalHello, p.ServerName, list, p.now)
		if err := p.converse(ctx, c); err != nil {
			return 0, 0, err
		}
		got, version = c.server.Suite, c.server.Version
	} else {
		f := p.offer(v, list, typeServerHello)
		if err := p.converse(ctx, f); err != nil {
			return 0, 0, err
		}
		got, version = f.server.Suite, f.server.Version
	}
	if !slices.Contains(list, got) {
		return 0, 0, foreignError{got}
	}
	return got, version, nil
}

// weakDH reads the group of a finite-field key exchange. Named groups are not
// offered, so that the server shows the one it has of its own.
func (p *Probe) weakDH(ctx context.Context, v Versions) ClassAnswer {
	answer := ClassAnswer{Outcome: refused("no finite-field key exchange is accepted")}
	for _, version := range suiteVersions(v, []Class{ClassWeakDH}) {
		f := p.offer(version, suitesFor(version, suiteTraits.ephemeralDH), typeServerKeyExchange)
		if err := p.converse(ctx, f); err != nil {
			if o := outcomeOf(err); o.Verdict == Inconclusive && answer.Bits == 0 {
				answer.Outcome = o
			}
			continue
		}
		if f.dhBits == 0 || !suites()[f.server.Suite].ephemeralDH() {
			if answer.Bits == 0 {
				answer.Outcome = inconclusive("the server chose %v and showed no group", f.server.Suite)
			}
			continue
		}
		if answer.Bits == 0 || f.dhBits < answer.Bits {
			answer = ClassAnswer{Version: f.server.Version, Suite: f.server.Suite, Bits: f.dhBits}
		}
		answer.Outcome = refused("the group has %d bits", answer.Bits)
		if answer.Bits < minDHBits {
			answer.Outcome = accepted("%v with %v in a group of %d bits", answer.Version, answer.Suite, answer.Bits)
		}
	}
	return answer
}

// minDHBits is the smallest group that is not weak (RFC 9325 §4.1).
const minDHBits = 2048
