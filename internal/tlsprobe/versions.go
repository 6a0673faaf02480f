package tlsprobe

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Answer is a peer's answer to the offer of one version.
type Answer struct {
	Outcome
	// Suite is the server's choice; of SSL 2 there are Suites2 to choose from.
	Suite   Suite
	Suites2 []Suite2
	// Renegotiation says that the ServerHello carries renegotiation_info.
	Renegotiation bool
	// Mark is what ServerHello.DowngradeMark returned.
	Mark Version

	ended error // what ended a hello that was not accepted
}

func unanswered(err error) Answer { return Answer{Outcome: outcomeOf(err), ended: err} }

// Versions holds an answer for each of AllVersions.
type Versions map[Version]Answer

// Accepted lists the versions that the peer accepts, oldest first.
func (v Versions) Accepted() []Version {
	var list []Version
	for version, answer := range v {
		if answer.Verdict == Accepted {
			list = append(list, version)
		}
	}
	slices.Sort(list)
	return list
}

// classic lists the accepted versions that share one hello: SSL 3 to TLS 1.2.
func (v Versions) classic() []Version {
	return slices.DeleteFunc(v.Accepted(), func(v Version) bool { return v < SSL3 || v > TLS12 })
}

// Best returns the newest version that the peer accepts, or zero.
func (v Versions) Best() Version {
	if list := v.Accepted(); len(list) > 0 {
		return list[len(list)-1]
	}
	return 0
}

// none explains why nothing more can be asked, when no version was accepted.
func (v Versions) none() Outcome {
	reason := v[TLS12].Reason
	if v[TLS12].Verdict == Refused && v[TLS13].Verdict == Inconclusive {
		reason = v[TLS13].Reason
	}
	return inconclusive("no version was accepted; TLS 1.2: %s", reason)
}

// Versions offers each version by itself, all side by side: one connection a
// version. A version is accepted when the server's hello names exactly it. If
// some version is accepted, silence or garbage towards another is a refusal of
// it; if none is, only an alert is one.
func (p *Probe) Versions(ctx context.Context) Versions {
	all := AllVersions()
	answers := make([]Answer, len(all))
	var wg sync.WaitGroup
	for i, v := range all {
		wg.Go(func() { answers[i] = p.version(ctx, v) })
	}
	wg.Wait()
	out := make(Versions, len(all))
	for i, v := range all {
		out[v] = answers[i]
	}
	out.settle()
	return out
}

// settle reads silence, garbage and closed connections in the light of the
// other answers.
func (v Versions) settle() {
	alive := v.Best() != 0
	for version, a := range v {
		var garbage malformedError
		switch {
		case alive && (silent(a.ended) || errors.As(a.ended, &garbage)):
			a.Verdict = Refused
		case !alive && closed(a.ended):
			a.Verdict = Inconclusive
		}
		v[version] = a
	}
}

func (p *Probe) version(ctx context.Context, v Version) Answer {
	switch v {
	case SSL2:
		f := &flight2{}
		if err := p.converse(ctx, f); err != nil {
			return unanswered(err)
		}
		return Answer{Outcome: accepted("server hello with %d cipher kinds", len(f.server.Suites)), Suites2: f.server.Suites}
	case TLS13:
		c := newClient13(goalHello, p.ServerName, suitesFor(TLS13, anySuite), p.now)
		if err := p.converse(ctx, c); err != nil {
			return unanswered(err)
		}
		return Answer{Outcome: accepted("server hello with %v", c.server.Suite), Suite: c.server.Suite}
	}
	f := p.offer(v, suitesFor(v, anySuite), typeServerHello)
	if err := p.converse(ctx, f); err != nil {
		return unanswered(err)
	}
	if f.server.Version != v {
		return Answer{Outcome: refused("the server answers with %v", f.server.Version)}
	}
	return Answer{
		Outcome: accepted("server hello with %v", f.server.Suite), Suite: f.server.Suite,
		Renegotiation: f.server.Renegotiation, Mark: f.server.DowngradeMark(),
	}
}

func anySuite(suiteTraits) bool { return true }

// offer is the talk that offers list at v, done with the message until.
func (p *Probe) offer(v Version, list []Suite, until byte) *flight {
	return &flight{hello: newHello(v, p.ServerName, list), until: until}
}

// Renegotiation tells from the answers whether the peer supports secure
// renegotiation (RFC 5746): Refused means that its hello lacks
// renegotiation_info though the client signalled it. It makes no connection.
func (v Versions) Renegotiation() Outcome {
	list := v.classic()
	if len(list) == 0 {
		if v.Best() == 0 {
			return v.none()
		}
		return notApplicable("only %v is accepted, which has no such renegotiation", v.Best())
	}
	for _, version := range list {
		if !v[version].Renegotiation {
			return refused("the server hello of %v lacks renegotiation_info", version)
		}
	}
	return accepted("renegotiation_info is in the server hello")
}
