package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// results is every sample of a run, and how they were taken.
type results struct {
	Started  time.Time `json:"started"`
	Took     string    `json:"took"`
	Machine  machine   `json:"machine"`
	Rounds   int       `json:"rounds"`
	Seconds  float64   `json:"seconds_a_cell"`
	Conns    int       `json:"connections"`
	Rows     []string  `json:"rows"`
	Proxies  []string  `json:"proxies"`
	Guards   []string  `json:"guards"` // those of Proxies that targets are for
	Missing  []string  `json:"missing,omitempty"`
	Dashes   []dash    `json:"dashes,omitempty"`
	Samples  []sample  `json:"samples"`
	Profiles []profile `json:"profiles,omitempty"`
}

// dash is a cell that a proxy cannot have.
type dash struct {
	Row   string `json:"row"`
	Proxy string `json:"proxy"`
	Why   string `json:"why"`
}

func (r *results) dash(row, proxy, why string) {
	if d := (dash{row, proxy, why}); !slices.Contains(r.Dashes, d) {
		r.Dashes = append(r.Dashes, d)
	}
}

func (r *results) writeJSON(file string) error {
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.WriteFile(file, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// readResults reads what writeJSON wrote.
func readResults(file string) (*results, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	r := &results{}
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("read results %q: %w", file, err)
	}
	if _, err := chosenRows(r.Rows); err != nil {
		return nil, fmt.Errorf("read results %q: %w", file, err)
	}
	return r, nil
}

// rows are those that were measured, in the order of the table.
func (r *results) rows() []row {
	return slices.DeleteFunc(rows(), func(w row) bool { return !slices.Contains(r.Rows, w.name) })
}

// of returns the samples of one cell.
func (r *results) of(w row, proxy string) (out []sample) {
	for _, s := range r.Samples {
		if s.Row == w.name && s.Proxy == proxy {
			out = append(out, s)
		}
	}
	return out
}

// values returns one number a round: for a multiple, the median of the proxy's
// costs over the baseline's, turn by turn. Without a baseline, and for the
// baseline itself, it stays in microseconds and multiple is false.
func (r *results) values(w row, proxy string) (out []float64, multiple bool) {
	base := map[int][]float64{}
	for _, s := range r.of(w, baseline) {
		base[s.Round] = s.Turns
	}
	multiple = w.figure == cpuMultiple && proxy != baseline && len(base) > 0
	for _, s := range r.of(w, proxy) {
		v := s.Value
		if multiple {
			each := ratios(base[s.Round], s.Turns)
			if len(each) == 0 {
				continue
			}
			v = median(each)
		}
		out = append(out, v)
	}
	return out, multiple
}

// middle is the median, over the rounds, of what pick takes from a cell's
// samples; ok is false where there is nothing.
func (r *results) middle(w row, proxy string, pick func(sample) float64) (m float64, ok bool) {
	var v []float64
	for _, s := range r.of(w, proxy) {
		if s.Requests > 0 {
			v = append(v, pick(s))
		}
	}
	if len(v) == 0 {
		return 0, false
	}
	return median(v), true
}

// over says that a guard misses the row's target.
func (r *results) over(w row, proxy string) bool {
	v, multiple := r.values(w, proxy)
	if len(v) == 0 || !slices.Contains(r.Guards, proxy) || w.figure == cpuMultiple && !multiple {
		return false
	}
	return w.ahead > 0 && median(v) > w.ahead
}
