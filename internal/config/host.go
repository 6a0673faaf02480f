package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/wiretight/wiretight/internal/serve"
)

// hosts settles the allowed names: those of the file, else what the
// certificates are for. It also tells ACME and the development CA.
func (b *builder) hosts() {
	t := &b.out.TLS
	switch {
	case b.written("hosts"):
		b.out.Guard.Hosts = b.hostList("hosts", b.file.Hosts)
	case t.Dev != nil:
		b.out.Guard.Hosts = []string{"localhost", "127.0.0.1", "[::1]"}
	case len(t.Certificates) > 0 && len(b.out.Guard.Hosts) == 0:
		// b.tls has put the certificates' names there.
		b.wrong("hosts", "hosts is missing, and the certificates carry no exact name to take", "write hosts: [api.example.com]")
	case t.ACME != nil:
		b.wrong("hosts", "hosts is missing, so that ACME has no name to get a certificate for", "write hosts: [api.example.com]")
	}
	if !b.written("hosts") && len(b.out.Guard.Hosts) == 0 {
		b.bad["hosts"] = true // told above, or where the certificate is missing
	}
	b.out.AdminHosts = b.hostList("admin_hosts", b.file.AdminHosts)
	names := make([]string, 0, len(b.out.Guard.Hosts))
	for _, h := range b.out.Guard.Hosts {
		if name := withoutPort(h); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if t.Dev != nil {
		t.Dev.Hosts = names
	}
	if t.ACME != nil {
		t.ACME.Hosts = names
		for i, h := range b.file.Hosts {
			if _, err := netip.ParseAddr(strings.Trim(withoutPort(h), "[]")); err == nil || loopback(withoutPort(h)) {
				b.wrong(index("hosts", i), fmt.Sprintf("ACME gives no certificate for %s", quoted(h)), "write public names only, or use tls.certificates")
			}
		}
	}
	b.uncovered(t)
}

// uncovered warns of hosts that no certificate is for.
func (b *builder) uncovered(t *serve.TLS) {
	if len(t.Certificates) == 0 || !b.written("hosts") {
		return
	}
	for i, h := range b.out.Guard.Hosts {
		name := strings.Trim(withoutPort(h), "[]")
		if !slices.ContainsFunc(b.leaves, func(l leaf) bool { return l.VerifyHostname(name) == nil }) {
			b.warn(index("hosts", i), fmt.Sprintf("no certificate is for %s", quoted(h)), "clients will refuse the connection")
		}
	}
}

// hostList checks names and gives them in lower case.
func (b *builder) hostList(path string, hosts []string) []string {
	list := make([]string, 0, len(hosts))
	for i, h := range hosts {
		if instead, err := checkHost(h); err != nil {
			b.wrong(index(path, i), fmt.Sprintf("%s is no host: %v", quoted(h), err), instead)
		}
		list = append(list, strings.ToLower(h))
	}
	return list
}

// checkHost takes what a Host header may hold: a name, an IPv4 address or an
// IPv6 address in brackets, and a port.
func checkHost(h string) (instead string, err error) {
	const example = "write a name like api.example.com"
	if ip, err := netip.ParseAddr(h); err == nil && ip.Is6() {
		return fmt.Sprintf("write [%s]", h), errors.New("an IPv6 address stands in brackets")
	}
	if strings.Contains(h, "://") {
		return example, errors.New("it is a URL")
	}
	host := h
	if i := strings.LastIndexByte(h, ':'); i >= 0 && !strings.HasSuffix(h, "]") {
		host = h[:i]
		if n, err := strconv.ParseUint(h[i+1:], 10, 16); err != nil || n == 0 || h[i+1] == '0' {
			return "write a port from 1 to 65535, or none for any port", errors.New("its port is no number from 1 to 65535")
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if ip, err := netip.ParseAddr(inner); !ok || err != nil || !ip.Is6() || ip.Zone() != "" {
			return "write an address like [2001:db8::1]", errors.New("what is in brackets is no IPv6 address")
		}
		return "", nil
	}
	return checkName(host, example)
}

func checkName(host, example string) (instead string, err error) {
	switch {
	case host == "":
		return example, errors.New("the name is empty")
	case strings.Contains(host, "*"):
		return "write every name out", errors.New("wildcards are not allowed")
	case strings.HasSuffix(host, "."):
		return fmt.Sprintf("write %s", strings.TrimRight(host, ".")), errors.New("it ends in a dot")
	case len(host) > 253:
		return example, errors.New("it is longer than 253 characters")
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return example, errors.New("a part between its dots is empty, too long, or begins or ends with a hyphen")
		}
		for _, r := range label {
			switch {
			case r > 0x7f:
				return "write it in ASCII, as xn--…", errors.New("it has letters outside ASCII")
			case r != '-' && r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z'):
				return example, fmt.Errorf("%q cannot stand in a name", r)
			}
		}
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	numeric := strings.Trim(last, "0123456789") == "" || strings.HasPrefix(strings.ToLower(last), "0x")
	if _, err := netip.ParseAddr(host); err != nil && numeric {
		return "write an IPv4 address like 192.0.2.1", errors.New("it looks like an address, but is none")
	}
	return "", nil
}

// withoutPort cuts the port off a host that was checked.
func withoutPort(h string) string {
	if i := strings.LastIndexByte(h, ':'); i >= 0 && !strings.HasSuffix(h, "]") {
		return h[:i]
	}
	return h
}

// networks parses CIDRs.
func (b *builder) networks(path string, list []string) []netip.Prefix {
	nets := make([]netip.Prefix, 0, len(list))
	for i, s := range list {
		at := index(path, i)
		p, err := netip.ParsePrefix(s)
		if ip, errIP := netip.ParseAddr(s); errIP == nil {
			b.wrong(at, fmt.Sprintf("%s is an address, not a network", quoted(s)), fmt.Sprintf("write %s/%d", ip, ip.BitLen()))
			continue
		}
		switch {
		case err != nil:
			b.wrong(at, fmt.Sprintf("%s is no network", quoted(s)), "write one like 10.0.0.0/8 or 2001:db8::/32")
		case p.Bits() == 0:
			b.wrong(at, fmt.Sprintf("%s is every address, so that any client would be believed", quoted(s)), "write the networks of your own proxies")
		case p.Masked() != p:
			b.wrong(at, fmt.Sprintf("%s has bits set behind its length", quoted(s)), fmt.Sprintf("write %s", p.Masked()))
		default:
			nets = append(nets, p)
		}
	}
	return nets
}
