package checks

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtKeyFetch finds services that call a URL because a token names it. Where the
// key found there is trusted as well, jwt.embedded-key reports it.
var jwtKeyFetch = scan.Check{
	ID: "jwt.key-fetch", Needs: catalog.NeedsToken,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		if _, why := readable(t); why != "" {
			return scan.Skip(why)
		}
		c, err := t.Callback()
		if err != nil {
			return scan.Skip(err.Error())
		}
		at, why := attended(ctx, t)
		if why != "" {
			return scan.Unsure(why)
		}
		baits, err := layBaits(ctx, t, c, at)
		if err != nil {
			return scan.Unsure("the tokens could not all be sent: " + err.Error())
		}
		return judgeBaits(ctx, t, at, baits)
	},
}

// bait is a token that names a trap.
type urlBait struct {
	attack.Forged
	trap     *scan.Trap
	answer   *scan.Response
	accepted bool
	fetched  bool
}

// attended is an operation that looks at tokens: one of the oracle's, or the first
// that answers the genuine one.
func attended(ctx context.Context, t *scan.Target) (p scan.Protected, why string) {
	if list := t.Protected(); len(list) > 0 {
		return list[0], ""
	}
	for _, o := range callable(t, 3) {
		if p, err := t.Baseline(ctx, o); err == nil && p.Bv.OK() && !p.B0.OK() {
			return p, ""
		}
	}
	return p, "no operation is known that takes the token: " + t.Unprotected()
}

// layBaits sends each token with a trap of its own.
func layBaits(ctx context.Context, t *scan.Target, c *scan.Callback, at scan.Protected) ([]*urlBait, error) {
	m := knownMaterial(t)
	m.CallbackURL = c.Trap().URL()
	forged, err := forgeTokens(m, "key-url")
	if err != nil {
		return nil, err
	}
	var baits []*urlBait
	for i := range forged {
		trap := c.Trap()
		m.CallbackURL = trap.URL()
		again, err := forgeTokens(m, "key-url")
		if err != nil {
			return nil, err
		}
		b := &urlBait{Forged: again[i], trap: trap}
		if at.Eligible {
			a, err := t.Accepted(ctx, at, b.Token)
			if err != nil {
				return nil, err
			}
			b.answer, b.accepted = a.Response, a.Accepted
		} else if b.answer, err = t.Do(ctx, at.Request(b.Token)); err != nil {
			return nil, err
		}
		baits = append(baits, b)
	}
	return baits, nil
}

// judgeBaits waits for callers. What was accepted is a wider weakness.
func judgeBaits(ctx context.Context, t *scan.Target, at scan.Protected, baits []*urlBait) scan.Verdict {
	var wg sync.WaitGroup
	for _, b := range baits {
		wg.Go(func() { b.fetched = b.trap.Wait(ctx) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return scan.Unsure("the wait for callers was cut short")
	}
	trusted := ""
	var lines []string
	for _, b := range baits {
		switch {
		case b.accepted:
			trusted = b.Title
		case b.fetched:
			lines = append(lines, b.Title+" -> "+t.Summary(b.answer)+"; the scan's listener was called: "+strings.Join(b.trap.Hits(), ", "))
		}
	}
	switch {
	case len(lines) > 0:
		slices.Sort(lines)
		return scan.Find(scan.Evidence{
			Method: at.Method, URL: at.URL, Text: t.Mask(strings.Join(lines, "\n")), Repeat: curl(at.Method, at.URL, `-H "Authorization: Bearer $TOKEN"`),
		})
	case trusted != "":
		return scan.Skip("the key behind the URL is trusted as well; see jwt.embedded-key: " + trusted)
	}
	return scan.Pass()
}
