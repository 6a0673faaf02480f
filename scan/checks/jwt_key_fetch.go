package checks

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtKeyFetch finds services that call a URL because a token names it, whatever
// they answer. Whether the key found there is trusted is jwt.embedded-key's to
// say.
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
		at, why := telling(ctx, t)
		if why != "" {
			return scan.Unsure(why)
		}
		baits, err := layBaits(ctx, t, c, at[0])
		if err != nil {
			return scan.Unsure("the tokens could not all be sent: " + err.Error())
		}
		return judgeBaits(ctx, t, at[0], baits)
	},
}

// urlBait is a token that names a trap of its own.
type urlBait struct {
	title  string
	trap   *scan.Trap
	answer *scan.Response
	called bool
}

// layBaits sends a token of each kind that can name a URL.
func layBaits(ctx context.Context, t *scan.Target, c *scan.Callback, at scan.Protected) ([]*urlBait, error) {
	m := knownMaterial(t)
	var baits []*urlBait
	for i := 0; ; i++ {
		trap := c.Trap()
		m.CallbackURL = trap.URL()
		forged, err := forgeTokens(m, "key-url")
		if err != nil || i >= len(forged) {
			return baits, err
		}
		r, err := t.Do(ctx, at.Request(forged[i].Token))
		if err != nil {
			return nil, err
		}
		baits = append(baits, &urlBait{title: forged[i].Title, trap: trap, answer: r})
	}
}

// judgeBaits waits for callers, at all traps at once.
func judgeBaits(ctx context.Context, t *scan.Target, at scan.Protected, baits []*urlBait) scan.Verdict {
	var wg sync.WaitGroup
	for _, b := range baits {
		wg.Go(func() { b.called = b.trap.Wait(ctx) })
	}
	wg.Wait()
	var lines []string
	doubt := ""
	for _, b := range baits {
		switch {
		case b.called:
			lines = append(lines, b.title+" -> "+t.Summary(b.answer)+"; the scan's listener was called: "+strings.Join(b.trap.Hits(), ", "))
		case b.answer.Status == 429:
			doubt = b.title + ": the target answered 429 and may not have looked at the token"
		}
	}
	switch {
	case len(lines) > 0:
		slices.Sort(lines)
		return scan.Find(scan.Evidence{
			Method: at.Method, URL: at.URL, Text: t.Mask(strings.Join(lines, "\n") + "\ncontrol, no credential -> " + t.Summary(at.B0)), Repeat: curlToken(at, "$TOKEN"),
		})
	case ctx.Err() != nil:
		return scan.Unsure("the wait for callers was cut short")
	case doubt != "":
		return scan.Unsure(doubt)
	}
	return scan.Pass()
}
