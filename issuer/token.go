package issuer

import "net/http"

// token answers POST /auth/token (RFC 6749 §3.2).
func (c *call) token() *failure {
	form, f := c.readForm()
	if f != nil {
		return f
	}
	client, f := c.machine(form)
	if f != nil {
		return f
	}
	kind := form["grant_type"]
	switch kind {
	case grantPassword, grantRefresh, grantClient:
	case "":
		return badRequest("grant_type is missing", "grant_type is missing")
	default:
		return &failure{status: http.StatusBadRequest, detail: "Grant type is not supported", code: "unsupported_grant_type", reason: "unknown grant type"}
	}
	if client != nil && !client.may(kind) {
		if f := c.strayed(form["refresh_token"], client); f != nil {
			return f
		}
		return &failure{status: http.StatusBadRequest, detail: "Grant type is not allowed for this client", code: "unauthorized_client", reason: "grant is not among the client's"}
	}
	s, f := c.show()
	if f != nil {
		return f
	}
	switch kind {
	case grantPassword:
		return c.passwordGrant(form, client, s)
	case grantRefresh:
		return c.refreshGrant(form, client, s)
	}
	return c.clientGrant(form, client, s)
}

// passwordGrant is RFC 6749 §4.3. The page of a browser gets its token bound to
// the fingerprint cookie; other callers keep no cookies.
func (c *call) passwordGrant(form map[string]string, client *Client, s shown) *failure {
	if form["username"] == "" || form["password"] == "" {
		return badRequest("username or password is missing", "username or password is missing")
	}
	o := opening{client: client, fingerprint: browser(c.r), noRefresh: client != nil && !client.may(grantRefresh)}
	g, refresh, fingerprint, f := c.open(form, s, o)
	if f != nil {
		return f
	}
	a, f := c.mint(g)
	if f != nil {
		return f
	}
	if fingerprint != "" {
		c.setCookie(cookieFingerprint, fingerprint, g.ends.Sub(c.at))
	}
	c.event = "login"
	c.deliver(a, g, refresh, false)
	return nil
}

// refreshGrant is RFC 6749 §6.
func (c *call) refreshGrant(form map[string]string, client *Client, s shown) *failure {
	text := form["refresh_token"]
	if text == "" {
		return badRequest("refresh_token is missing", "refresh_token is missing")
	}
	a, g, successor, f := c.rotate(presented{text: text, client: client, scope: form["scope"], shown: s})
	if f != nil {
		return f
	}
	c.deliver(a, g, successor, false)
	return nil
}

// clientGrant is RFC 6749 §4.4. There is no session and no refresh token.
func (c *call) clientGrant(form map[string]string, client *Client, s shown) *failure {
	if client == nil {
		return invalidClient("client_credentials without a client")
	}
	scopes, ok := chooseScopes(form["scope"], client.Scopes)
	if !ok {
		return invalidScope()
	}
	b, _, f := c.bind(s, false)
	if f != nil {
		return f
	}
	if f := c.outwait(client.ID); f != nil {
		return f
	}
	g := grant{subject: client.ID, client: client.ID, scopes: scopes, bound: b}
	a, f := c.mint(g)
	if f != nil {
		return f
	}
	c.subject, c.event = client.ID, "client token"
	c.deliver(a, g, "", false)
	return nil
}
