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

// jwtNotRevoked logs in, logs out, and looks whether the token is still good. A
// service of several instances has a moment to tell them all.
var jwtNotRevoked = scan.Check{
	ID: "jwt.not-revoked", Needs: catalog.NeedsLogin, Last: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		list, why := telling(ctx, t)
		if why != "" {
			return scan.Unsure(why)
		}
		if t.LogoutURL() == "" {
			return scan.Skip("no logout is known: name one with --logout-url PATH")
		}
		s, err := t.Login(ctx)
		if err != nil {
			return scan.Unsure("no session of its own could be had: " + err.Error())
		}
		p := ownSession(list[0], s)
		token := string(s.Access.Reveal())
		before, err := t.Do(ctx, p.Request(token))
		switch {
		case err != nil:
			return scan.Unsure("the operation could not be asked: " + err.Error())
		case !takes(p, before):
			return scan.Unsure("the token of a second login is not accepted: " + t.Summary(before))
		}
		out, err := t.Logout(ctx, s)
		switch {
		case errors.Is(err, scan.ErrAbsent):
			return scan.Skip("there is no logout: name one with --logout-url PATH")
		case err != nil:
			return scan.Unsure("the logout could not be asked: " + err.Error())
		case !out.OK() && out.Status != 302 && out.Status != 303:
			return scan.Unsure("the logout was refused: " + t.Summary(out))
		}
		return outlives(ctx, t, p, s, out)
	},
}

// ownSession is an operation as another session's client asks for it.
func ownSession(p scan.Protected, s scan.Session) scan.Protected {
	p.Cookie = s.AccessCookie
	var companions []string
	for _, c := range s.Cookies {
		if c.Name != s.AccessCookie && c.Name != s.RefreshCookie && c.Value != "" && c.MaxAge >= 0 {
			companions = append(companions, c.Name+"="+c.Value)
		}
	}
	p.Companion = strings.Join(companions, "; ")
	return p
}

// revocationTakes is how long a logout may take to have its effect. On loopback
// there is nobody to tell.
const revocationTakes = 5 * time.Second

// outlives asks with the token of a session that has ended, until it is refused.
func outlives(ctx context.Context, t *scan.Target, p scan.Protected, s scan.Session, out *scan.Response) scan.Verdict {
	most := revocationTakes
	if t.Loopback() {
		most = time.Second / 2
	}
	began := time.Now()
	tick := time.NewTicker(most / 5)
	defer tick.Stop()
	for {
		waited := time.Since(began)
		r, err := t.Do(ctx, p.Request(string(s.Access.Reveal())))
		switch {
		case err != nil:
			return scan.Unsure("whether the token is still good could not be asked: " + err.Error())
		case !takes(p, r) && (r.Status == 429 || r.Status >= 500):
			return scan.Unsure("after the logout the target answered " + t.Summary(r))
		case !takes(p, r):
			return scan.Pass()
		case waited >= most:
			text := fmt.Sprintf("%s later than the logout the token is still accepted%s.\n  logout: %s %s\n  no credential: %s\n  token after the logout: %s",
				waited.Round(100*time.Millisecond), remaining(t, s), out.URL, t.Summary(out), t.Summary(p.B0), t.Summary(r))
			return scan.Find(scan.Evidence{
				Method: p.Method, URL: p.URL, Text: t.Mask(text), Repeat: curlToken(p, "$TOKEN"),
			})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return scan.Unsure("the wait for the logout's effect was cut short")
		}
	}
}

// remaining says for how long a token would still be good.
func remaining(t *scan.Target, s scan.Session) string {
	token := scan.ReadToken(string(s.Access.Reveal()))
	switch {
	case !token.JWT:
		return ""
	case token.Expiry.IsZero():
		return ", and it has no end"
	}
	return ", and by its exp for " + lasting(token.Expiry.Sub(clock(t))) + " more"
}
