package lab

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"
)

// session is a login that can be refreshed.
type session struct {
	id      string
	subject string
	used    bool
}

// Bounds of what the lab remembers.
const (
	maxSessions = 10000
	maxFailures = 5 // a minute, by user and by peer
)

// login takes a name and a password, as JSON or as a form.
func (l *Lab) login(w http.ResponseWriter, r *http.Request, _ *caller) {
	name, password, ok := l.readLogin(w, r)
	if ok {
		l.enter(w, r, name, password)
	}
}

func (l *Lab) readLogin(w http.ResponseWriter, r *http.Request) (name, password string, ok bool) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		var body struct{ Username, Password string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			l.malformed(w, r, err)
			return "", "", false
		}
		return body.Username, body.Password, true
	}
	if err := r.ParseForm(); err != nil {
		l.malformed(w, r, err)
		return "", "", false
	}
	return r.PostForm.Get("username"), r.PostForm.Get("password"), true
}

// token is the password grant of OAuth 2.0, and the refresh grant.
func (l *Lab) token(w http.ResponseWriter, r *http.Request, _ *caller) {
	if err := r.ParseForm(); err != nil {
		l.malformed(w, r, err)
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "refresh_token":
		l.renew(w, r, r.PostForm.Get("refresh_token"))
	case "", "password":
		l.enter(w, r, r.PostForm.Get("username"), r.PostForm.Get("password"))
	default:
		l.fail(w, r, http.StatusBadRequest, "unsupported_grant_type")
	}
}

// loginByLink takes the password from the query.
func (l *Lab) loginByLink(w http.ResponseWriter, r *http.Request, _ *caller) {
	q := r.URL.Query()
	l.enter(w, r, q.Get("username"), q.Get("password"))
}

// enter checks the password, slowly after failures.
func (l *Lab) enter(w http.ResponseWriter, r *http.Request, name, password string) {
	peer, _, _ := net.SplitHostPort(r.RemoteAddr)
	if !l.has[NoRateLimit] && (l.failed("user "+name, 0) >= maxFailures || l.failed("peer "+peer, 0) >= 4*maxFailures) {
		w.Header().Set("Retry-After", "60")
		l.fail(w, r, http.StatusTooManyRequests, "Too many failed logins")
		return
	}
	if !passwordFits(name, password) {
		l.failed("user "+name, 1)
		l.failed("peer "+peer, 1)
		l.unauthorized(w, r, "Incorrect username or password")
		return
	}
	s := &session{id: l.id(), subject: name}
	l.grant(w, r, s, l.remember(s))
}

// failed counts failures within the running minute.
func (l *Lab) failed(who string, more int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if minute := l.o.Now().Unix() / 60; minute != l.minute {
		l.minute = minute
		clear(l.failures)
	}
	if len(l.failures) < maxSessions || l.failures[who] > 0 {
		l.failures[who] += more
	}
	return l.failures[who]
}

// remember makes a refresh token for a session.
func (l *Lab) remember(s *session) string {
	refresh := randomText(32)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.has[RefreshPredictable] {
		l.counter++
		refresh = fmt.Sprintf("refresh-%06d", l.counter)
	}
	if len(l.sessions) >= maxSessions {
		clear(l.sessions)
	}
	l.sessions[refresh] = s
	return refresh
}

// id names a session or a token.
func (l *Lab) id() string {
	if !l.has[PredictableID] {
		return randomText(16)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counter++
	return strconv.Itoa(l.counter)
}

// refresh takes {"refresh_token": …}.
func (l *Lab) refresh(w http.ResponseWriter, r *http.Request, _ *caller) {
	var body struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		l.malformed(w, r, err)
		return
	}
	l.renew(w, r, body.RefreshToken)
}

func (l *Lab) renew(w http.ResponseWriter, r *http.Request, refresh string) {
	l.mu.Lock()
	s := l.sessions[refresh]
	reused := s != nil && s.used && !l.has[RefreshReuse] && !l.has[RefreshNotRotated]
	over := s == nil || l.ended[s.id]
	if reused {
		l.end(s.id) // somebody else has it: the whole family goes
	}
	if s != nil {
		s.used = true
	}
	l.mu.Unlock()
	if over || reused {
		l.unauthorized(w, r, "Invalid refresh token")
		return
	}
	next := refresh
	if !l.has[RefreshNotRotated] {
		next = l.remember(&session{id: s.id, subject: s.subject})
	}
	l.grant(w, r, s, next)
}

// end makes a session's tokens worthless. The caller holds the lock.
func (l *Lab) end(id string) {
	if len(l.ended) >= maxSessions {
		clear(l.ended)
	}
	l.ended[id] = true
}

// logout ends the session, or says that it did.
func (l *Lab) logout(w http.ResponseWriter, _ *http.Request, c *caller) {
	if !l.has[NotRevoked] && c.session != "" {
		l.mu.Lock()
		l.end(c.session)
		l.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	l.answer(w, http.StatusOK, map[string]string{"detail": "logged out"})
}

// grant answers with tokens.
func (l *Lab) grant(w http.ResponseWriter, r *http.Request, s *session, refresh string) {
	access, lifetime, err := l.issue("at+jwt", s)
	if err != nil {
		l.broken(w, r, err)
		return
	}
	identity, _, err := l.issue("id+jwt", s)
	if err != nil {
		l.broken(w, r, err)
		return
	}
	cookie := &http.Cookie{Name: sessionCookie, Value: access, Path: "/"}
	cookie.Secure = !l.has[CookieNotSecure]
	cookie.HttpOnly = !l.has[CookieNotHTTPOnly]
	if !l.has[CookieSameSite] {
		cookie.SameSite = http.SameSiteStrictMode
	}
	http.SetCookie(w, cookie)
	if !l.has[CacheableToken] {
		w.Header().Set("Cache-Control", "no-store")
	}
	l.answer(w, http.StatusOK, map[string]any{
		"access_token": access, "token_type": "bearer", "expires_in": int(lifetime / time.Second),
		"refresh_token": refresh, "id_token": identity,
	})
}

// issue makes a token for a session, with all that is wrong with the lab's.
func (l *Lab) issue(typ string, s *session) (raw string, lifetime time.Duration, err error) {
	now := l.o.Now()
	lifetime = 5 * time.Minute
	if l.has[LongLived] {
		lifetime = 8 * 24 * time.Hour
	}
	claims := map[string]any{
		"iss": Issuer, "aud": Audience, "sub": s.subject, "scope": "read write", "jti": l.id(), "sid": s.id,
		"iat": now.Unix(), "exp": now.Add(lifetime).Unix(),
	}
	if l.has[NoExpiry] && !l.has[LongLived] {
		delete(claims, "exp")
	}
	if l.has[MissingClaims] {
		delete(claims, "iss")
		delete(claims, "aud")
	}
	if l.has[SensitiveClaims] {
		maps.Copy(claims, map[string]any{"password": Users()[s.subject], "email": s.subject + "@example.com", "phone": "+1 555 0100"})
	}
	switch {
	case l.has[WeakSecret]:
		raw, err = signHS256(typ, claims, []byte(publishedSecret))
	case l.has[WeakAlgorithm]:
		raw, err = signHS256(typ, claims, l.keys.secret)
	default:
		raw, err = l.signer.Sign(typ, claims)
	}
	return raw, lifetime, err
}

func signHS256(typ string, claims map[string]any, secret []byte) (string, error) {
	header, err := json.Marshal(map[string]string{"alg": "HS256", "typ": typ})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil)), nil
}
