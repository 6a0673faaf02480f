package checks

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// refreshPredictable looks for a pattern in opaque refresh tokens: steps, times,
// hashes of them, generators seeded with them, too little that changes. A refresh token that is a JWT is
// signed, and cannot be guessed by its identifier.
var refreshPredictable = scan.Check{
	ID: "refresh.predictable", Needs: catalog.NeedsLogin, Last: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		if s, ok := t.Session(); ok && s.Refresh.Empty() {
			return scan.Skip("the login gives no refresh token")
		}
		logins, err := severalLogins(ctx, t)
		if err != nil {
			return scan.Unsure(fmt.Sprintf("%d of %d logins were made: %v", len(logins), enoughLogins, err))
		}
		var ids []identifier
		for _, l := range logins {
			raw := string(l.Refresh.Reveal())
			switch {
			case raw == "":
				return scan.Skip("not every login gives a refresh token")
			case scan.ReadToken(raw).JWT:
				return scan.Skip("the refresh tokens are JWTs; see jwt.predictable-id")
			}
			ids = append(ids, identifier{raw, l.Began, l.Ended})
		}
		why := idPattern(ids)
		if why == "" {
			why = seeded(byItsClock(logins, ids))
		}
		if why == "" {
			return scan.Pass()
		}
		var lengths []string
		for _, id := range ids {
			lengths = append(lengths, fmt.Sprint(len(id.text)))
		}
		// The tokens are live: only what they have in common is shown.
		return scan.Find(scan.Evidence{
			Method: "POST", URL: t.LoginURL(),
			Text: t.Mask(fmt.Sprintf("refresh tokens of %d logins, %s characters long: %s", len(ids), strings.Join(lengths, ", "), why)),
		})
	},
}

// byItsClock moves identifiers to the time that the target's answers tell, if all
// do, and says how far that may be off. Servers write the same Date for a while:
// where the clocks go alike, the time here counts as well.
func byItsClock(logins []timedLogin, ids []identifier) ([]identifier, time.Duration) {
	list := slices.Clone(ids)
	for i, l := range logins {
		at, err := http.ParseTime(l.Response.Header.Get("Date"))
		if err != nil {
			return ids, clockSkew
		}
		if off := l.Began.Sub(at).Abs(); off > clockSkew {
			list[i].began, list[i].ended = at, at
			continue
		}
		if at.Before(l.Began) {
			list[i].began = at
		}
	}
	return list, time.Second
}
