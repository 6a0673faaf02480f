package checks

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// transportNoHTTPSRedirect finds safe requests in clear that are neither refused
// nor sent to HTTPS. Refusing them is the better answer of the two.
var transportNoHTTPSRedirect = scan.Check{
	ID: "transport.no-https-redirect", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		v, err := lookPlain(ctx, t)
		switch {
		case err != nil:
			return scan.Unsure("plain HTTP could not be compared with HTTPS: " + err.Error())
		case !v.HTTPS:
			return scan.Skip("there is no HTTPS to upgrade to; see transport.no-tls")
		}
		var found []scan.Evidence
		var unsure string
		for _, p := range v.Tries {
			if p.Plain == nil || p.Sibling && !p.served(t) {
				continue
			}
			switch lax, clear := lingers(t, p); {
			case lax:
				found = append(found, plainEvidence(t, p))
			case !clear:
				unsure = fmt.Sprintf("%s answered %d in clear", p.Address, p.Plain.Status)
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case unsure != "":
			return scan.Unsure(unsure)
		}
		return scan.Pass()
	},
}

// lingers tells whether an answer in clear keeps the client there. clear is false
// where it cannot be told: the server was busy or broken, or has nothing at that
// path.
func lingers(t *scan.Target, p plainTry) (lax, clear bool) {
	switch s := p.Plain.Status; {
	case s == 429 || s >= 500:
		return false, false
	case s == 404:
		// A path that HTTPS has not either shows nothing.
		return false, true
	case s >= 400:
		return p.served(t), true
	case s >= 300 && s != 304:
		to, ok := redirects(p.Plain)
		return !ok || !upgrades(t, to), true
	}
	return true, true
}

// upgrades reports whether a redirect leads to HTTPS of the same site: the host
// itself, or one above or below it, as www.
func upgrades(t *scan.Target, to *url.URL) bool {
	own, other := strings.ToLower(t.Host()), strings.ToLower(to.Hostname())
	return to.Scheme == "https" && (own == other || strings.HasSuffix(own, "."+other) || strings.HasSuffix(other, "."+own))
}
