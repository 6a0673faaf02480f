package checks

import (
	"bytes"

	"github.com/wiretight/wiretight/scan"
)

// blanket reports whether an answer is the refusal that every path gets, as from
// a service that takes nothing in clear: then it tells nothing of its own path.
func blanket(t *scan.Target, r *scan.Response) bool {
	n := t.NotFound()
	return r.Status == 403 && n != nil && n.Class == r.Class && bytes.Equal(n.Body, r.Body)
}
