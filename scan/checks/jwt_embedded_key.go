package checks

import (
	"context"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtEmbeddedKey finds services that trust a key because the token has it, or
// names the URL where it is.
var jwtEmbeddedKey = scan.Check{
	ID: "jwt.embedded-key", Needs: catalog.NeedsToken, After: []string{"jwt.signature-unverified"},
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		m := knownMaterial(t)
		listening := ""
		if c, err := t.Callback(); err == nil {
			m.CallbackURL = c.Trap().URL()
		} else {
			listening = err.Error()
		}
		fits := func(f attack.Forged) bool { return !f.Intrusive && (listening == "" || f.Check == "jwt.embedded-key") }
		v := throwAll(ctx, t, m, fits, "embedded-key", "key-url")
		if v.Outcome == scan.Passed && listening != "" {
			return scan.Unsure("keys inside the token are refused; keys behind a URL (jku, x5u) could not be tried: " + listening)
		}
		return v
	},
}
