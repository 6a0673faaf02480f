package issuer

import "net/http"

// logout answers POST /auth/logout. It ends the session of the refresh cookie,
// or of the access token where there is no cookie, and makes the browser forget.
// Who has no session is logged out already.
func (c *call) logout() *failure {
	id, f := c.sessionToEnd()
	if f != nil {
		return f
	}
	if id != nil {
		ctx, cancel := c.storeContext()
		defer cancel()
		if err := c.Issuer.sessions.end(ctx, *id, "logged out"); err != nil {
			return unavailable(err)
		}
		c.event = "logout"
	}
	c.clearCookies()
	c.w.Header().Set("Clear-Site-Data", `"cache", "cookies", "storage"`)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// sessionToEnd finds the session that the request belongs to, or none.
func (c *call) sessionToEnd() (*familyID, *failure) {
	if value, present := c.refreshCookie(); present {
		t, fam, f := c.familyOf(value)
		switch {
		case f == nil:
			c.subject = fam.Subject
			return &t.family, nil // even a token that was used before shows whose session it is
		case f.status >= 500:
			return nil, f
		}
	}
	b, f := c.bearer()
	switch {
	case f == nil && b.family != nil:
		return b.family, nil
	case f != nil && f.status >= 500:
		return nil, f
	}
	return nil, nil
}
