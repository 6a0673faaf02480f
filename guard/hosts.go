package guard

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// hostSet is the allowlist of host names. Keys are lower case; IPv6 addresses
// stand without brackets.
type hostSet struct {
	anyPort map[string]bool // name
	exact   map[string]bool // name:port, joined as by net.JoinHostPort
	// names is anyPort without the addresses that a Host has in brackets. What
	// is in it, letter for letter, needs no closer look.
	names map[string]bool
}

func newHostSet(hosts []string) hostSet {
	s := hostSet{anyPort: map[string]bool{}, exact: map[string]bool{}, names: map[string]bool{}}
	for _, h := range hosts {
		name, port, ok := splitHost(strings.ToLower(h))
		switch {
		case !ok:
		case port == "":
			s.anyPort[name] = true
			if !strings.Contains(name, ":") {
				s.names[name] = true
			}
		default:
			s.exact[net.JoinHostPort(name, port)] = true
		}
	}
	return s
}

// allows reports whether a Host header, lower or upper case, is on the list.
func (s hostSet) allows(host string) (name string, ok bool) {
	name, port, hasPort := strings.Cut(host, ":")
	if s.names[name] && (!hasPort || validPort(port)) {
		return name, true
	}
	name, port, ok = splitHost(lower(host))
	if !ok {
		return "", false
	}
	if s.anyPort[name] {
		return name, true
	}
	if len(s.exact) == 0 {
		return name, false
	}
	if port == "" {
		port = "443"
	}
	return name, s.exact[net.JoinHostPort(name, port)]
}

// splitHost parses a Host header strictly: a name, an IPv4 address or a
// bracketed IPv6 address, and an optional decimal port. No trailing dot.
func splitHost(host string) (name, port string, ok bool) {
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return "", "", false
		}
		name = host[1:end]
		if a, err := netip.ParseAddr(name); err != nil || !a.Is6() || a.Zone() != "" {
			return "", "", false
		}
		host = host[end+1:]
		if host == "" {
			return name, "", true
		}
		if host[0] != ':' {
			return "", "", false
		}
		return name, host[1:], validPort(host[1:])
	}
	name = host
	if i := strings.IndexByte(host, ':'); i >= 0 {
		name, port = host[:i], host[i+1:]
		if !validPort(port) {
			return "", "", false
		}
	}
	return name, port, validName(name)
}

func validPort(p string) bool {
	if p == "" || len(p) > 5 {
		return false
	}
	for i := range len(p) {
		if p[i] < '0' || p[i] > '9' {
			return false
		}
	}
	return true
}

// validName accepts letters, digits, hyphens, underscores and inner dots.
func validName(n string) bool {
	if n == "" || len(n) > 253 || n[0] == '.' || n[len(n)-1] == '.' {
		return false
	}
	for i := range len(n) {
		b := n[i]
		if !unreserved(b) || b == '~' || b == '.' && n[i-1] == '.' {
			return false
		}
	}
	return true
}

// lower is strings.ToLower for ASCII, without a copy when there is nothing to do.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

// checkHost refuses requests for names that are not ours, and requests whose
// Host is another than the name that the TLS handshake was made for.
func checkHost(x *exchange) *refusal {
	name, ok := x.policy.hosts.allows(x.r.Host)
	if !ok {
		return &refusal{rule: RuleHost, kind: kindHostUnknown, reason: "host " + quoted(x.r.Host) + " is not one of hosts"}
	}
	if also := x.r.Header["Host"]; len(also) > 0 {
		return &refusal{rule: RuleHost, kind: kindHostUnknown, reason: "a Host field beside :authority"}
	}
	if x.r.TLS != nil && x.r.TLS.ServerName != "" && name != x.r.TLS.ServerName && name != strings.TrimSuffix(lower(x.r.TLS.ServerName), ".") {
		return &refusal{
			rule: RuleHost, kind: kindHostMisdirected,
			reason: "host " + quoted(name) + " differs from the handshake's " + quoted(x.r.TLS.ServerName),
		}
	}
	return nil
}

// peerAddr is the address at the other end of the connection.
func peerAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// allowsName is allows for the plain listener, whose port is another one: a
// host that is allowed with any port counts.
func (s hostSet) allowsName(host string) (name string, ok bool) {
	if name, ok = s.allows(host); ok {
		return name, true
	}
	for exact := range s.exact {
		if n, _, err := net.SplitHostPort(exact); err == nil && n == name && name != "" {
			return name, true
		}
	}
	return name, false
}
