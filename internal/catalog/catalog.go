// Package catalog describes every check as a value: what is wrong, how bad it
// is, why it matters, how to mend it in each framework, and which key of the
// guard closes it. Reports, pages and rules are made from these values.
package catalog

// Severity orders findings.
type Severity string

// The severities, worst first.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
	Info     Severity = "info"
)

// Rank is 4 for critical down to 0 for info, and -1 for anything else.
func (s Severity) Rank() int {
	for i, v := range []Severity{Info, Low, Medium, High, Critical} {
		if s == v {
			return i
		}
	}
	return -1
}

// Needs is what a check cannot do without.
type Needs string

// What a scan may have been given.
const (
	NeedsNothing Needs = "none"
	NeedsToken   Needs = "token"  // a token of the user's, or a login that gives one
	NeedsSecret  Needs = "secret" // the signing secret, given or guessed, or another genuine token
	NeedsLogin   Needs = "login"  // a login that can be repeated
)

// Entry is one check.
type Entry struct {
	ID       string
	Severity Severity
	CWE      []string
	Needs    Needs
	Title    string
	// Why says in a few sentences what an attacker makes of it.
	Why string
	// How says how the scanner decides, and what it may get wrong.
	How string
	// Fix has the remedy for each framework; Fix[""] is for any.
	Fix map[string]Remediation
	// Guard is the key of wiretight.yaml that closes it. Empty: the guard
	// closes it without being told, or cannot; then GuardNote says which.
	Guard     string
	GuardNote string
	// References are URLs of standards and advisories.
	References []string
}

// Remediation is how to mend a weakness.
type Remediation struct {
	Text     string `json:"text"`
	Code     string `json:"code"`
	Language string `json:"language"`
}
