package checks

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// jwtNoExpiry reads whether the token ends at all. An exp that is no NumericDate
// (RFC 7519 §2) counts as none: libraries differ in what they make of it.
var jwtNoExpiry = scan.Check{
	ID: "jwt.no-expiry", Needs: catalog.NeedsToken, Passive: true,
	Run: func(_ context.Context, t *scan.Target) scan.Verdict {
		token, why := readable(t)
		if why != "" {
			return scan.Skip(why)
		}
		exp, there := token.Claims["exp"]
		if !token.Expiry.IsZero() {
			return scan.Pass()
		}
		text := "It has no exp: whoever has it can use it for ever."
		if there {
			text = "Its exp is " + describeDate(exp) + ", which is no time in seconds: whether it ends depends on the library that reads it."
		}
		return scan.Find(inToken(t, text))
	},
}

func describeDate(v any) string {
	switch v := v.(type) {
	case json.Number:
		return "the number " + clip(v.String())
	case string:
		return "the text " + clip(v)
	case nil:
		return "null"
	}
	return fmt.Sprintf("a JSON value of another kind (%T)", v)
}
