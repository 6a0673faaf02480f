package guard

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

func (c *checker) cors() {
	cors := c.cfg.CORS
	if cors == nil {
		return
	}
	if len(cors.Origins) == 0 {
		c.add("cors.origins", "is empty", "name the origins that may read answers, or remove cors")
	}
	for i, o := range cors.Origins {
		c.origin(path("cors.origins", i), o)
		if slices.Contains(cors.Origins[:i], o) {
			c.add(path("cors.origins", i), fmt.Sprintf("origin %q is named twice", o), "remove one")
		}
	}
	for i, m := range cors.Methods {
		if !validMethod(m) {
			c.add(path("cors.methods", i), fmt.Sprintf("%q is not a method that can be let through", m), "write upper-case names such as GET")
		}
	}
	for _, list := range []struct {
		at    string
		names []string
	}{{"cors.request_headers", cors.RequestHeaders}, {"cors.response_headers", cors.ResponseHeaders}} {
		for i, h := range list.names {
			if !validToken(h) || h == "*" {
				c.add(path(list.at, i), fmt.Sprintf("%q is not a header name", h), "name each header, as Authorization")
			}
		}
	}
	if cors.MaxAge < 0 {
		c.add("cors.max_age", "is negative", "write a duration such as 24h")
	}
}

// withoutUser keeps a password in a URL out of messages.
func withoutUser(raw string) string {
	if i := strings.LastIndexByte(raw, '@'); i >= 0 {
		return "…" + raw[i:]
	}
	return raw
}

func (c *checker) origin(at, o string) {
	if o == "*" {
		if c.cfg.CORS.Credentials {
			c.needs(riskWildcard, at, "a wildcard origin with credentials lets every site act as the user", "name the origins")
		} else {
			c.needs(riskWildcard, at, "a wildcard origin lets every site read the answers", "name the origins")
		}
		return
	}
	u, err := url.Parse(o)
	switch {
	case o == "null":
		c.add(at, "the origin null belongs to every sandboxed page", "name a real origin")
	case err != nil || u.Scheme == "" || u.Host == "":
		c.add(at, fmt.Sprintf("%q is not an origin", withoutUser(o)), "write scheme and host, as https://app.example.com")
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(o, "/") || strings.HasSuffix(o, "?"):
		c.add(at, fmt.Sprintf("%q has more than scheme, host and port", withoutUser(o)), "write "+u.Scheme+"://"+u.Host)
	case strings.Contains(o, "*"):
		c.add(at, fmt.Sprintf("%q has a wildcard", o), "name each origin in full")
	case o != strings.ToLower(o):
		c.add(at, fmt.Sprintf("%q has capitals, but browsers send origins in lower case", o), "write "+strings.ToLower(o))
	case u.Scheme == "http" && !loopback(u.Hostname()):
		c.add(at, fmt.Sprintf("%q is a plain-http origin, which anybody on the path can speak for", o), "write the https origin")
	case u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80":
		c.add(at, fmt.Sprintf("%q names the default port, which browsers leave out", o), "write "+u.Scheme+"://"+u.Hostname())
	case u.Port() != "" && !usablePort(u.Port()):
		c.add(at, fmt.Sprintf("%q is not a port", u.Port()), "write a number from 1 to 65535")
	}
}
