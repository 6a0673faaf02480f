package issuer

import "net/http"

// refresh answers POST /auth/refresh: the refresh token comes and goes in its
// cookie.
func (c *call) refresh() *failure {
	value, present := c.refreshCookie()
	if !present {
		return &failure{status: http.StatusUnauthorized, detail: "Not authenticated", challenge: "Bearer", reason: "no refresh cookie"}
	}
	s, f := c.show()
	if f != nil {
		return f
	}
	a, g, successor, f := c.rotate(presented{text: value, cookie: true, shown: s})
	if f != nil {
		return f
	}
	c.deliver(a, g, successor, true)
	return nil
}
