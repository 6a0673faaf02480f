package checks

import (
	"context"
	"net"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// transportRedirectLeaksToken finds redirects that carry a credential away: into
// a URL or to another host. What is sent to find out is made
// up, but for operations that redirect only those who may call them.
var transportRedirectLeaksToken = scan.Check{
	ID: "transport.redirect-leaks-token", Needs: catalog.NeedsToken,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		var found []scan.Evidence
		token, ok := t.Token()
		if !ok {
			return scan.Skip("there is no token to look for")
		}
		genuine, err := authorized(ctx, t)
		if err != nil {
			return scan.Unsure("operations could not be asked for with the token: " + err.Error())
		}
		for _, r := range genuine {
			why := carries(t, r, string(token.Raw.Reveal()), true)
			switch {
			case why != "":
				found = append(found, leakEvidence(t, r, why, `-H "Authorization: Bearer $TOKEN"`))
			case sentAway(t, r):
				e := leakEvidence(t, r, "a request with a genuine credential is sent on to another site", `-H "Authorization: Bearer $TOKEN"`)
				e.Severity, e.Confidence, e.Title = catalog.Low, "medium", "An operation that needs a credential redirects to another site"
				found = append(found, e)
			}
		}
		for _, address := range bait(t, 2) {
			header, query := canaryToken(), canaryToken()
			r, err := t.Do(ctx, canaried(address, header, query))
			if err != nil {
				return scan.Unsure("the paths that usually redirect could not be asked for: " + err.Error())
			}
			why := carries(t, r, header, true)
			if why == "" {
				why = carries(t, r, query, false)
			}
			if why != "" {
				found = append(found, leakEvidence(t, r, why, `-H "Authorization: Bearer $TOKEN"`))
			}
		}
		if len(found) > 0 {
			return scan.Find(found...)
		}
		return scan.Pass()
	},
}

// canaried asks for address with one canary in the header and one in the query.
func canaried(address, header, query string) scan.Request {
	raw := rawTarget(address)
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	if raw != "" {
		raw += separator + "access_token=" + query
	}
	return scan.Request{
		URL: address + separator + "access_token=" + query, RawTarget: raw, NoRetry: true,
		Header: map[string][]string{"Authorization": {"Bearer " + header}},
	}
}

// tokenParameter is a token in the query or the fragment of a URL. An OAuth code
// is not one.
var tokenParameter = regexp.MustCompile(`(?i)[?&#](access_token|id_token|refresh_token|token|jwt|bearer)=[^&#]{16,}`)

// carries tells how a redirect gives a credential away, or nothing. A credential
// that came in a header must not turn up in any URL; one that came in the query
// may stay on the host that it was sent to. That it goes into plain HTTP there is
// the fault of transport.redirect-downgrade.
func carries(t *scan.Target, r *scan.Response, credential string, header bool) string {
	to, ok := redirects(r)
	if !ok {
		return ""
	}
	location := r.Header.Get("Location")
	inside := strings.Contains(location, credential) || strings.Contains(location, url.QueryEscape(credential))
	away := !strings.EqualFold(to.Hostname(), t.Host())
	switch {
	case inside && header:
		return "the credential of the Authorization header is in the Location"
	case inside && away:
		return "the credential of the query goes along to another host"
	case away && tokenParameter.MatchString(location):
		return "the Location carries a token to another host"
	}
	return ""
}

// sentAway reports whether a redirect leads to another site. Most clients leave
// the Authorization header behind when the host changes, but not all do.
func sentAway(t *scan.Target, r *scan.Response) bool {
	to, ok := redirects(r)
	return ok && foreign(t.Host(), to.Hostname())
}

// foreign reports whether two hosts belong to different sites, by their
// registrable domains. Of addresses and local names that is not known.
func foreign(own, other string) bool {
	if net.ParseIP(own) != nil || net.ParseIP(other) != nil {
		return false
	}
	a, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(own))
	if err != nil {
		return false
	}
	b, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(other))
	return err == nil && a != b
}

func leakEvidence(t *scan.Target, r *scan.Response, why, header string) scan.Evidence {
	address, _, _ := strings.Cut(r.URL, "?access_token=")
	address, _, _ = strings.Cut(address, "&access_token=")
	return scan.Evidence{
		Method: r.Method, URL: t.Mask(address), Text: t.Mask(heard(r.Method+" "+r.URL, r, nil) + "\n" + why),
		Repeat: curl(r.Method, t.Mask(address), header),
	}
}
