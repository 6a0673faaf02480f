package guard

// Readiness says whether a Guard can decide every request.
type Readiness struct {
	Ready bool `json:"ready"`
	// Reasons says what is missing, a sentence each. Empty when ready.
	Reasons []string `json:"reasons"`
	// AcceptedRisks lists the weaknesses that the configuration opens on purpose.
	AcceptedRisks []string `json:"accepted_risks"`
}

// Ready reports whether keys and store are there.
func (g *Guard) Ready() Readiness {
	p := g.policy.Load()
	r := Readiness{Reasons: []string{}, AcceptedRisks: p.risks}
	for _, iss := range p.issuers {
		if _, _, err := iss.source.Current(); err != nil {
			reason := "no keys of issuer " + quoted(iss.name)
			if cause := iss.source.Err(); cause != nil {
				reason += ": " + cause.Error()
			}
			r.Reasons = append(r.Reasons, reason)
		}
	}
	if lost := g.storeLost.Load(); lost != nil {
		r.Reasons = append(r.Reasons, "the store does not answer: "+(*lost).Error())
	}
	if g.revocations.stale(p.staleness) {
		r.Reasons = append(r.Reasons, g.revocations.staleness(p.staleness))
	}
	r.Ready = len(r.Reasons) == 0
	return r
}

// AcceptedRisks lists the weaknesses that the configuration opens on purpose.
func (g *Guard) AcceptedRisks() []string { return g.policy.Load().risks }
