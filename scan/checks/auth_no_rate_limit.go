package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// failedLogins is how often a login is tried with a password that is wrong, for
// a user who does not exist.
const failedLogins = 12

// authNoRateLimit finds logins that answer the twelfth failure as the first.
var authNoRateLimit = scan.Check{
	ID: "auth.no-rate-limit", Needs: catalog.NeedsLogin, Last: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		var lines []string
		var first *scan.Response
		var fastest time.Duration
		for i := range failedLogins {
			r, err := t.BadLogin(ctx)
			if errors.Is(err, scan.ErrLogins) && i >= 8 {
				break
			}
			if err != nil {
				return scan.Unsure("a failed login got no answer: " + err.Error())
			}
			if i == 0 {
				first, fastest = r, r.Took
			}
			fastest = min(fastest, r.Took)
			switch {
			case r.Status == 429 || r.Header.Get("Retry-After") != "":
				return scan.Pass()
			case r.Status >= 500:
				return scan.Unsure("a failed login was answered " + fmt.Sprint(r.Status))
			case i > 0 && r.Status != first.Status && (r.Status == 403 || r.Status == 423):
				return scan.Pass()
			case i >= 6 && r.Took > 3*fastest && r.Took > 500*time.Millisecond:
				return scan.Pass() // each failure takes longer
			}
			lines = append(lines, fmt.Sprint(r.Status))
		}
		return scan.Find(scan.Evidence{
			Method: first.Method, URL: first.URL,
			Text: fmt.Sprintf("%d failed logins of a user who does not exist were answered %s, without delay or Retry-After", len(lines), strings.Join(lines, ", ")),
		})
	},
}
