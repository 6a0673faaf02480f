package admin

import (
	"cmp"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// counters are sums over the registry's series.
type counters struct {
	byDecision map[string]float64 // allowed, refused, observed, failed
	rules      []ruleCount
	burnt      float64
}

// ruleCount is how often one rule refused, and would have refused if it were
// not on trial.
type ruleCount struct {
	rule              string
	refused, observed float64
}

// gather reads the counters. What cannot be gathered counts as zero: the
// metrics themselves tell of it.
func gather(g prometheus.Gatherer) counters {
	c := counters{byDecision: map[string]float64{}}
	refused, observed := map[string]float64{}, map[string]float64{}
	families, _ := g.Gather()
	for _, f := range families {
		for _, m := range f.GetMetric() {
			label := map[string]string{}
			for _, l := range m.GetLabel() {
				label[l.GetName()] = l.GetValue()
			}
			n := m.GetCounter().GetValue()
			switch f.GetName() {
			case "wiretight_requests_total":
				c.byDecision[label["decision"]] += n
				if label["decision"] == "refused" {
					refused[label["rule"]] += n
				}
			case "wiretight_observed_refusals_total":
				observed[label["rule"]] += n
			case "wiretight_burnt_tokens_total":
				c.burnt += n
			}
		}
	}
	all := maps.Clone(refused)
	maps.Copy(all, observed)
	for rule := range all {
		c.rules = append(c.rules, ruleCount{rule, refused[rule], observed[rule]})
	}
	slices.SortFunc(c.rules, func(a, b ruleCount) int {
		return cmp.Or(cmp.Compare(b.refused+b.observed, a.refused+a.observed), cmp.Compare(a.rule, b.rule))
	})
	return c
}
