package checks

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// hostReflected finds links, redirects and cookies made of a name that the client
// sent: a cache, or the reader of a mail, takes them for the API's own.
var hostReflected = scan.Check{
	ID: "host.reflected", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		var found []scan.Evidence
		told := map[string]bool{}
		answered := false
		for _, o := range reflectors(t) {
			for _, m := range mirrors(t) {
				r := quiet(o)
				r.Host, r.Header, r.RawTarget = m.host, m.header, rawTarget(o.URL)
				answer, err := t.Do(ctx, r)
				if err != nil {
					if !alive(ctx, t) {
						return scan.Unsure("the target did not answer any more: " + err.Error())
					}
					continue // it hung up on the wrong name
				}
				answered = true
				for _, c := range m.canaries {
					e, ok := reflection(t, o, answer, c)
					// The first of a header tells enough; a worse one more.
					if ok && !told[c.header] && !told[c.header+string(e.Severity)] {
						told[c.header+string(e.Severity)] = true
						found = append(found, e)
					}
				}
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case !answered && !alive(ctx, t):
			return scan.Unsure(errSilence.Error())
		}
		return scan.Pass()
	},
}

// reflectors are requests that are likely to be answered by a link.
func reflectors(t *scan.Target) []scan.Operation {
	list := []scan.Operation{rootOperation(t)}
	for _, address := range bait(t, 2) {
		list = append(list, scan.Operation{Method: "GET", URL: address})
	}
	return append(list, callable(t, 1)...)
}

// canary is a name that was sent, and in which header.
type canary struct{ header, value string }

// mirror is one way to send wrong names, each in a header of its own.
type mirror struct {
	host     string
	header   http.Header
	canaries []canary
}

func mirrors(t *scan.Target) []mirror {
	bare := canaryHost()
	list := []mirror{{host: bare, canaries: []canary{{"Host", bare}}}}
	proxied := mirror{header: http.Header{}}
	for _, name := range []string{"X-Forwarded-Host", "X-Host", "X-Forwarded-Server", "X-Original-Host", "Forwarded"} {
		c := canaryHost()
		proxied.canaries = append(proxied.canaries, canary{name, c})
		if name == "Forwarded" {
			c = "host=" + c
		}
		proxied.header[name] = []string{c}
	}
	ported := bracket(t.Host()) + ":1337"
	return append(list, proxied, mirror{host: ported, canaries: []canary{{"Host", ported}}})
}

// reflection looks for a name in the parts of an answer that clients follow, and
// then in the rest.
func reflection(t *scan.Target, o scan.Operation, r *scan.Response, c canary) (scan.Evidence, bool) {
	var where string
	var severity catalog.Severity
	switch {
	case linksTo(r.Header.Get("Location"), c.value):
		where = "the Location " + clip(r.Header.Get("Location"))
	case anyContains(r.Header.Values("Link"), c.value):
		where = "the Link " + clip(strings.Join(r.Header.Values("Link"), ", "))
	case cookieDomain(r, c.value):
		where = "the Domain of a cookie"
	case bodyLink(r.Body, c.value):
		where = "a link in the body"
	case bytes.Contains(bytes.ToLower(r.Body), []byte(c.value)):
		where, severity = "the body, though not in a link", catalog.Low
	default:
		return scan.Evidence{}, false
	}
	if strings.HasSuffix(c.value, ":1337") {
		severity = catalog.Info // only the port is the client's
	}
	sent := c.value
	if c.header == "Forwarded" {
		sent = "host=" + sent
	}
	text := heard("GET "+o.URL+" with "+c.header+": "+sent, r, nil) + "\nthe name is in " + where
	return scan.Evidence{
		Method: "GET", URL: o.URL, Severity: severity, Key: c.header, Text: t.Mask(text),
		Repeat: curl("GET", o.URL, "-H "+shellQuote(c.header+": "+sent)),
	}, true
}

// linksTo reports whether a URL leads to host, which may have a port.
func linksTo(location, host string) bool {
	u, err := url.Parse(location)
	return err == nil && strings.EqualFold(u.Host, host)
}

func anyContains(values []string, s string) bool {
	return strings.Contains(strings.ToLower(strings.Join(values, "\n")), s)
}

func cookieDomain(r *scan.Response, host string) bool {
	for _, v := range r.Header.Values("Set-Cookie") {
		_, attributes, _ := strings.Cut(v, ";")
		for a := range strings.SplitSeq(attributes, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(a), "=")
			if strings.EqualFold(name, "Domain") && strings.EqualFold(strings.TrimPrefix(value, "."), host) {
				return true
			}
		}
	}
	return false
}

// beforeHost ends in what makes a name the host of a URL, perhaps with slashes
// escaped as in JSON or percent-encoded.
var beforeHost = regexp.MustCompile(`(?i)(//|\\/\\/|%2f%2f|@)$`)

func bodyLink(body []byte, host string) bool {
	lower := bytes.ToLower(body)
	for from := 0; ; {
		i := bytes.Index(lower[from:], []byte(host))
		if i < 0 {
			return false
		}
		at := from + i
		if beforeHost.Match(lower[max(0, at-8):at]) {
			return true
		}
		from = at + len(host)
	}
}
