package scan

import (
	"time"

	"github.com/wiretight/wiretight/internal/catalog"
)

// Report is the outcome of a scan. Its JSON form is the published one.
type Report struct {
	Version    int       `json:"version"` // 1
	Target     string    `json:"target"`
	Started    time.Time `json:"started"`
	DurationMS int64     `json:"duration_ms"`
	Requests   int       `json:"requests"`
	// Score and Grade are null where the scan is incomplete.
	Score *int    `json:"score"`
	Grade *string `json:"grade"`
	// Incomplete says why the scan did not end. Empty: it did.
	Incomplete   string          `json:"incomplete,omitempty"`
	Stack        Stack           `json:"stack"`
	Findings     []Finding       `json:"findings"`
	Passed       []string        `json:"passed"`
	Inconclusive []Undecided     `json:"inconclusive"`
	Skipped      []Undecided     `json:"skipped"`
	Suppressed   []Suppressed    `json:"suppressed"`
	Subsumed     []SubsumedCheck `json:"subsumed,omitempty"`
	// Facts is what was learnt of the API, for Emit. It is not published.
	Facts Facts `json:"-"`
}

// Stack is what the answers tell of the software behind them.
type Stack struct {
	Server    string `json:"server"`
	Framework string `json:"framework"`
	Evidence  string `json:"evidence"`
}

// Finding is one weakness, with every place where it shows.
type Finding struct {
	ID          string              `json:"id"`
	Title       string              `json:"title"`
	Severity    catalog.Severity    `json:"severity"`
	CWE         []string            `json:"cwe"`
	Location    Location            `json:"location"`
	Locations   []Location          `json:"locations,omitempty"` // all of them, where there are several
	Evidence    string              `json:"evidence"`
	Repeat      string              `json:"repeat,omitempty"`
	Confidence  string              `json:"confidence"`
	Remediation catalog.Remediation `json:"remediation"`
	Guard       string              `json:"guard"`
	Fingerprint string              `json:"fingerprint"`
}

// Location is an operation.
type Location struct {
	Method string `json:"method"`
	URL    string `json:"url"`
}

// Undecided is a check without a verdict.
type Undecided struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Suppressed is a finding that a baseline accepts until a date.
type Suppressed struct {
	Finding
	Reason  string `json:"reason"`
	Expires string `json:"expires"`
	Owner   string `json:"owner,omitempty"`
}

// SubsumedCheck is a check that a wider finding made meaningless.
type SubsumedCheck struct {
	ID string `json:"id"`
	By string `json:"by"`
}
