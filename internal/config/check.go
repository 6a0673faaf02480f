package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/keyset"
)

// Accepted is the embedded issuer as one whose tokens the guard accepts, with
// the source of its keys.
func (is Issuer) Accepted(keys *keyset.Source) guard.Issuer {
	return guard.Issuer{
		Issuer: is.URL, Audiences: []string{is.Audience}, Algorithms: []string{is.Algorithm},
		Types: []string{"at+jwt"}, MaxLifetime: is.AccessTTL, Keys: keys,
	}
}

// ask lets the guard judge its own Config, and gives its complaints their
// positions. Where something was said already, it is not said again.
func (b *builder) ask() {
	b.out.Guard.AcceptRisk = b.file.AcceptRisk
	said := slices.Clone(b.problems)
	judged := b.judge(b.out.Guard.AcceptRisk)
	for _, p := range judged {
		repeated := slices.ContainsFunc(said, func(s Problem) bool {
			return s.Path != "" && (below(p.Path, s.Path) || strings.HasPrefix(s.Path, p.Path+"["))
		})
		if !repeated {
			b.wrong(p.Path, sentence(p), p.Instead)
		}
	}
	if len(b.problems) == 0 {
		for _, p := range judged { // what the guard refuses is never let pass in silence
			b.problems = append(b.problems, Problem{Position: locate(b.at, p.Path), Path: p.Path, What: sentence(p), Instead: p.Instead})
		}
	}
	b.unneededRisks()
}

// judge asks with the given risks accepted. The embedded issuer stands last
// among the issuers; what is said about it is about the section issuer.
func (b *builder) judge(risks []string) []guard.Problem {
	cfg := b.out.Guard
	cfg.AcceptRisk = risks
	own := index("tokens.issuers", len(cfg.Tokens.Issuers))
	if b.out.Issuer.Enabled {
		cfg.Tokens.Issuers = append(slices.Clone(cfg.Tokens.Issuers), b.out.Issuer.Accepted(keyset.NewLocal(nil)))
	}
	problems := guard.Check(cfg)
	keys := map[string]string{".issuer": ".url", ".audiences": ".audience", ".algorithms": ".algorithm", ".max_lifetime": ".access_ttl"}
	for i, p := range problems {
		if rest, ok := strings.CutPrefix(p.Path, own); ok {
			problems[i].Path = "issuer" + or(keys[rest], rest)
		}
	}
	return problems
}

// sentence puts the key before a complaint that speaks of it without a name.
func sentence(p guard.Problem) string {
	for _, verb := range []string{"is ", "has ", "holds ", "needs ", "would "} {
		if strings.HasPrefix(p.What, verb) {
			return name(p.Path) + " " + p.What
		}
	}
	return p.What
}

// unneededRisks warns of accepted risks without which nothing would be refused.
func (b *builder) unneededRisks() {
	all := b.file.AcceptRisk
	now := len(b.judge(all))
	for i, id := range all {
		path := index("accept_risk", i)
		if slices.Contains(all[:i], id) {
			b.wrong(path, fmt.Sprintf("risk %s is named twice", quoted(id)), "remove one of them")
			continue
		}
		without := slices.DeleteFunc(slices.Clone(all), func(r string) bool { return r == id })
		if !b.needed[id] && len(b.judge(without)) <= now {
			b.warn(path, fmt.Sprintf("nothing in this configuration opens %s", id), "remove it, so that it cannot open later by accident")
		}
	}
}
