package keyset

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// answer is a good key set as its issuer gave it. It is immutable.
type answer struct {
	set      *token.KeySet
	warnings []string // one for each key that was skipped

	url  string // where it came from, after redirects
	etag string
	pace time.Duration
}

// parseAnswer reads a key set that has at least one usable key.
func parseAnswer(body []byte) (*answer, error) {
	set, warnings, err := token.ParseJWKS(body)
	if err != nil {
		if len(warnings) > 0 {
			return nil, fmt.Errorf("%w: %s", err, shorten(strings.Join(warnings, "; ")))
		}
		return nil, err
	}
	return &answer{set: set, warnings: warnings}, nil
}

// renewed is the answer after a 304, which may bring a new pace (RFC 9111
// §4.3.4).
func (a *answer) renewed(h http.Header) *answer {
	b := *a
	if d, ok := pace(h); ok {
		b.pace = d
	}
	return &b
}
