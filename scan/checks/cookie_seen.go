package checks

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/scan"
)

// seenCookie is a cookie that an answer set.
type seenCookie struct {
	*http.Cookie
	method, url string
	status      int
}

// credentialName is how cookies that log somebody in are called.
var credentialName = regexp.MustCompile(`(?i)(^|[-_.])(sess(ion)?(id)?|sid|token|auth(n|orization)?|jwt|access|refresh|remember(_?me)?|id_?token|connect\.sid|jsessionid|phpsessid|asp\.net_sessionid)($|[-_.])|(session|token|auth|jwt|sessid)(id)?$`)

// readableByDesign is how cookies are called that scripts must read: the copy
// in a header is what they are for.
var readableByDesign = regexp.MustCompile(`(?i)csrf|xsrf`)

// credentialCookies are the cookies that carry a credential, of every answer
// that the scan has seen set any: the login, refreshes, and ordinary answers.
func credentialCookies(ctx context.Context, t *scan.Target) ([]seenCookie, error) {
	return scan.Memo(t, "cookie.seen", func() ([]seenCookie, error) {
		var list []seenCookie
		answers := []*scan.Response{t.Root(), t.NotFound()}
		if s, ok := t.Session(); ok {
			answers = append(answers, s.Response)
		}
		for _, p := range t.Protected() {
			answers = append(answers, p.B0, p.Bv)
		}
		for _, o := range callable(t, 3) {
			r, err := unasked(ctx, t, o)
			if err != nil {
				return nil, err
			}
			answers = append(answers, r)
		}
		some := false
		seen := map[string]bool{}
		for _, r := range answers {
			if r == nil {
				continue
			}
			some = true
			for _, c := range (&http.Response{Header: r.Header}).Cookies() {
				if !carriesCredential(t, c) || seen[c.Name] {
					continue
				}
				seen[c.Name] = true
				list = append(list, seenCookie{Cookie: c, method: r.Method, url: r.URL, status: r.Status})
			}
		}
		if !some {
			return nil, errSilence
		}
		return list, nil
	})
}

// carriesCredential reports whether a cookie logs somebody in: by its value, by
// the tokens of the scan, or by its name. A cookie that is being deleted does
// not.
func carriesCredential(t *scan.Target, c *http.Cookie) bool {
	if c.Value == "" || c.MaxAge < 0 || !c.Expires.IsZero() && c.Expires.Before(time.Now()) {
		return false
	}
	if strings.HasPrefix(c.Value, "eyJ") && strings.Count(c.Value, ".") == 2 {
		return true
	}
	if s, ok := t.Session(); ok {
		for _, secret := range []redact.Text{s.Access, s.Refresh, s.IDToken} {
			if !secret.Empty() && string(secret.Reveal()) == c.Value {
				return true
			}
		}
	}
	return credentialName.MatchString(c.Name) && !readableByDesign.MatchString(c.Name) && len(c.Value) >= 8
}

// cookieCheck runs one question over the credential cookies.
func cookieCheck(ctx context.Context, t *scan.Target, wrong func(seenCookie) (string, bool)) scan.Verdict {
	cookies, err := credentialCookies(ctx, t)
	if err != nil {
		return scan.Unsure("no answer that could set a cookie: " + err.Error())
	}
	if len(cookies) == 0 {
		if !t.CanLogin() {
			return scan.Skip("no credential cookie was set; without a login none may be")
		}
		return scan.Pass()
	}
	var found []scan.Evidence
	for _, c := range cookies {
		if what, bad := wrong(c); bad {
			found = append(found, scan.Evidence{
				Method: c.method, URL: c.url, Key: c.Name,
				Text: t.Mask(what + "\nSet-Cookie: " + shownCookie(c.Cookie)),
			})
		}
	}
	if len(found) > 0 {
		return scan.Find(found...)
	}
	return scan.Pass()
}

// shownCookie is a Set-Cookie header without the value.
func shownCookie(c *http.Cookie) string {
	shown := *c
	shown.Value = ""
	_, attributes, _ := strings.Cut(shown.String(), ";")
	return c.Name + "=[redacted]" + map[bool]string{true: ";" + attributes}[attributes != ""]
}
