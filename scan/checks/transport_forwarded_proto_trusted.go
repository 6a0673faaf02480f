package checks

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// claims are the headers by which a proxy says that the client used HTTPS.
var secureClaims = [][2]string{
	{"X-Forwarded-Proto", "https"},
	{"Forwarded", "proto=https"},
	{"X-Forwarded-Ssl", "on"},
	{"X-Forwarded-Scheme", "https"},
	{"Front-End-Https", "on"},
}

// transportForwardedProtoTrusted finds enforcement of HTTPS that anybody turns
// off by a header. It means something only where plain HTTP is refused or sent
// on in the first place.
var transportForwardedProtoTrusted = scan.Check{
	ID: "transport.forwarded-proto-trusted", Needs: catalog.NeedsNothing,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		v, err := lookPlain(ctx, t)
		if err != nil {
			return scan.Unsure("plain HTTP could not be compared with HTTPS: " + err.Error())
		}
		var found []scan.Evidence
		enforced := false
		for _, p := range v.Tries {
			if p.Plain == nil || p.served(t) || !refusal(t, p) {
				continue
			}
			enforced = true
			e, ok, err := disarm(ctx, t, p)
			if err != nil {
				return scan.Unsure("a request in clear that claims HTTPS got no answer: " + err.Error())
			}
			if ok {
				found = append(found, e)
				break
			}
		}
		if len(found) == 0 && t.HTTPS() {
			e, ok, err := flipped(ctx, t)
			if err != nil {
				return scan.Unsure("a request that claims plain HTTP got no answer: " + err.Error())
			}
			if ok {
				found = append(found, e)
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case enforced, len(v.answered()) == 0:
			return scan.Pass()
		}
		return scan.Skip("plain HTTP is neither refused nor sent to HTTPS, so there is nothing to disable; see transport.no-tls")
	},
}

// refusal reports whether an answer in clear enforces HTTPS.
func refusal(t *scan.Target, p plainTry) bool {
	if to, ok := redirects(p.Plain); ok {
		return upgrades(t, to)
	}
	return p.Plain.Status >= 400 && p.Plain.Status < 500 && p.Plain.Status != 404 && p.Plain.Status != 429
}

// disarm asks in clear with all headers at once, and, where that is served, finds
// the one that did it.
func disarm(ctx context.Context, t *scan.Target, p plainTry) (e scan.Evidence, ok bool, err error) {
	try := func(claims ...[2]string) (plainTry, error) {
		q := p
		q.Request.Header = http.Header{}
		for _, c := range claims {
			q.Request.Header[c[0]] = []string{c[1]}
		}
		q.Plain, err = t.Do(ctx, q.Request)
		return q, err
	}
	all, err := try(secureClaims...)
	if err != nil || !all.served(t) || all.Plain.Class == p.Plain.Class {
		return e, false, err
	}
	name, value, last := "all of them together", "", all
	for _, c := range secureClaims {
		one, err := try(c)
		if err != nil {
			return e, false, err
		}
		if one.served(t) && one.Plain.Class != p.Plain.Class {
			name, value, last = c[0], c[1], one
			break
		}
	}
	text := "control: " + heard(p.Method+" "+p.Address, p.Plain, nil) + "\n" +
		heard(p.Method+" "+p.Address+" with "+strings.TrimSuffix(name+": "+value, ": "), last.Plain, nil)
	return claimEvidence(t, p.Method, p.Address, text, name, value), true, nil
}

// flipped sends over HTTPS that it is plain HTTP, and sees whether redirects
// follow.
func flipped(ctx context.Context, t *scan.Target) (e scan.Evidence, ok bool, err error) {
	before, err := baited(ctx, t)
	if err != nil {
		return e, false, err
	}
	for _, r := range before {
		if to, ok := redirects(r); !ok || to.Scheme != "https" {
			continue
		}
		after, err := t.Do(ctx, scan.Request{
			URL: r.URL, RawTarget: rawTarget(r.URL), NoRetry: true,
			Header: http.Header{"X-Forwarded-Proto": {"http"}, "Forwarded": {"proto=http"}, "X-Forwarded-Scheme": {"http"}},
		})
		if err != nil {
			return e, false, err
		}
		var to *url.URL
		if to, ok = redirects(after); !ok || to.Scheme != "http" {
			return e, false, nil
		}
		text := "control: " + heard("GET "+r.URL, r, nil) + "\n" + heard("GET "+r.URL+" with X-Forwarded-Proto: http", after, nil)
		return claimEvidence(t, "GET", r.URL, text, "X-Forwarded-Proto", "http"), true, nil
	}
	return e, false, nil
}

func claimEvidence(t *scan.Target, method, address, text, name, value string) scan.Evidence {
	e := scan.Evidence{Method: method, URL: address, Text: t.Mask(text)}
	if value == "" {
		name, value = "X-Forwarded-Proto", "https"
	}
	e.Repeat = curl(method, address, "-H "+shellQuote(name+": "+value))
	if t.Loopback() {
		e.Confidence = "low"
		e.Text += "\nthe scan comes from loopback, and servers as uvicorn trust such headers from there by default: other clients may not be believed"
	}
	return e
}
