package issuer

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/wiretight/wiretight/internal/store"
)

// account is who logged in.
type account struct {
	subject    string
	scopes     []string
	generation string // of the user's record; empty where the application keeps users
}

// loginTimeout bounds a login, the wait for its turn to hash included.
const loginTimeout = 10 * time.Second

const detailPassword = "Wrong username or password"

// wrongPassword is the one answer to every login that fails, whyever.
func wrongPassword(reason string) *failure { return invalidGrant(detailPassword, reason) }

// login answers POST /auth/login.
func (c *call) login() *failure {
	fields, f := c.readBody(true)
	if f != nil {
		return f
	}
	s, f := c.show()
	if f != nil {
		return f
	}
	g, refresh, fingerprint, f := c.open(fields, s, opening{cookies: true, fingerprint: true})
	if f != nil {
		return f
	}
	a, f := c.mint(g)
	if f != nil {
		return f
	}
	c.replaceSession()
	if fingerprint != "" {
		c.setCookie(cookieFingerprint, fingerprint, g.ends.Sub(c.at))
	}
	c.event = "login"
	c.deliver(a, g, refresh, true)
	return nil
}

// opening says how a session is opened.
type opening struct {
	client      *Client // nil: first party
	cookies     bool    // refresh token in a cookie
	fingerprint bool    // the client keeps cookies
	noRefresh   bool
}

// open checks a password and opens a session.
func (c *call) open(fields map[string]string, s shown, o opening) (g grant, refresh, fingerprint string, f *failure) {
	b, fingerprint, f := c.bind(s, o.fingerprint)
	if f != nil {
		return g, "", "", f
	}
	who, f := c.authenticate(fields["username"], fields["password"])
	if f != nil {
		return g, "", "", f
	}
	c.subject = who.subject
	if f := c.outwait(who.subject); f != nil {
		return g, "", "", f
	}
	allowed, client := who.scopes, ""
	if o.client != nil {
		allowed, client = common(allowed, o.client.Scopes), o.client.ID
	}
	scopes, ok := chooseScopes(fields["scope"], allowed)
	if !ok {
		return g, "", "", invalidScope()
	}
	id := newFamilyID(who.subject)
	g = grant{subject: who.subject, client: client, scopes: scopes, sid: id.sid(), bound: b}
	g.ends = c.at.Add(c.cfg.RefreshTTL)
	fam := &family{
		Subject: who.subject, Client: client, Scopes: scopes, Account: who.generation,
		Created: c.at.UnixMilli(), Rotated: c.at.UnixMilli(), Expires: g.ends.UnixMilli(),
		Cookie: o.cookies, Bound: b, Agent: agentOf(c.r),
	}
	ctx, cancel := c.storeContext()
	defer cancel()
	if refresh, f = c.createSession(ctx, id, fam); f != nil {
		return g, "", "", f
	}
	if o.noRefresh {
		refresh = ""
	}
	return g, refresh, fingerprint, nil
}

// createSession stores the family, and looks again whether the user is still
// who logged in: a change of the password meanwhile found no session to end.
func (c *call) createSession(ctx context.Context, id familyID, fam *family) (string, *failure) {
	refresh, err := c.Issuer.sessions.create(ctx, id, fam)
	if err != nil {
		return "", unavailable(err)
	}
	if reason, err := c.accountGone(ctx, fam); err != nil {
		return "", unavailable(err)
	} else if reason != "" {
		if err := c.Issuer.sessions.end(ctx, id, reason); err != nil {
			return "", unavailable(err)
		}
		return "", wrongPassword(reason)
	}
	return refresh, nil
}

// accountGone says why the user of a family may no longer have it, or nothing.
func (c *call) accountGone(ctx context.Context, fam *family) (string, error) {
	if fam.Account == "" {
		return "", nil // the application keeps the users
	}
	user, _, err := c.users.get(ctx, fam.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "user is gone", nil
	case err != nil:
		return "", err
	case user.Disabled:
		return "user is disabled", nil
	case user.Generation != fam.Account:
		return "user has changed", nil
	}
	fam.Scopes = common(fam.Scopes, user.Scopes)
	return "", nil
}

// replaceSession ends the session that the browser had: a login makes a new
// one. Should that fail, the login is still good.
func (c *call) replaceSession() {
	value, present := c.refreshCookie()
	if !present {
		return
	}
	t, fam, f := c.familyOf(value)
	if f != nil || fam.Ended != "" {
		return
	}
	ctx, cancel := c.storeContext()
	defer cancel()
	if err := c.Issuer.sessions.end(ctx, t.family, "replaced by a login"); err != nil {
		c.logger.Warn("end the session that a login replaced", "error", err)
	}
}

// authenticate looks at a password under the limits.
func (c *call) authenticate(name, password string) (account, *failure) {
	ctx, cancel := context.WithTimeout(c.r.Context(), loginTimeout)
	defer cancel()
	try, wait, err := c.limits.begin(ctx, limitKey("address", network(c.front.client)), limitKey("user", name))
	switch {
	case errors.Is(err, errBusy):
		return account{}, tooMany(time.Second, err.Error())
	case err != nil:
		return account{}, unavailable(err)
	case try == nil:
		return account{}, tooMany(wait, "too many wrong passwords")
	}
	defer try.over()
	who, err := c.verifyPassword(ctx, name, password)
	switch {
	case errors.Is(err, errHashingBusy), errors.Is(err, context.DeadlineExceeded):
		return account{}, unavailable(err)
	case err != nil:
		return account{}, unavailable(err)
	case who != nil:
		return *who, nil
	}
	if err := try.failed(ctx); err != nil {
		return account{}, unavailable(err)
	}
	return account{}, wrongPassword("wrong username or password")
}

// verifyPassword returns nil if the password is wrong. What no user can have
// as name or password costs as much as a wrong one.
func (c *call) verifyPassword(ctx context.Context, name, password string) (*account, error) {
	if checkName(name) != nil || c.clients[name] != nil || name == firstParty {
		name = "" // nobody: a subject must not be taken for a client (RFC 9068 §5)
	}
	if len(password) > maxPassword {
		name, password = "", ""
	}
	if c.verifier == nil {
		user, err := c.users.authenticate(ctx, name, password)
		if err != nil || user == nil {
			return nil, err
		}
		return &account{subject: user.Name, scopes: user.Scopes, generation: user.Generation}, nil
	}
	if name == "" || password == "" {
		return nil, nil
	}
	said, err := c.verifier.verify(ctx, name, password)
	if err != nil || said == nil {
		return nil, err
	}
	if c.clients[said.Subject] != nil || said.Subject == firstParty {
		return nil, errors.New("login.verify_url gives a sub that is a client's id")
	}
	return &account{subject: said.Subject, scopes: said.Scopes}, nil
}

// agentOf is what a session is shown as to its user.
func agentOf(r *http.Request) string {
	agent := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(r.UserAgent(), ""))
	if runes := []rune(agent); len(runes) > maxAgent {
		agent = string(runes[:maxAgent])
	}
	return agent
}
