package issuer

import (
	"net/http"
	"time"
)

// The cookies. The prefix makes browsers hold them to https, this host and the
// path / (RFC 6265bis §4.1.3.2).
const (
	cookieRefresh     = "__Host-refresh"
	cookieAccess      = "__Host-access"
	cookieFingerprint = "__Host-fingerprint"
)

// setCookie sets a cookie that no script can read and no plain HTTP carries. A
// life of zero or less takes it away.
func (c *call) setCookie(name, value string, life time.Duration) {
	k := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if c.cfg.SameSite == "lax" {
		k.SameSite = http.SameSiteLaxMode
	}
	k.MaxAge = int(life / time.Second)
	if k.MaxAge <= 0 {
		k.Value, k.MaxAge = "", -1
	}
	http.SetCookie(c.w, k)
}

// clearCookies takes all of the issuer's cookies away.
func (c *call) clearCookies() {
	for _, name := range []string{cookieRefresh, cookieAccess, cookieFingerprint} {
		c.setCookie(name, "", 0)
	}
}

// refreshCookie reads the refresh token. Two cookies have two readings and
// count as none that is good.
func (c *call) refreshCookie() (value string, present bool) {
	k := c.r.CookiesNamed(cookieRefresh)
	if len(k) != 1 {
		return "", len(k) > 0
	}
	return k[0].Value, k[0].Value != ""
}
