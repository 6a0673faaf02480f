package checks

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// transportCleartextReference finds documents of the API that lead clients to
// plain HTTP: they would send their credentials there. It asks for nothing that
// the scan has not.
var transportCleartextReference = scan.Check{
	ID: "transport.cleartext-reference", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(_ context.Context, t *scan.Target) scan.Verdict {
		refs := references(t)
		if refs == nil {
			return scan.Skip("no API description, discovery document or key set was found")
		}
		var found []scan.Evidence
		for _, address := range slices.Sorted(maps.Keys(refs)) {
			var lines []string
			for _, r := range refs[address] {
				if cleartext(r.value, t.Loopback()) {
					lines = append(lines, r.name+" is "+clip(r.value))
				}
			}
			if len(lines) == 0 {
				continue
			}
			more := len(lines) - 10
			if more > 0 {
				lines = append(lines[:10], fmt.Sprintf("and %d more", more))
			}
			e := scan.Evidence{Method: "GET", URL: address, Text: t.Mask(strings.Join(lines, "\n"))}
			if strings.HasPrefix(address, "http") {
				e.Repeat = curl("GET", address) + " | grep -E '(http|ws)://'"
			}
			found = append(found, e)
		}
		if len(found) > 0 {
			return scan.Find(found...)
		}
		return scan.Pass()
	},
}

// reference is a URL where a document says that something is.
type reference struct{ name, value string }

// references lists, by document, what clients follow. Links for people, such as
// that to a license, and the names of schemas are not among them. Nil: there is
// no document.
func references(t *scan.Target) map[string][]reference {
	var out map[string][]reference
	add := func(document string, list ...reference) {
		if out == nil {
			out = map[string][]reference{}
		}
		out[document] = append(out[document], list...)
	}
	if s := t.Spec(); s != nil {
		add(s.URL)
		for _, server := range s.Servers {
			add(s.URL, reference{"a server", server})
		}
		for _, c := range s.Schemes {
			add(s.URL, reference{"tokenUrl of " + c.Name, c.TokenURL}, reference{"authorizationUrl of " + c.Name, c.AuthorizationURL},
				reference{"refreshUrl of " + c.Name, c.RefreshURL}, reference{"openIdConnectUrl of " + c.Name, c.OpenIDURL})
		}
	}
	for _, d := range t.Discovery() {
		add(d.URL)
		for _, name := range slices.Sorted(maps.Keys(d.Fields)) {
			value, ok := d.Fields[name].(string)
			if ok && (name == "issuer" || strings.HasSuffix(name, "_endpoint") || name == "jwks_uri") {
				add(d.URL, reference{name, value})
			}
		}
	}
	for _, k := range t.JWKS() {
		add(k.URL)
		for _, key := range k.Keys {
			if value, ok := key["x5u"].(string); ok {
				add(k.URL, reference{"x5u of a key", value})
			}
		}
	}
	if token, ok := t.Token(); ok && token.JWT {
		for _, name := range []string{"jku", "x5u"} {
			if value, ok := token.Header[name].(string); ok {
				add(t.Base().String(), reference{name + " of the token", value})
			}
		}
	}
	return out
}

// cleartext reports whether a URL is http or ws. Those on loopback count only for
// a target that is not there itself.
func cleartext(address string, local bool) bool {
	scheme, _, ok := strings.Cut(address, "://")
	scheme = strings.ToLower(strings.TrimSpace(scheme))
	if !ok || scheme != "http" && scheme != "ws" {
		return false
	}
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return true // with variables in it, as http://{region}.example.com
	}
	return !local || !loopback(u.Hostname())
}

func loopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
