// Package checks has every check that a scan runs, one a file. A check is a value:
// what it looks at, which of the catalogue's entries it decides, and how.
package checks

import (
	"slices"

	"github.com/wiretight/wiretight/scan"
)

// All lists every check. The checks that may end a session or use something up
// say so themselves; the order here is that of reports and pages.
func All() []scan.Check {
	return slices.Concat(
		transportChecks(), tlsChecks(), hostChecks(), jwtChecks(), refreshChecks(), jwksChecks(),
		cookieChecks(), corsChecks(), leakChecks(), authChecks(), supplyChecks(),
	)
}
