package redact

import "strings"

// authorityMax bounds the part of a URL in which a password is looked for.
const authorityMax = 512

// userinfo masks the password of a URL (RFC 3986 §3.2.1) whose scheme ends at i.
func (m *masker) userinfo() bool {
	const mark = "://"
	if !strings.HasPrefix(m.s[m.i:], mark) {
		return false
	}
	from := m.i + len(mark)
	rest := m.s[from:min(len(m.s), from+authorityMax)]
	rest, _, _ = strings.Cut(rest, mark) // the next URL is looked at by itself
	if i := strings.IndexAny(rest, " \t\r\n\"'<>`\\"); i >= 0 {
		rest = rest[:i]
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	colon := strings.IndexByte(authority, ':')
	if colon < 0 || authority[0] == '[' {
		return false
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 && !isNumber(authority[colon+1:]) { // a password with a raw slash
		at = strings.LastIndexByte(rest, '@')
	}
	if at < colon+2 {
		return false
	}
	return m.replace(from, from+at, Mask(authority[:colon])+":"+Redacted)
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
