// Package scan tries a running API as an attacker on the path would, and
// reports what it found with evidence. It knows nothing of the guard or the
// issuer.
//
// Target is what a scan knows of the API and the only way to reach it: every
// request goes through its budget. A Check looks at a Target and returns a
// Verdict; package checks has them all.
package scan

import (
	"context"

	"github.com/wiretight/wiretight/internal/catalog"
)

// A Check is one weakness and the way to find it.
type Check struct {
	// ID names the catalog's entry, which has title, severity and CWE.
	ID string
	// Needs is what must be there for the check to run at all.
	Needs catalog.Needs
	// Last keeps the check for the end: it may log the user out, lock an
	// account or use up a refresh token. Such checks run one after another, in
	// the order of the list.
	Last bool
	// After lists checks whose finding makes this one meaningless, widest
	// first: it waits for them, and is subsumed by one that has found
	// something.
	After []string
	// Passive says that the check sends nothing but what an ordinary client
	// would: no forged token, no probe of TLS, no header that lies. Only such
	// checks run in a scan that is Passive.
	Passive bool
	// Run decides. It must not panic, sleep, print or open connections of its
	// own. It returns Inconclusive rather than Pass when in doubt.
	Run func(ctx context.Context, t *Target) Verdict
}

// Outcome is the kind of a Verdict.
type Outcome int

// The outcomes. The zero value is Inconclusive: a check that forgot to decide
// has not passed.
const (
	Inconclusive Outcome = iota
	Passed
	Found
	Skipped
)

// Verdict is what a check says. Make one with Pass, Find, Unsure or Skip.
type Verdict struct {
	Outcome Outcome
	// Reason says why a check was inconclusive or skipped.
	Reason string
	// Findings has one entry for each location, when the outcome is Found.
	Findings []Evidence
}

// Evidence is one place where a weakness shows.
type Evidence struct {
	Method, URL string
	// Severity overrides the catalog's where the circumstances make it lower
	// or higher. Empty: the catalog's.
	Severity catalog.Severity
	// Title overrides the catalog's. Empty: the catalog's.
	Title string
	// Text says what was sent and what came back, control requests included.
	// Tokens and secrets in it are masked already (see Target.Mask), and are
	// masked again before a report is made.
	Text string
	// Repeat is a command that shows the same again, with $TOKEN in the place
	// of a token. May be empty.
	Repeat string
	// Confidence is "high" (the zero value), "medium" or "low".
	Confidence string
	// Key makes the finding's fingerprint beside id, method and path. Empty:
	// nothing but those.
	Key string
}

// Pass says that the weakness is not there.
func Pass() Verdict { return Verdict{Outcome: Passed} }

// Find says that the weakness is there.
func Find(e ...Evidence) Verdict { return Verdict{Outcome: Found, Findings: e} }

// Unsure says that nothing could be decided, and why.
func Unsure(reason string) Verdict { return Verdict{Outcome: Inconclusive, Reason: reason} }

// Skip says that the check does not apply here, and why.
func Skip(reason string) Verdict { return Verdict{Outcome: Skipped, Reason: reason} }
