package lab

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
)

// caller is who a request comes from.
type caller struct {
	subject string
	claims  map[string]any
	raw     string // the token, if there was one
	session string
}

// sessionCookie holds the access token for browsers.
const sessionCookie = "session"

// caller finds out who asks. A problem says why nobody is believed.
func (l *Lab) caller(r *http.Request) (*caller, string) {
	if l.has[HeaderIdentity] {
		if s := r.Header.Get("X-Auth-Subject"); s != "" {
			return &caller{subject: s}, ""
		}
	}
	if l.has[EncodedPassword] {
		if name, password, ok := r.BasicAuth(); ok && passwordFits(name, password) {
			return &caller{subject: name}, ""
		}
	}
	raw, problem := l.credential(r)
	if problem != "" {
		return nil, problem
	}
	claims, err := l.verify(r.Context(), raw)
	if err != nil {
		return nil, err.Error()
	}
	c := &caller{claims: claims, raw: raw}
	c.subject, _ = claims["sub"].(string)
	c.session, _ = claims["sid"].(string)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended[c.session] && c.session != "" {
		return nil, "session has ended"
	}
	return c, ""
}

// credential reads the token from the header, the cookie, or the query.
func (l *Lab) credential(r *http.Request) (raw, problem string) {
	lines := r.Header.Values("Authorization")
	if len(lines) > 1 && !l.has[TwoCredentials] {
		return "", "two Authorization headers"
	}
	cookie, _ := r.Cookie(sessionCookie) // absent: nil
	inQuery := queryToken(r)
	if len(lines) > 0 && inQuery != "" && !l.has[TokenInURL] {
		return "", "a token in the header and one in the query"
	}
	switch {
	case len(lines) > 0:
		scheme, rest, _ := strings.Cut(lines[0], " ")
		if !strings.EqualFold(scheme, "Bearer") && (!l.has[BindingIgnored] || !strings.EqualFold(scheme, "DPoP")) {
			return "", "scheme is not Bearer"
		}
		return rest, ""
	case cookie != nil:
		if err := http.NewCrossOriginProtection().Check(r); err != nil && !l.has[CrossSiteCookie] {
			return "", "request of another site with a cookie"
		}
		return cookie.Value, ""
	case inQuery != "" && l.has[TokenInURL]:
		return inQuery, ""
	}
	return "", "Not authenticated"
}

func queryToken(r *http.Request) string {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return ""
	}
	for _, name := range []string{"access_token", "token", "jwt"} {
		if v := q.Get(name); v != "" {
			return v
		}
	}
	return ""
}

func passwordFits(name, password string) bool {
	want, known := Users()[name]
	return known && subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 1
}
