package guard

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// examination is one look at a token in full.
//
// A rule on trial must not open what the other rules keep shut. So a token that
// only issuer, audience or expiry would refuse, while that rule is on trial, is
// looked at once more without it, and what its signature vouches for is put to
// the rules that follow.
type examination struct {
	policy *policy
	ctx    context.Context
	now    time.Time
	queue  suspects // whose turn is waited for, if it is not nil
	trial  bool     // whether rules on trial let pass
	noted  []*refusal
}

// tries reports whether r is a rule of an examination, and on trial.
func (p *policy) tries(r Rule) bool {
	return (r == RuleIssuer || r == RuleAudience || r == RuleExpired) && p.observes(r)
}

// tries notes f if its rule is on trial.
func (e *examination) tries(f *refusal) bool {
	if !e.trial || !e.policy.tries(f.rule) {
		return false
	}
	e.noted = append(e.noted, f)
	return true
}

// examine parses and verifies raw and notes its facts. A refusal of a forgery
// leaves in the facts by which keys it was judged.
func (e *examination) examine(raw string, f *facts, tp *thumbprint) (*token.Token, *refusal) {
	p := e.policy
	t, err := token.Parse(raw, p.limits)
	if err != nil {
		return nil, tokenRefusal(err)
	}
	index, ok := p.byIssuer[t.Claims.Issuer]
	if !ok && p.anyIssuer >= 0 {
		index, ok = p.anyIssuer, true
	}
	if ok {
		return t, e.verify(t, index, &p.issuers[index].policy, f, tp)
	}
	no := &refusal{rule: RuleIssuer, kind: kindInvalidToken, reason: "issuer " + quoted(t.Claims.Issuer) + " is not one of tokens.issuers"}
	if !e.tries(no) {
		return nil, no
	}
	return t, e.verifyByAny(t, f, tp)
}

// verifyByAny verifies a token whose issuer nobody knows, while that is on
// trial, by the keys of those who are known: without one of them it is forged.
func (e *examination) verifyByAny(t *token.Token, f *facts, tp *thumbprint) *refusal {
	before := len(e.noted)
	var no *refusal
	for i := range e.policy.issuers {
		e.noted = e.noted[:before]
		if no = e.verify(t, i, without(&e.policy.issuers[i].policy, RuleIssuer), f, tp); no == nil {
			return nil
		}
		no.forged = false // by this issuer's keys; another one's may have made it
	}
	if no == nil {
		no = &refusal{rule: RuleToken, kind: kindInvalidToken, reason: "there are no issuers"}
	}
	return no
}

// verify verifies t by the keys of an issuer under pol, and again without the
// rules that refuse it but are on trial.
func (e *examination) verify(t *token.Token, index int, pol *token.Policy, f *facts, tp *thumbprint) *refusal {
	iss := e.policy.issuers[index]
	keys, generation, err := iss.source.Current()
	if err != nil {
		return unavailableKeys(iss, err)
	}
	err = e.queue.verify(e.ctx, t, pol, keys, e.now)
	if errors.Is(err, token.ErrUnknownKey) {
		// A key set may have changed since we fetched it: look once.
		if again, g, ferr := iss.source.Refetch(e.ctx, t.Header.KeyID); ferr == nil && again != nil && g != generation {
			keys, generation = again, g
			err = e.queue.verify(e.ctx, t, pol, keys, e.now)
		}
	}
	for err != nil {
		no := tokenRefusal(err)
		if !e.tries(no) {
			f.issuer, f.generation = uint16(index), generation
			return no
		}
		pol = without(pol, no.rule) // which cannot refuse it again
		err = e.queue.verify(e.ctx, t, pol, keys, e.now)
	}
	*f = facts{
		era:       era{issuer: uint16(index), generation: generation},
		expiry:    seconds(t.Claims.Expiry),
		notBefore: secondsUp(t.Claims.NotBefore),
		issuedAt:  seconds(t.Claims.IssuedAt),
		ids:       idsOf(t),
	}
	return f.bind(&t.Claims.Confirmation, tp)
}

// without is a policy less one rule that is on trial.
func without(whole *token.Policy, r Rule) *token.Policy {
	p := *whole
	claim := ""
	switch r {
	case RuleIssuer:
		p.Issuer, p.DangerouslyAnyIssuer, claim = "", true, "iss"
	case RuleAudience:
		p.Audiences, p.DangerouslyAnyAudience, claim = nil, true, "aud"
	case RuleExpired:
		p.DangerouslyExpired = true
	}
	if claim != "" && p.Require != nil {
		p.Require = slices.DeleteFunc(slices.Clone(p.Require), func(c string) bool { return c == claim })
	}
	return &p
}

// note keeps what a rule on trial would have refused, the first of each.
func (x *exchange) note(f *refusal) {
	if !slices.ContainsFunc(x.observed, func(o *refusal) bool { return o.rule == f.rule }) {
		x.observed = append(x.observed, f)
	}
}
