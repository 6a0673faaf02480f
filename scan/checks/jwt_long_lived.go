package checks

import (
	"context"
	"regexp"
	"strconv"
	"time"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtLongLived reads for how long the access token is good: over an hour is
// medium, over a day is high.
var jwtLongLived = scan.Check{
	ID: "jwt.long-lived", Needs: catalog.NeedsToken, Passive: true,
	Run: func(_ context.Context, t *scan.Target) scan.Verdict {
		token, why := readable(t)
		switch {
		case why != "":
			return scan.Skip(why)
		case token.Expiry.IsZero():
			return scan.Skip("the token has no usable exp; see jwt.no-expiry")
		}
		if use := notAccess(token); use != "" {
			return scan.Skip("the token is no access token: " + use)
		}
		life, from := token.Expiry.Sub(clock(t)), "now"
		if !token.Issued.IsZero() {
			life, from = token.Expiry.Sub(token.Issued), "its iat"
		}
		if life <= time.Hour {
			return scan.Pass()
		}
		e := inToken(t, "It is good for "+lasting(life)+", counted from "+from+". An hour is the most for a token that anybody who has it can use.")
		if life > 24*time.Hour {
			e.Severity = catalog.High
		}
		return scan.Find(e)
	},
}

var otherUse = regexp.MustCompile(`(?i)refresh|^id([_+-]|$)|offline`)

// notAccess says by what a token shows that it is a refresh or an ID token.
func notAccess(token scan.Token) string {
	if otherUse.MatchString(token.Type) {
		return "its typ is " + clip(token.Type)
	}
	for _, name := range []string{"typ", "type", "token_use", "token_type", "use"} {
		if s, ok := token.Claims[name].(string); ok && otherUse.MatchString(s) {
			return name + " is " + clip(s)
		}
	}
	return ""
}

// lasting writes a duration as people say it.
func lasting(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return strconv.Itoa(int(d/(24*time.Hour))) + " days"
	case d >= 2*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " hours"
	}
	return strconv.Itoa(int(d/time.Minute)) + " minutes"
}
