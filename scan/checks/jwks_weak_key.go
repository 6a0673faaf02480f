package checks

import (
	"context"
	"fmt"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwksWeakKey finds published keys that can be broken, and, by the length of the
// token's signature, an RSA key that is not published. It asks for nothing that
// the scan has not.
var jwksWeakKey = scan.Check{
	ID: "jwks.weak-key", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(_ context.Context, t *scan.Target) scan.Verdict {
		var found []scan.Evidence
		for _, d := range t.JWKS() {
			if lines := weakPublished(d); len(lines) > 0 {
				found = append(found, scan.Evidence{
					Method: "GET", URL: d.URL, Text: t.Mask(strings.Join(lines, "\n")), Repeat: curl("GET", d.URL),
				})
			}
		}
		token, ok := t.Token()
		rsa := ok && token.JWT && len(token.Alg) == 5 && (strings.HasPrefix(token.Alg, "RS") || strings.HasPrefix(token.Alg, "PS"))
		if bits := token.SignatureBytes * 8; rsa && bits > 0 && bits < 2048 && len(found) == 0 {
			found = append(found, scan.Evidence{
				Method: "GET", URL: t.Base().String(), Key: "token",
				Text:   fmt.Sprintf("the token's %s signature has %d bits, and so has the RSA key that made it", token.Alg, bits),
				Repeat: "wiretight token inspect -",
			})
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case len(t.JWKS()) == 0 && !rsa:
			return scan.Skip("no published key was found")
		}
		return scan.Pass()
	},
}
