package main

import (
	"context"
	"net/http"
	"strings"
)

const groupAnswer = "Answers, which the guard mends"

// answerRows are about what comes back. The guard lets most of these answers
// through, without what was wrong with them.
func (b *demoBed) answerRows() []demoRow {
	token := func(path string) func(*demoSide) ask {
		return func(*demoSide) ask { return ask{path: path, header: bearer(b.mint(nil))} }
	}
	header := func(name, path string, judge func(s *demoSide, a answerOf) (bool, string)) demoRow {
		return demoRow{group: groupAnswer, name: name, run: asks(token(path), judge)}
	}
	return []demoRow{
		{group: groupAnswer, name: "Token echoed in an error", run: b.echoed("/items/99")},
		{group: groupAnswer, name: "Token in a stack trace", run: b.echoed("/items/x")},
		header("Slash redirect down to http", "/profile/", func(_ *demoSide, a answerOf) (bool, string) {
			to := a.header.Get("Location")
			return strings.HasPrefix(to, "http:"), a.number() + " to " + schemeOf(to)
		}),
		{group: groupAnswer, name: "Redirect to a spoofed host", run: asks(
			func(*demoSide) ask {
				return ask{path: "/profile/", header: append(bearer(b.mint(nil)), "X-Forwarded-Host", "evil.example")}
			},
			func(_ *demoSide, a answerOf) (bool, string) {
				if strings.Contains(a.header.Get("Location"), "evil.example") {
					return true, a.number() + " to evil"
				}
				return false, a.number() + " to itself"
			})},
		header("Redirect to another http host", "/legacy", func(_ *demoSide, a answerOf) (bool, string) {
			return a.status < 400, ""
		}),
		{group: groupAnswer, name: "Cookie without flags", run: asks(
			func(*demoSide) ask {
				return ask{method: "POST", path: "/login", body: "username=alice&password=wonderland-7", header: []string{"Content-Type", "application/x-www-form-urlencoded"}}
			}, bareCookie)},
		header("Answer that caches may keep", "/profile", func(_ *demoSide, a answerOf) (bool, string) {
			c := a.header.Get("Cache-Control")
			if c == "" {
				c = "cacheable"
			}
			return !strings.Contains(c, "no-store"), c
		}),
		header("Server versions told", "/profile", func(_ *demoSide, a answerOf) (bool, string) {
			if a.header.Get("Server")+a.header.Get("X-Powered-By") != "" {
				return true, "told"
			}
			return false, "not told"
		}),
		header("No Strict-Transport-Security", "/profile", func(_ *demoSide, a answerOf) (bool, string) {
			if a.header.Get("Strict-Transport-Security") == "" {
				return true, "absent"
			}
			return false, "there"
		}),
	}
}

// echoed provokes an error and looks for the token in it.
func (b *demoBed) echoed(path string) func(context.Context, *demoSide) outcome {
	return func(ctx context.Context, s *demoSide) outcome {
		raw := b.mint(nil)
		a, err := s.do(ctx, ask{path: path, header: bearer(raw)})
		if err != nil {
			return failed(err)
		}
		o := outcome{text: a.number() + " without it", ids: []string{a.id()}}
		if strings.Contains(a.body, raw) {
			o.passed, o.text = true, a.number()+" with it"
		} else if strings.Contains(a.body, "[redacted]") {
			o.text = a.number() + " [redacted]"
		}
		return o
	}
}

// bareCookie looks for what a cookie should have.
func bareCookie(_ *demoSide, a answerOf) (bool, string) {
	cookies := (&http.Response{Header: a.header}).Cookies()
	if len(cookies) == 0 {
		return false, "no cookie"
	}
	var have []string
	c := cookies[0]
	for name, there := range map[string]bool{"Secure": c.Secure, "HttpOnly": c.HttpOnly, "SameSite": c.SameSite > http.SameSiteDefaultMode} {
		if there {
			have = append(have, name)
		}
	}
	switch len(have) {
	case 0:
		return true, "no flag"
	case 3:
		return false, "all flags"
	}
	return true, "some flags"
}

func schemeOf(location string) string {
	scheme, _, ok := strings.Cut(location, "://")
	if !ok {
		return "a path"
	}
	return scheme
}
