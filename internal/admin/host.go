package admin

import (
	"net/netip"
	"strings"
)

// consoleHost reports whether a Host header names this machine or one of
// allowed, which are in lower case. A page of another site can make a browser
// ask us under the site's own name (DNS rebinding), but under no other.
func consoleHost(host string, allowed []string) bool {
	if ap, err := netip.ParseAddrPort(host); err == nil {
		return own(ap.Addr()) || named(host, allowed)
	}
	if addr, err := netip.ParseAddr(unbracketed(host)); err == nil {
		return own(addr) || named(host, allowed)
	}
	name, port, hasPort := strings.Cut(strings.ToLower(host), ":")
	if hasPort && !number(port) {
		return false
	}
	return name == "localhost" || named(host, allowed)
}

// own reports whether an address is this machine's and of no interface.
func own(a netip.Addr) bool { return a.Zone() == "" && a.Unmap().IsLoopback() }

// named reports whether host is in allowed, where a name without a port stands
// for any port.
func named(host string, allowed []string) bool {
	host = strings.ToLower(host)
	name := host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && number(host[i+1:]) && !strings.HasSuffix(host, "]") {
		name = host[:i]
	}
	for _, a := range allowed {
		if a == host || a == name {
			return true
		}
	}
	return false
}

// unbracketed is an IPv4 address, or what stands in the brackets that an IPv6
// address has in a Host; anything else is nothing.
func unbracketed(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if ok && strings.Contains(inner, ":") {
			return inner
		}
		return ""
	}
	if strings.Contains(host, ":") {
		return ""
	}
	return host
}

func number(s string) bool {
	if s == "" || len(s) > 5 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
