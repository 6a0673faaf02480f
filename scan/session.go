package scan

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/redact"
)

// Session is what a login or a refresh gave.
type Session struct {
	Access, Refresh, IDToken redact.Text
	// ExpiresIn is expires_in of the answer. Zero: absent.
	ExpiresIn time.Duration
	// Cookies are those that the answer set.
	Cookies []*http.Cookie
	// AccessCookie and RefreshCookie name the cookies that Access and Refresh
	// were found in. Empty: the body.
	AccessCookie, RefreshCookie string
	// Response is the answer itself.
	Response *Response
}

// companions is the Cookie header of those cookies that go along with the access
// token, as one that it is bound to. Empty: there are none.
func (s Session) companions() string {
	var pairs []string
	for _, c := range s.Cookies {
		if c.Name != s.AccessCookie && c.Name != s.RefreshCookie && c.Value != "" && c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

// all is the Cookie header of every cookie.
func (s Session) all() string {
	var pairs []string
	for _, c := range s.Cookies {
		if c.Value != "" && c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

// readSession finds the tokens in an answer, and remembers them as secrets.
func (t *Target) readSession(r *Response) (Session, bool) {
	s := Session{Response: r, Cookies: (&http.Response{Header: r.Header}).Cookies()}
	if !r.OK() && r.Status != http.StatusFound && r.Status != http.StatusSeeOther {
		return s, false
	}
	fields := tokenFields(r.Body)
	pick := func(names ...string) redact.Text {
		for _, n := range names {
			if v := fields[n]; len(v) >= minToken {
				t.secrets.keep(v)
				return redact.NewText(v)
			}
		}
		return redact.Text{}
	}
	s.Access = pick("accesstoken", "token", "jwt", "authtoken", "bearertoken", "bearer", "access", "idtoken")
	s.Refresh, s.IDToken = pick("refreshtoken", "refresh"), pick("idtoken")
	s.ExpiresIn = seconds(fields["expiresin"])
	for _, c := range s.Cookies {
		t.secrets.keep(c.Value)
		t.fromCookie(&s, c)
	}
	return s, !s.Access.Empty()
}

var (
	accessCookie = regexp.MustCompile(`(?i)access|session|sess|jwt|token|auth|sid`)
	noCredential = regexp.MustCompile(`(?i)csrf|xsrf|fingerprint|fpt|locale|lang|theme|consent`)
)

// fromCookie takes a cookie for a token, if it looks like one and the body had
// none.
func (t *Target) fromCookie(s *Session, c *http.Cookie) {
	switch {
	case c.Value == "" || c.MaxAge < 0 || noCredential.MatchString(c.Name):
	case refreshPath.MatchString(c.Name):
		if s.Refresh.Empty() {
			s.Refresh, s.RefreshCookie = redact.NewText(c.Value), c.Name
		}
	case s.Access.Empty() && (accessCookie.MatchString(c.Name) || ReadToken(c.Value).JWT):
		s.Access, s.AccessCookie = redact.NewText(c.Value), c.Name
	}
}

// tokenFields collects the strings and numbers of a JSON text by the names of
// their members, without case, - and _; outer ones first.
func tokenFields(body []byte) map[string]string {
	fields := map[string]string{}
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if len(body) > 64<<10 || d.Decode(&v) != nil {
		return fields
	}
	level := []any{v}
	if s, ok := v.(string); ok && ReadToken(s).JWT {
		fields["token"] = s
	}
	for depth := 0; depth < 5 && len(level) > 0; depth++ {
		var next []any
		for _, e := range level {
			o, _ := e.(map[string]any)
			for _, k := range slices.Sorted(maps.Keys(o)) {
				name := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(k))
				switch v := o[k].(type) {
				case string:
					if fields[name] == "" {
						fields[name] = v
					}
				case json.Number:
					if fields[name] == "" {
						fields[name] = v.String()
					}
				default:
					next = append(next, v)
				}
			}
		}
		level = next
	}
	return fields
}

func seconds(s string) time.Duration {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n < 0 || n > 1e9 {
		return 0
	}
	return time.Duration(n * float64(time.Second))
}
