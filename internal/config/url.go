package config

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// noPassword refuses a user name or password in a URL, before any other message
// could repeat it.
func (b *builder) noPassword(path, raw string) {
	_, rest, _ := strings.Cut(raw, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	if strings.Contains(rest, "@") {
		b.wrong(path, name(path)+" holds a user name or password, which logs would show", "write it without what stands before the @")
	}
}

// parseURL reads an absolute URL with a host. Messages never repeat one: it may
// hold a password.
func (b *builder) parseURL(path, raw string) *url.URL {
	u, err := url.Parse(raw)
	switch {
	case !strings.Contains(raw, ":/"):
		b.wrong(path, name(path)+" has no scheme", "write one like https://app.example.com")
	case err != nil || strings.ContainsAny(raw, " \t\\"):
		b.wrong(path, name(path)+" is no URL", "write one like https://app.example.com")
	case u.Scheme == "" || u.Opaque != "":
		b.wrong(path, name(path)+" has no scheme", "write one like https://app.example.com")
	case u.User != nil:
		b.wrong(path, name(path)+" holds a user name or password, which logs would show", "write it without what stands before the @")
	case u.Host == "" && u.Scheme != "unix":
		b.wrong(path, name(path)+" has no host", "write one like https://app.example.com")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		b.wrong(path, name(path)+" has a fragment", "write it without # and what follows")
	case !goodPort(u):
		b.wrong(path, name(path)+" has a port that is no number from 1 to 65535", "write a good port, or none")
	default:
		if u.Host != "" {
			if instead, err := checkHost(u.Host); err != nil {
				b.wrong(path, fmt.Sprintf("the host of %s is wrong: %v", name(path), err), instead)
				return nil
			}
		}
		return u
	}
	return nil
}

func goodPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && n > 0
}

// secureURL demands https, or http on loopback.
func (b *builder) secureURL(path, raw string) *url.URL {
	u := b.parseURL(path, raw)
	switch {
	case u == nil:
		return nil
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u
	case u.Scheme == "http":
		b.wrong(path, name(path)+" is plain http off loopback, where anybody between could answer", "write https://")
	default:
		b.wrong(path, fmt.Sprintf("%s has the scheme %s", name(path), quoted(u.Scheme)), "write https://")
	}
	return nil
}

// origin demands scheme://host[:port] and nothing else, as browsers write it.
func originMistake(u *url.URL, raw string) (what, instead string) {
	bare := strings.ToLower(u.Scheme) + "://" + strings.ToLower(u.Host)
	switch {
	case u.Path != "" || u.RawQuery != "" || u.ForceQuery:
		return "has a path or a query, an origin has none", "write " + bare
	case u.Port() == "443" && u.Scheme == "https", u.Port() == "80" && u.Scheme == "http":
		return "names the default port, which browsers leave out", "write " + strings.TrimSuffix(bare, ":"+u.Port())
	case raw != bare:
		return "is not written as browsers write it", "write " + bare
	}
	return "", ""
}
