package checks

import (
	"context"
	"strings"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtTypeConfusion finds services that take a refresh or an ID token for an access
// token. Where the secret is known, tokens with another typ are tried too.
var jwtTypeConfusion = scan.Check{
	ID: "jwt.type-confusion", Needs: catalog.NeedsLogin, Last: true, After: []string{"jwt.signature-unverified"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		s, ok := t.Session()
		if !ok {
			var err error
			if s, err = t.Login(ctx); err != nil {
				return scan.Unsure("no session could be had: " + err.Error())
			}
		}
		w, why := newThrower(t)
		if w == nil {
			return scan.Unsure(why)
		}
		kinds := otherKinds(s)
		found, err := w.throw(ctx, kinds)
		if err != nil || len(found) > 0 {
			return w.verdict(found, err)
		}
		m := t.Material(ctx)
		if m.Sign == nil || w.unsure != "" {
			if len(kinds) == 0 {
				return scan.Skip("the login gives neither a refresh token nor an ID token, and the secret is not known")
			}
			return w.verdict(nil, nil)
		}
		v := wellSigned(ctx, t, m, variants("refresh", "id", "dpop", "logout"), "type")
		if token, _ := t.Token(); !typed(token) {
			// The service's own tokens say no more than JWT: they may be told apart
			// by a claim, which was kept.
			for i := range v.Findings {
				v.Findings[i].Severity, v.Findings[i].Confidence = catalog.Low, "low"
			}
		}
		return v
	},
}

// typed tells whether a token says by its typ what it is for (RFC 8725 §3.11).
func typed(token scan.Token) bool { return token.Type != "" && !strings.EqualFold(token.Type, "JWT") }

// otherKinds are the session's tokens that are no access tokens.
func otherKinds(s scan.Session) []attack.Forged {
	var list []attack.Forged
	if !s.Refresh.Empty() && !s.Refresh.Equal(s.Access) {
		list = append(list, attack.Forged{
			Name: "kind/refresh", Title: "The session's refresh token", Token: string(s.Refresh.Reveal()),
			Why: "A token that lives for days does what one of minutes should",
		})
	}
	if !s.IDToken.Empty() && !s.IDToken.Equal(s.Access) {
		list = append(list, attack.Forged{
			Name: "kind/id", Title: "The session's ID token", Token: string(s.IDToken.Reveal()),
			Why: "A token that tells a client who the user is opens the API to whoever the client shows it",
		})
	}
	return list
}
