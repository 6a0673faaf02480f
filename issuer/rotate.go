package issuer

import (
	"context"
	"errors"
	"time"

	"github.com/wiretight/wiretight/internal/store"
)

// presented is a refresh token as it came.
type presented struct {
	text   string
	cookie bool // where it came from
	client *Client
	scope  string // asked for
	shown  shown
}

// familyOf reads the family of an authentic token. Any other token is refused,
// without a word about why.
func (c *call) familyOf(text string) (refreshToken, *family, *failure) {
	ctx, cancel := c.storeContext()
	defer cancel()
	t, fam, _, f := c.read(ctx, text)
	return t, fam, f
}

func (c *call) read(ctx context.Context, text string) (t refreshToken, fam *family, raw []byte, f *failure) {
	t, err := parseRefreshToken(text)
	if err != nil {
		return t, nil, nil, invalidGrant("Invalid token", err.Error())
	}
	fam, raw, err = c.Issuer.sessions.get(ctx, t.family)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return t, nil, nil, invalidGrant("Invalid token", "session is unknown, or its time is over")
	case err != nil:
		return t, nil, nil, unavailable(err)
	case !c.secrets.authentic(&t, fam.Salt):
		return t, nil, nil, invalidGrant("Invalid token", "refresh token was not made here")
	}
	return t, fam, raw, nil
}

// rotate takes a refresh token and gives its successor, with an access token.
//
// Of all who present one token at once a single compare-and-swap succeeds; the
// others find, when they look again, that the token is the last but one. Within
// the grace, from the same client, that is answered with the same successor,
// which can be made again without having been stored.
func (c *call) rotate(p presented) (access, grant, string, *failure) {
	ctx, cancel := c.storeContext()
	defer cancel()
	for {
		t, fam, raw, f := c.read(ctx, p.text)
		if f != nil {
			return access{}, grant{}, "", f
		}
		c.subject = fam.Subject
		if f := c.mayRefresh(ctx, t.family, fam, p); f != nil {
			return access{}, grant{}, "", f
		}
		repeat := t.number+1 == fam.Number && c.withinGrace(fam)
		if t.number < fam.Number && !repeat {
			return access{}, grant{}, "", c.endSessionFor(ctx, t.family, "refresh token was used before")
		}
		a, g, f := c.renew(t.family, fam, p)
		if f != nil {
			return access{}, grant{}, "", f
		}
		successor := c.secrets.refreshToken(t.family, fam.Salt, t.number+1)
		if repeat {
			c.event = "refresh repeated"
			return a, g, successor, nil
		}
		// A number ahead of the record was given out before the store lost its
		// last writes; it is as good as the record's own.
		fam.Number, fam.Rotated = t.number+1, c.at.UnixMilli()
		switch err := c.Issuer.sessions.replace(ctx, t.family, raw, fam); {
		case err == nil:
			c.event = "refresh"
			return a, g, successor, nil
		case !errors.Is(err, store.ErrConflict) || ctx.Err() != nil:
			return access{}, grant{}, "", unavailable(err)
		}
	}
}

// withinGrace tells whether the last rotation is so fresh that its answer may
// not have arrived, not counting the time in which the store was away.
func (c *call) withinGrace(fam *family) bool {
	grace, rotated := c.cfg.RefreshGrace, time.UnixMilli(fam.Rotated)
	since := c.at.Sub(rotated)
	return grace > 0 && (since <= grace && since >= -grace || c.ring.outage.excuses(rotated, c.at, grace))
}

// mayRefresh refuses who may not refresh the family. A token in wrong hands
// ends it.
func (c *call) mayRefresh(ctx context.Context, id familyID, fam *family, p presented) *failure {
	if fam.Ended != "" {
		// Its access tokens may not be revoked yet, if that failed.
		if err := c.Issuer.sessions.revoke(ctx, id.sid()); err != nil {
			return unavailable(err)
		}
		return invalidGrant("Invalid token", "session was ended: "+fam.Ended)
	}
	if !c.at.Before(time.UnixMilli(fam.Expires)) {
		return invalidGrant("Token expired", "session's time is over")
	}
	if reason := fam.foreign(p); reason != "" {
		return c.endSessionFor(ctx, id, reason)
	}
	revoked, err := c.Issuer.sessions.revokedSince(ctx, id.sid(), fam.Subject, time.UnixMilli(fam.Created))
	if err != nil {
		return unavailable(err)
	}
	if revoked {
		return c.endSessionFor(ctx, id, "revoked")
	}
	reason, err := c.accountGone(ctx, fam)
	if err != nil {
		return unavailable(err)
	}
	if reason != "" {
		return c.endSessionFor(ctx, id, reason)
	}
	return nil
}

// foreign says how the presenter differs from the client that the family
// belongs to, or nothing.
func (fam *family) foreign(p presented) string {
	client := ""
	if p.client != nil {
		client = p.client.ID
	}
	switch {
	case client != fam.Client:
		return "refresh token belongs to another client"
	case p.cookie != fam.Cookie:
		return "refresh token came another way than it was given"
	}
	return fam.Bound.mismatch(p.shown)
}

// strayed ends the family of a refresh token that a client shows which may not
// refresh: unless it is the client's own, whoever it was given to has lost it.
func (c *call) strayed(text string, client *Client) *failure {
	if text == "" {
		return nil
	}
	ctx, cancel := c.storeContext()
	defer cancel()
	t, fam, _, f := c.read(ctx, text)
	switch {
	case f != nil && f.status >= 500:
		return f
	case f != nil || fam.Client == client.ID || fam.Ended != "":
		return nil
	}
	c.subject = fam.Subject
	return c.endSessionFor(ctx, t.family, "refresh token belongs to another client")
}

// endSessionFor ends a family because of what was just presented. If that
// cannot be stored, nobody is told that it was.
func (c *call) endSessionFor(ctx context.Context, id familyID, why string) *failure {
	if err := c.Issuer.sessions.end(ctx, id, why); err != nil {
		return unavailable(err)
	}
	return invalidGrant("Invalid token", "session ended: "+why)
}

// renew makes the access token of a refresh.
func (c *call) renew(id familyID, fam *family, p presented) (access, grant, *failure) {
	scopes, ok := chooseScopes(p.scope, fam.Scopes)
	if !ok {
		return access{}, grant{}, invalidScope()
	}
	g := grant{subject: fam.Subject, client: fam.Client, scopes: scopes, sid: id.sid(), bound: fam.Bound, ends: time.UnixMilli(fam.Expires)}
	if g.bound == (bound{}) {
		g.bound = bound{JKT: p.shown.jkt} // a proof may come later than the session
	}
	a, f := c.mint(g)
	return a, g, f
}
