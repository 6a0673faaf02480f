package issuer

import (
	"net/http"
	"strings"

	"github.com/wiretight/wiretight/internal/revocation"
)

// caller is who asks to look at a token or to revoke it: a client, or the
// session that the token belongs to.
type caller struct {
	client  *Client
	session *familyID
}

// caller authenticates. It fails if the request names nobody.
func (c *call) caller(form map[string]string) (caller, *failure) {
	client, f := c.machine(form)
	if f != nil || client != nil {
		return caller{client: client}, f
	}
	if raw, _ := c.accessToken(); raw != "" {
		b, f := c.bearer()
		return caller{session: b.family}, f
	}
	if value, present := c.refreshCookie(); present {
		t, fam, f := c.familyOf(value)
		if f == nil && fam.Ended == "" {
			return caller{session: &t.family}, nil
		}
		if f != nil && f.status >= 500 {
			return caller{}, f
		}
	}
	return caller{}, invalidClient("neither a client nor a session authenticates")
}

// owns tells whether a token of a client and a session is the caller's. Of the
// latter, whoever calls, each is empty where the token has none.
func (a caller) owns(client string, session *familyID) bool {
	if a.client != nil {
		return a.client.Introspect || client == a.client.ID
	}
	return a.session != nil && session != nil && *a.session == *session
}

// revoke answers POST /auth/revoke (RFC 7009).
func (c *call) revoke() *failure {
	form, f := c.readForm()
	if f != nil {
		return f
	}
	text := form["token"]
	if text == "" {
		return badRequest("token is missing", "token is missing")
	}
	if strings.HasPrefix(text, refreshPrefix) {
		f = c.revokeRefresh(form, text)
	} else {
		f = c.revokeAccess(form, text)
	}
	if f == nil {
		c.w.Header().Set("Content-Length", "0")
		c.w.WriteHeader(http.StatusOK)
	}
	return f
}

// revokeRefresh ends a session. The refresh token of a session without a client
// is itself the proof of owning it (RFC 7009 §2.1 on public clients).
func (c *call) revokeRefresh(form map[string]string, text string) *failure {
	t, fam, bad := c.familyOf(text)
	if bad != nil && bad.status >= 500 {
		return bad
	}
	public := bad == nil && fam.Client == "" && !fam.Cookie
	a, f := c.caller(form)
	switch {
	case f != nil && (!public || f.status >= 500):
		return f
	case bad != nil:
		return nil // nothing that could be revoked
	case f == nil && !a.owns(fam.Client, &t.family):
		return notOwner()
	}
	ctx, cancel := c.storeContext()
	defer cancel()
	if err := c.Issuer.sessions.end(ctx, t.family, "revoked by its client"); err != nil {
		return unavailable(err)
	}
	c.subject, c.event = fam.Subject, "session revoked"
	return nil
}

func (c *call) revokeAccess(form map[string]string, text string) *failure {
	a, f := c.caller(form)
	if f != nil {
		return f
	}
	b, reason, f := c.examine(text)
	if f != nil {
		return f
	}
	if reason != "" {
		return nil // worth nothing already
	}
	if !a.owns(b.claims.ClientID, b.family) {
		return notOwner()
	}
	ctx, cancel := c.storeContext()
	defer cancel()
	if err := revocation.Put(ctx, c.store, revocation.Revocation{JTI: b.claims.ID}, c.at, c.Issuer.sessions.keep); err != nil {
		return unavailable(err)
	}
	c.subject, c.event = b.claims.Subject, "token revoked"
	return nil
}

// notOwner refuses to touch another's token (RFC 7009 §2.1).
func notOwner() *failure {
	return &failure{status: http.StatusBadRequest, detail: "Token was not issued to this client", code: "unauthorized_client", reason: errNotOwner.Error()}
}
