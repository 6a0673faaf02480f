package checks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtKidInjection finds services that look for the key by a path or a query that
// the token's kid is a part of. Commands are tried only by an intrusive scan.
var jwtKidInjection = scan.Check{
	ID: "jwt.kid-injection", Needs: catalog.NeedsToken, After: []string{"jwt.signature-unverified", "jwt.blank-secret"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		forged, err := forgeTokens(knownMaterial(t), "kid-injection")
		if err != nil {
			return scan.Skip("the token is no JWT that could be forged: " + err.Error())
		}
		w, why := newThrower(t)
		if w == nil {
			return scan.Unsure(why)
		}
		var quiet, intrusive []attack.Forged
		for _, f := range forged {
			if f.Intrusive {
				intrusive = append(intrusive, f)
			} else {
				quiet = append(quiet, f)
			}
		}
		found, err := w.throw(ctx, quiet)
		if err == nil && len(found) == 0 && t.Config().Intrusive {
			found, err = w.delayed(ctx, intrusive)
		}
		if err == nil && len(found) == 0 {
			found, err = w.quoted(ctx)
		}
		return w.verdict(found, err)
	},
}

// quoted finds out whether it is the quote in a kid that makes the service fail.
// That is a lead, no proof.
func (w *thrower) quoted(ctx context.Context) ([]scan.Evidence, error) {
	failed := w.seen["kid-injection/sql-union"]
	if failed == nil || failed.Status < 500 {
		return nil, nil
	}
	p := w.at[0]
	var answers []*scan.Response
	for _, kid := range []string{"x UNION SELECT wt-- -", "x'"} {
		token, err := withKid(w.t, kid)
		if err != nil {
			return nil, err
		}
		r, err := w.t.Do(ctx, p.Request(token))
		if err != nil {
			return nil, err
		}
		answers = append(answers, r)
	}
	if plain, quote := answers[0], answers[1]; plain.Status < 500 && quote.Status >= 500 {
		return []scan.Evidence{{
			Method: p.Method, URL: p.URL, Confidence: "low", Severity: catalog.Medium, Title: "A quote in the kid header makes the service fail",
			Text: w.t.Mask(fmt.Sprintf("The kid seems to reach a query.\n  kid without a quote: %s\n  kid with a quote: %s\n  genuine token: %s",
				w.t.Summary(plain), w.t.Summary(quote), w.t.Summary(p.Bv))),
			Repeat: curlToken(p, "$TOKEN"),
		}}, nil
	}
	return nil, nil
}

// withKid is a token with that kid under a random secret.
func withKid(t *scan.Target, kid string) (string, error) {
	token, _ := t.Token()
	return hmacToken(scan.Random(32), map[string]any{"alg": "HS256", "typ": "JWT", "kid": kid}, token.Claims)
}

// commandDelay is how long a command delays, less what clocks differ. A request that
// is given up before that has been delayed as well.
const commandDelay = 4 * time.Second

// delayed sends kids that are commands, each twice with a harmless one in between,
// and looks at the time.
func (w *thrower) delayed(ctx context.Context, forged []attack.Forged) ([]scan.Evidence, error) {
	p, enough := w.at[0], commandDelay
	if most := w.t.Config().Timeout * 4 / 5; most > 0 {
		enough = min(enough, most)
	}
	took := func(token string) (time.Duration, error) {
		began := time.Now()
		_, err := w.t.Do(ctx, p.Request(token))
		d := time.Since(began)
		if d >= enough && ctx.Err() == nil {
			err = nil // the answer was not waited for
		}
		return d, err
	}
	for _, f := range forged {
		var times []string
		late := true
		for _, token := range []string{f.Token, f.Control, f.Token, f.Control} {
			d, err := took(token)
			if err != nil {
				return nil, err
			}
			times = append(times, d.Round(10*time.Millisecond).String())
			if late = (d >= enough) == (token == f.Token); !late {
				break
			}
		}
		if late {
			return []scan.Evidence{{
				Method: p.Method, URL: p.URL, Confidence: "medium", Title: "A command in the kid header is run",
				Text:   w.t.Mask(f.Title + ". It sleeps for 5 s; with it, without it, and both again, the answer took " + strings.Join(times, ", ") + "."),
				Repeat: curlToken(p, "$TOKEN"),
			}}, nil
		}
	}
	return nil, nil
}
