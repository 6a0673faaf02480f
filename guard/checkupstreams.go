package guard

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func (c *checker) upstreams() {
	if len(c.cfg.TrustedPeers) > 0 && len(c.cfg.Upstreams) == 0 && c.cfg.Tokens.Forward == ForwardInternal {
		c.add("tokens.forward", "internal tokens are for an upstream, and none is configured", "name the upstream and its audience, or write token, claims or none")
	}
	names := map[string]bool{}
	for i := range c.cfg.Upstreams {
		u := &c.cfg.Upstreams[i]
		at := path("upstreams", i)
		if u.Name == "" {
			c.add(at+".name", "is missing", "give the upstream a name that routes can use")
		}
		if names[u.Name] {
			c.add(at+".name", fmt.Sprintf("upstream %q is named twice", u.Name), "give each a name of its own")
		}
		names[u.Name] = true
		if u.Timeout < 0 {
			c.add(at+".timeout", "is negative", "write a duration such as 30s")
		}
		c.upstreamURL(at, u)
	}
}

func (c *checker) upstreamURL(at string, u *Upstream) {
	p, err := url.Parse(u.URL)
	if err != nil {
		c.add(at+".url", "is not a URL", "write https://HOST:PORT, http://127.0.0.1:PORT or unix:///path")
		return
	}
	switch {
	case p.Scheme == "unix" && p.Host == "" && strings.HasPrefix(p.Path, "/"):
		return
	case !slices.Contains([]string{"http", "https", "h2c"}, p.Scheme) || p.Hostname() == "":
		c.add(at+".url", fmt.Sprintf("%q is not an upstream", withoutUser(u.URL)), "write https://HOST:PORT, http://127.0.0.1:PORT or unix:///path")
		return
	case p.User != nil:
		c.add(at+".url", "holds a user name or password", "remove it")
	case p.Path != "" && p.Path != "/" || p.RawQuery != "" || p.Fragment != "":
		c.add(at+".url", "has a path or a query, but the guard forwards the path that it matched, unchanged", "write only scheme, host and port")
	}
	if p.Port() != "" && !usablePort(p.Port()) {
		c.add(at+".url", fmt.Sprintf("%q is not a port", p.Port()), "write a number from 1 to 65535")
	}
	if p.Scheme != "https" && !loopback(p.Hostname()) && (!u.Insecure || !accepted(c.cfg.AcceptRisk, riskPlainText)) {
		c.add(at+".url", "would carry tokens in clear text over the network", "write https://, or, where the network is trusted, insecure: true here and accept_risk: ["+riskPlainText+"]")
	}
	if u.Insecure && p.Scheme == "https" && !accepted(c.cfg.AcceptRisk, riskUnverifiedCA) {
		c.add(at+".insecure", "an unverified certificate lets anybody on the path read the tokens", "give ca: FILE instead, or accept_risk: ["+riskUnverifiedCA+"]")
	}
}

func usablePort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n < 65536
}
