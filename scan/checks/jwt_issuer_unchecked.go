package checks

import (
	"context"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtIssuerUnchecked finds services that take well signed tokens whatever their
// iss says.
var jwtIssuerUnchecked = scan.Check{
	ID: "jwt.issuer-unchecked", Needs: catalog.NeedsSecret, After: []string{"jwt.signature-unverified"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		token, why := readable(t)
		switch {
		case why != "":
			return scan.Skip(why)
		case token.Issuer == "":
			return scan.Skip("the genuine token has no iss; see jwt.missing-claims")
		}
		if m := t.Material(ctx); m.Sign != nil {
			return wellSigned(ctx, t, m, variants("other", "extended", "beginning", "case", "array", "absent", "null"), "issuer",
				"case", "array", "absent", "null")
		}
		other := scan.ReadToken(string(t.Config().OtherToken.Reveal()))
		if !other.JWT || other.Issuer == "" || other.Issuer == token.Issuer {
			return scan.Skip("needs the signing secret, with --secret, or with --other-token a token of another issuer")
		}
		return foreignToken(ctx, t, "The token of --other-token, whose iss is "+clip(other.Issuer), other)
	},
}

// foreignToken sends a genuine token that is not meant for the target.
func foreignToken(ctx context.Context, t *scan.Target, title string, other scan.Token) scan.Verdict {
	if end := other.Expiry; !end.IsZero() && end.Before(clock(t)) {
		return scan.Unsure("the token of --other-token has expired: its refusal would say nothing")
	}
	w, why := newThrower(t)
	if w == nil {
		return scan.Unsure(why)
	}
	return w.verdict(w.throw(ctx, []attack.Forged{{
		Name: "other/given", Title: title, Token: string(other.Raw.Reveal()),
		Why: "Whoever is given such a token, as another service is, can use it here",
	}}))
}
