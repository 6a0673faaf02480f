package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

const (
	// failedLogins is how often a login is tried with a password that is wrong, for
	// a user who does not exist, and enoughFailures how many of them decide.
	failedLogins   = 12
	enoughFailures = 8
	// noticeable is a delay that cannot be chance.
	noticeable = 500 * time.Millisecond
)

// lockWords are how answers say that there were too many attempts, where the
// status does not.
var lockWords = regexp.MustCompile(`(?i)too many|rate.?limit|try again (later|in)|temporarily|locked|blocked|throttl|captcha`)

// authNoRateLimit finds logins that answer the twelfth failure as the first.
var authNoRateLimit = scan.Check{
	ID: "auth.no-rate-limit", Needs: catalog.NeedsLogin, Last: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		var statuses []string
		var first *scan.Response
		var fastest time.Duration
		for i := range failedLogins {
			r, err := t.BadLogin(ctx)
			if errors.Is(err, scan.ErrLogins) && i >= enoughFailures {
				break
			}
			if err != nil {
				return scan.Unsure("a failed login got no answer: " + err.Error())
			}
			if first == nil {
				if why := noFailure(t, r); why != "" {
					return scan.Unsure(why)
				}
				first, fastest = r, r.Took
			}
			fastest = min(fastest, r.Took)
			if held(first, r) || i >= failedLogins/2 && r.Took > 3*fastest && r.Took > noticeable {
				return scan.Pass()
			}
			if r.Status >= 500 {
				return scan.Unsure(fmt.Sprintf("a failed login was answered with status %d", r.Status))
			}
			statuses = append(statuses, fmt.Sprint(r.Status))
		}
		return scan.Find(scan.Evidence{
			Method: first.Method, URL: first.URL,
			Text: t.Mask(fmt.Sprintf("%d failed logins of a user who does not exist were answered %s, without delay or Retry-After\n%s",
				len(statuses), strings.Join(statuses, ", "), heard("the first", first, nil))),
			Repeat: "for i in $(seq " + fmt.Sprint(failedLogins) + "); do " + curl("POST", first.URL, "-o /dev/null -w '%{http_code}\\n' -d 'username=nobody&password=wrong'") + "; done",
		})
	},
}

// held tells whether an answer to a failure is one of a limit: by its status, by
// Retry-After, or by what it says and the first did not.
func held(first, r *scan.Response) bool {
	switch {
	case r.Status == 429 || r.Header.Get("Retry-After") != "":
		return true
	case r.Status != first.Status && (r.Status == 403 || r.Status == 423):
		return true
	}
	return lockWords.Match(r.Body) && !lockWords.Match(first.Body)
}

// noFailure says why an answer is not that to a failed login, which may have any
// status. Empty: it is.
func noFailure(t *scan.Target, r *scan.Response) string {
	switch r.Status {
	case 404, 405, 415, 422:
		return fmt.Sprintf("the login answers status %d to the attempt, which is no failed login", r.Status)
	}
	if blanket(t, r) {
		return "the login answers as every path does: status 403"
	}
	if s, ok := t.Session(); ok && r.OK() && givesToken(s, r) {
		return "the login gives a token to a user who does not exist"
	}
	return ""
}

// givesToken tells whether an answer has what a good login's has: its cookie, or a
// token in the body.
func givesToken(s scan.Session, r *scan.Response) bool {
	for _, c := range (&http.Response{Header: r.Header}).Cookies() {
		if c.Name == s.AccessCookie && c.Value != "" && c.MaxAge >= 0 {
			return true
		}
	}
	var v any
	return s.AccessCookie == "" && json.Unmarshal(r.Body, &v) == nil && hasToken(v, len(s.Access.Reveal()), 0)
}

// hasToken looks for a JWT, or a text as long as an opaque token is.
func hasToken(v any, size, depth int) bool {
	switch v := v.(type) {
	case string:
		return scan.ReadToken(v).JWT || len(v) == size
	case map[string]any:
		for _, inner := range v {
			if depth < 4 && hasToken(inner, size, depth+1) {
				return true
			}
		}
	}
	return false
}
