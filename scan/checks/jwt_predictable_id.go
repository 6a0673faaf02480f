package checks

import (
	"context"
	"fmt"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtPredictableID logs in several times and looks for a pattern in the
// identifiers of the tokens.
var jwtPredictableID = scan.Check{
	ID: "jwt.predictable-id", Needs: catalog.NeedsLogin, Last: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		if token, ok := t.Token(); ok && !token.JWT {
			return scan.Skip("the token is opaque: it has no jti or sid")
		}
		logins, err := severalLogins(ctx, t)
		if err != nil {
			return scan.Unsure(fmt.Sprintf("%d of %d logins were made: %v", len(logins), enoughLogins, err))
		}
		var found []scan.Evidence
		looked := 0
		for _, name := range []string{"jti", "sid"} {
			ids, whole := identifiers(logins, name)
			if !whole {
				continue
			}
			looked++
			if why := idPattern(ids); why != "" {
				found = append(found, scan.Evidence{
					Method: "POST", URL: t.LoginURL(), Key: name, Repeat: "curl -si " + shellQuote(t.LoginURL()) + " --data \"$LOGIN\"",
					Text: t.Mask(fmt.Sprintf("%s of %d logins: %s.\n%s", name, len(ids), why, sampleIDs(ids))),
				})
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case looked == 0:
			return scan.Skip("the tokens have no jti and no sid")
		}
		return scan.Pass()
	},
}

// identifiers are the values of a claim, one for each login. whole says that every
// token has it.
func identifiers(logins []timedLogin, name string) (ids []identifier, whole bool) {
	for _, l := range logins {
		token := scan.ReadToken(string(l.Access.Reveal()))
		v := token.Claims[name]
		if v == nil {
			return nil, false
		}
		text := fmt.Sprint(v)
		if text == "" || len(text) > 512 {
			return nil, false
		}
		ids = append(ids, identifier{text, l.Began, l.Ended})
	}
	return ids, len(ids) > 1
}

// sampleIDs shows a few identifiers, no more of each than shows the pattern.
func sampleIDs(ids []identifier) string {
	var lines []string
	for _, id := range ids[:min(4, len(ids))] {
		text := id.text
		if len(text) > 40 {
			text = text[:40] + "…"
		}
		lines = append(lines, "  "+fmt.Sprintf("%q", text))
	}
	return strings.Join(lines, "\n")
}
