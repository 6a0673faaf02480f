package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxReport bounds what is read of a report or a baseline.
const maxReport = 64 << 20

// Baseline is the findings that somebody has accepted, each until a day. Its JSON
// form is an array of Accept.
type Baseline []Accept

// Accept is one accepted finding.
type Accept struct {
	// Fingerprint and ID must both be those of the finding.
	Fingerprint string   `json:"fingerprint"`
	ID          string   `json:"id"`
	Location    Location `json:"location"`
	// Reason says why it is accepted. An entry without one accepts nothing.
	Reason string `json:"reason"`
	// Expires is the last day, as 2027-01-31, or a moment in RFC 3339. An entry
	// without it accepts nothing.
	Expires string `json:"expires"`
	Owner   string `json:"owner"`
}

// NewBaseline has an entry for each finding of a report, with reason, expiry and
// owner left for people to fill in.
func NewBaseline(r *Report) Baseline {
	b := Baseline{}
	for _, f := range r.Findings {
		b = append(b, Accept{Fingerprint: f.Fingerprint, ID: f.ID, Location: f.Location})
	}
	return b
}

// ReadBaseline reads a baseline. Unknown members, and entries without a
// fingerprint, a reason or a readable expiry, are errors, all of them told at
// once.
func ReadBaseline(src io.Reader) (Baseline, error) {
	var b Baseline
	if err := readJSON(src, &b, true); err != nil {
		return nil, fmt.Errorf("read the baseline: %w", err)
	}
	var errs []error
	for i, a := range b {
		at := fmt.Sprintf("entry %d (%s)", i+1, a.ID)
		if a.Fingerprint == "" || a.ID == "" {
			errs = append(errs, fmt.Errorf("%s: has no fingerprint or id; copy both from the report", at))
		}
		if a.Reason == "" {
			errs = append(errs, fmt.Errorf("%s: has no reason; say why it is accepted", at))
		}
		if _, err := a.until(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", at, err))
		}
	}
	return b, errors.Join(errs...)
}

// until is the first moment at which the entry no longer holds.
func (a Accept) until() (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, a.Expires); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	if at, err := time.Parse(time.RFC3339, a.Expires); err == nil {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("expires %q is no day; write it as 2027-01-31", a.Expires)
}

// Apply moves the findings that b accepts at now from Findings to Suppressed, and
// computes the score anew. It returns the entries that have expired though their
// finding is still there.
func (b Baseline) Apply(r *Report, now time.Time) (expired []Accept) {
	kept := []Finding{}
	for _, f := range r.Findings {
		accept, old := b.accepts(f, now)
		switch {
		case accept != nil:
			r.Suppressed = append(r.Suppressed, Suppressed{Finding: f, Reason: accept.Reason, Expires: accept.Expires, Owner: accept.Owner})
			continue
		case old != nil:
			expired = append(expired, *old)
		}
		kept = append(kept, f)
	}
	r.Findings = kept
	r.rate()
	return expired
}

func (b Baseline) accepts(f Finding, now time.Time) (accept, expired *Accept) {
	for i, a := range b {
		if a.Fingerprint != f.Fingerprint || a.ID != f.ID || a.Reason == "" {
			continue
		}
		until, err := a.until()
		if err == nil && now.Before(until) {
			return &b[i], nil
		}
		expired = &b[i]
	}
	return nil, expired
}

// ReadReport reads the JSON form of a report. Members that it does not know are
// let pass: newer versions may have more.
func ReadReport(src io.Reader) (*Report, error) {
	var r Report
	if err := readJSON(src, &r, false); err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	if r.Version != 1 {
		return nil, fmt.Errorf("read the report: its version is %d, and 1 is what this program knows", r.Version)
	}
	return &r, nil
}

func readJSON(src io.Reader, into any, strict bool) error {
	text, err := io.ReadAll(io.LimitReader(src, maxReport+1))
	if err != nil {
		return err
	}
	if len(text) > maxReport {
		return fmt.Errorf("it is over %d MiB", maxReport>>20)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("it is not the JSON that was expected: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end of the JSON")
	}
	return nil
}
