package checks

import (
	"context"
	"slices"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/scan"
)

// wellSigned sends tokens that are signed as the issuer would, each with one thing
// wrong. One with nothing wrong goes first: if that is refused, the refusal of the
// others says nothing. The variants in mild are of medium severity.
func wellSigned(ctx context.Context, t *scan.Target, m attack.Material, fits func(attack.Forged) bool, name string, mild ...string) scan.Verdict {
	forged, err := forgeTokens(m, name)
	if err != nil {
		return scan.Skip("the token is no JWT that could be forged: " + err.Error())
	}
	forged = slices.DeleteFunc(forged, func(f attack.Forged) bool { return !fits(f) })
	if len(forged) == 0 {
		return scan.Skip("no such token can be made from what is known here")
	}
	w, why := newThrower(t)
	if w == nil {
		return scan.Unsure(why)
	}
	w.mild = variants(mild...)
	for i := range forged {
		forged[i].Title += ", signed with the secret that signs the genuine tokens"
	}
	found, err := w.throw(ctx, forged)
	if err != nil || len(found) > 0 || w.unsure != "" {
		return w.verdict(found, err)
	}
	a, err := t.Accepted(ctx, w.at[0], forged[0].Genuine)
	switch {
	case err != nil:
		return scan.Unsure("whether a token of the scan's own is accepted could not be asked: " + err.Error())
	case !a.Accepted:
		return scan.Unsure("a token signed with the secret that has nothing wrong is refused too: " + t.Summary(a.Response))
	}
	return scan.Pass()
}
