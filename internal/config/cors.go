package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wiretight/wiretight/guard"
)

func (b *builder) cors() {
	c := b.file.CORS
	if c == nil {
		return
	}
	if c.Origins != nil && len(c.Origins) == 0 {
		b.wrong("cors.origins", "origins is empty, so that the section allows nothing", "write origins, or remove cors")
	}
	for i, o := range c.Origins {
		path := index("cors.origins", i)
		switch {
		case o == "":
		case slices.Contains(c.Origins[:i], o):
			b.wrong(path, fmt.Sprintf("origin %s is named twice", quoted(o)), "remove one of them")
		case o == "*":
			b.wildcard(path, c)
		default:
			b.origin(path, o, c.Credentials)
		}
	}
	b.methods("cors.methods", c.Methods)
	b.headerNames("cors.request_headers", c.RequestHeaders, "Cookie", "Host", "Origin")
	b.headerNames("cors.response_headers", c.ResponseHeaders, "Set-Cookie", "Set-Cookie2")
	if time.Duration(c.MaxAge) > 24*time.Hour {
		b.wrong("cors.max_age", "max_age is over 24h, which browsers do not heed", "write 24h or less")
	}
	b.out.Guard.CORS = &guard.CORS{
		Origins: c.Origins, Credentials: c.Credentials, Methods: c.Methods,
		RequestHeaders: c.RequestHeaders, ResponseHeaders: c.ResponseHeaders,
		MaxAge: time.Duration(c.MaxAge),
	}
}

func (b *builder) wildcard(path string, c *CORSFile) {
	if len(c.Origins) > 1 {
		b.wrong(path, "origin * stands beside others, which it makes meaningless", "remove it")
		return
	}
	what := "origin * lets every site read the answers"
	if c.Credentials {
		what = "origin * with credentials lets every site act as the user"
	}
	b.risk(path, "cors.wildcard", what, "write the origins of your own pages")
}

// origin takes one exact origin (RFC 6454 §6.2).
func (b *builder) origin(path, o string, credentials bool) {
	const example = "write one like https://app.example.com"
	if strings.EqualFold(o, "null") {
		b.wrong(path, "origin null is that of any sandboxed page, of whatever site", example)
		return
	}
	if strings.Contains(o, "*") {
		b.wrong(path, fmt.Sprintf("origin %s has a wildcard, but origins are exact", quoted(o)), "write every origin out")
		return
	}
	if !strings.Contains(o, "://") {
		b.wrong(path, fmt.Sprintf("origin %s has no scheme", quoted(o)), example)
		return
	}
	u := b.parseURL(path, o)
	if u == nil {
		return
	}
	if what, instead := originMistake(u, o); what != "" {
		b.wrong(path, fmt.Sprintf("origin %s %s", quoted(o), what), instead)
		return
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		b.plainOrigin(path, u, credentials)
	}
}

// plainOrigin warns of an origin whose pages anybody on the way can change.
func (b *builder) plainOrigin(path string, u *url.URL, credentials bool) {
	what := "pages of a plain http origin can be changed on the way, and then read the answers"
	if credentials {
		what += " with the user's cookies"
	}
	b.warn(path, what, "write https://"+u.Host)
}

func (b *builder) headerNames(path string, list []string, forbidden ...string) {
	for i, h := range list {
		at := index(path, i)
		same := func(other string) bool { return strings.EqualFold(h, other) }
		switch {
		case h == "":
		case h == "*":
			b.wrong(at, "headers have no wildcard here, and browsers exclude Authorization from it", "write every header")
		case !isToken(h):
			b.wrong(at, fmt.Sprintf("%s is no name of a header", quoted(h)), "write one like X-Request-ID")
		case slices.ContainsFunc(forbidden, same):
			b.wrong(at, fmt.Sprintf("browsers keep header %s from scripts", h), "remove it")
		case slices.ContainsFunc(list[:i], same):
			b.wrong(at, fmt.Sprintf("header %s is named twice", h), "remove one of them")
		}
	}
}
