package checks

import (
	"context"
	"net/http"
	"time"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// expiryLeeway is how long after exp a token may still be taken, for clocks that
// differ.
const expiryLeeway = 5 * time.Minute

// jwtExpiredAccepted finds services that take tokens after their end: the user's
// own if it is over, an expired one that was given, or one that is signed with the
// known secret.
var jwtExpiredAccepted = scan.Check{
	ID: "jwt.expired-accepted", Needs: catalog.NeedsToken, After: []string{"jwt.signature-unverified"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		token, why := readable(t)
		if why != "" {
			return scan.Skip(why)
		}
		if v, ok := ownExpired(t, token); ok {
			return v
		}
		if given := t.Config().ExpiredToken; !given.Empty() {
			return givenExpired(ctx, t, scan.ReadToken(string(given.Reveal())))
		}
		m := t.Material(ctx)
		if m.Sign == nil {
			return scan.Skip("needs an expired token, with --expired-token, or the signing secret, with --secret")
		}
		return wellSigned(ctx, t, m, variants("hour", "epoch", "fraction"), "expired")
	},
}

// ownExpired decides where the scan's own token has expired: that the service
// answers it at all is the finding.
func ownExpired(t *scan.Target, token scan.Token) (v scan.Verdict, ok bool) {
	if token.Expiry.IsZero() || len(t.Protected()) == 0 {
		return v, false
	}
	p := t.Protected()[0]
	now := serverTime(p.Bv, clock(t))
	if now.Sub(token.Expiry) < expiryLeeway {
		return v, false
	}
	e := inToken(t, "It expired at "+token.Expiry.UTC().Format(time.RFC3339)+" and is accepted at "+now.UTC().Format(time.RFC3339)+
		".\n  no credential: "+t.Summary(p.B0)+"\n  random signature: "+t.Summary(p.Br)+"\n  expired token: "+t.Summary(p.Bv))
	e.Key = ""
	return scan.Find(e), true
}

// serverTime is the time of an answer by its own Date, where that is readable.
func serverTime(r *scan.Response, now time.Time) time.Time {
	if r == nil {
		return now
	}
	if d, err := http.ParseTime(r.Header.Get("Date")); err == nil {
		return d
	}
	return now
}

// givenExpired sends the token that the user says has expired.
func givenExpired(ctx context.Context, t *scan.Target, given scan.Token) scan.Verdict {
	w, why := newThrower(t)
	if w == nil {
		return scan.Unsure(why)
	}
	now := serverTime(w.at[0].Bv, clock(t))
	switch {
	case given.JWT && given.Expiry.IsZero():
		return scan.Unsure("the token of --expired-token has no exp: that it is accepted would say nothing")
	case given.JWT && now.Sub(given.Expiry) < expiryLeeway:
		return scan.Unsure("the token of --expired-token has not expired more than five minutes ago: a leeway for clocks would excuse it")
	}
	title := "The token of --expired-token"
	if given.JWT {
		title += ", which expired at " + given.Expiry.UTC().Format(time.RFC3339)
	}
	return w.verdict(w.throw(ctx, []attack.Forged{{
		Name: "expired/given", Title: title, Token: string(given.Raw.Reveal()), Why: "A stolen token is good for ever",
	}}))
}
