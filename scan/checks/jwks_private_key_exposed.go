package checks

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwksPrivateKeyExposed finds private and symmetric keys among the published
// ones. It names their members and never shows a value.
var jwksPrivateKeyExposed = scan.Check{
	ID: "jwks.private-key-exposed", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(_ context.Context, t *scan.Target) scan.Verdict {
		if len(t.JWKS()) == 0 {
			return scan.Skip("no published key was found")
		}
		var found []scan.Evidence
		for _, d := range t.JWKS() {
			var lines []string
			for i, k := range d.Keys[:min(len(d.Keys), maxPublishedKeys)] {
				if why := keyExposure(k); why != "" {
					lines = append(lines, keyName(i, k)+" "+why)
				}
			}
			if d.Keys == nil && bytes.Contains(d.Raw, []byte("PRIVATE KEY-----")) {
				lines = append(lines, "the document is a private key in PEM")
			}
			if len(lines) > 0 {
				found = append(found, scan.Evidence{
					Method: "GET", URL: d.URL, Text: t.Mask(strings.Join(lines, "\n")), Repeat: curl("GET", d.URL) + " | grep -oE '\"(d|p|q|dp|dq|qi|k)\"'",
				})
			}
		}
		if len(found) > 0 {
			return scan.Find(found...)
		}
		return scan.Pass()
	},
}

// keyExposure says what of a JWK must stay with its owner (RFC 7517 §9.2): a
// symmetric key whole, of others the members that RFC 7518 §6 calls private.
func keyExposure(k map[string]any) string {
	if kty, _ := k["kty"].(string); strings.EqualFold(kty, "oct") {
		return "is symmetric (oct): whoever reads it can sign tokens"
	}
	var members []string
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if value, ok := k[name]; ok && value != nil && value != "" {
			members = append(members, name)
		}
	}
	switch {
	case len(members) == 0:
		return ""
	case slices.Contains(members, "k"):
		return "has the symmetric member k: whoever reads it can sign tokens"
	}
	return "has the private members " + strings.Join(members, ", ") + ": whoever reads them can sign tokens"
}
