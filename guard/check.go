package guard

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Problem is one mistake in a Config.
type Problem struct {
	// Path is where it stands, written as in the configuration file:
	// "tokens.issuers[0].audiences".
	Path string
	// What is wrong.
	What string
	// Instead is what to write in its place. May be empty.
	Instead string
}

// String is the problem in one line.
func (p Problem) String() string {
	s := p.Path + ": " + p.What
	if p.Instead != "" {
		s += "; " + p.Instead
	}
	return s
}

// Problems is every mistake in a Config, as an error of New and Reload.
type Problems []Problem

// Error has a line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// The risks that a configuration can accept, by the ids of the scanner's checks.
const (
	riskNoAudience   = "jwt.audience-unchecked"
	riskNoIssuer     = "jwt.issuer-unchecked"
	riskNoExpiry     = "jwt.no-expiry"
	riskLongLived    = "jwt.long-lived"
	riskWeakSecret   = "jwt.weak-secret"
	riskTokenInURL   = "jwt.token-in-url"
	riskWildcard     = "cors.wildcard"
	riskPlainText    = "transport.token-over-http"
	riskUnverifiedCA = "tls.cert-untrusted"
)

// Risks lists the ids that AcceptRisk understands.
func Risks() []string {
	return []string{
		riskNoAudience, riskNoIssuer, riskNoExpiry, riskLongLived, riskWeakSecret,
		riskTokenInURL, riskWildcard, riskPlainText, riskUnverifiedCA,
	}
}

func accepted(risks []string, id string) bool { return slices.Contains(risks, id) }

func path(prefix string, i int) string { return prefix + "[" + strconv.Itoa(i) + "]" }

// checker collects problems.
type checker struct {
	cfg      *Config
	problems []Problem
}

func (c *checker) add(path, what, instead string) {
	c.problems = append(c.problems, Problem{path, what, instead})
}

// needs adds a problem unless its risk was accepted.
func (c *checker) needs(risk, path, what, instead string) {
	if !accepted(c.cfg.AcceptRisk, risk) {
		c.add(path, what, instead+", or accept_risk: ["+risk+"]")
	}
}

// Check returns every mistake in cfg, without starting anything.
func Check(cfg Config) []Problem {
	c := &checker{cfg: &cfg}
	c.top()
	c.tokens()
	c.upstreams()
	c.routes()
	c.cors()
	return c.problems
}

func (c *checker) top() {
	cfg := c.cfg
	if !slices.Contains([]Mode{"", Enforce, ObserveOnly}, cfg.Mode) {
		c.add("mode", fmt.Sprintf("unknown mode %q", cfg.Mode), "write enforce or observe")
	}
	for i, r := range cfg.Observe {
		if !slices.Contains(Rules(), r) {
			c.add(path("observe", i), fmt.Sprintf("unknown rule %q", r), "write one of "+joinRules(Rules()))
		}
	}
	if len(cfg.Hosts) == 0 {
		c.add("hosts", "no host is allowed, so every request would be refused", "name the hosts that clients use, as hosts: [api.example.com]")
	}
	for i, h := range cfg.Hosts {
		if name, port, ok := splitHost(strings.ToLower(h)); !ok || name == "" || port != "" && !usablePort(port) {
			c.add(path("hosts", i), fmt.Sprintf("%q is not a host name", h), "write NAME or NAME:PORT, without scheme, path, wildcard or trailing dot, and an IPv6 address in brackets")
		}
	}
	for i, id := range cfg.AcceptRisk {
		if !slices.Contains(Risks(), id) {
			c.add(path("accept_risk", i), fmt.Sprintf("%q opens nothing", id), "write one of "+strings.Join(Risks(), ", "))
		}
	}
	if !slices.Contains([]PlaintextToken{"", Burn, Refuse}, cfg.PlaintextToken) {
		c.add("plaintext_token", fmt.Sprintf("unknown value %q", cfg.PlaintextToken), "write burn or refuse")
	}
	if cfg.RedirectPort < 0 || cfg.RedirectPort > 65535 {
		c.add("redirect_port", fmt.Sprintf("%d is not a port", cfg.RedirectPort), "write a number from 1 to 65535")
	}
	if cfg.HSTS.MaxAge < 0 {
		c.add("tls.hsts.max_age", "is negative", "write a duration such as 8760h")
	}
	if cfg.StoreStaleness < 0 {
		c.add("store_staleness", "is negative", "write a duration such as 5s")
	}
	if r := cfg.RateLimit.AuthFailures; r.Count < 0 || r.Count > 0 && r.Per <= 0 || r.Count > 0 && r.Per/time.Duration(r.Count) == 0 {
		c.add("rate_limit.auth_failures", "is not a rate", "write COUNT/UNIT such as 20/m")
	}
}

func joinRules(rules []Rule) string {
	s := make([]string, len(rules))
	for i, r := range rules {
		s[i] = string(r)
	}
	return strings.Join(s, ", ")
}
