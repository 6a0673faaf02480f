package serve

import (
	"crypto/tls"
	"net"
	"strings"
	"time"
)

// names finds the certificate for a name. It does not change once made.
type names struct {
	first *tls.Certificate
	// exact is by DNS name and address, wild by what follows "*.". Several
	// certificates of a name differ in what peers can verify.
	exact, wild map[string][]*tls.Certificate
	all         []*tls.Certificate
}

func newNames(certs []*tls.Certificate) names {
	n := names{
		exact: make(map[string][]*tls.Certificate),
		wild:  make(map[string][]*tls.Certificate),
		all:   certs,
	}
	for _, c := range certs {
		if n.first == nil {
			n.first = c
		}
		for _, name := range c.Leaf.DNSNames {
			name = canonicalHost(name)
			if rest, ok := strings.CutPrefix(name, "*."); ok {
				n.wild[rest] = append(n.wild[rest], c)
			} else {
				n.exact[name] = append(n.exact[name], c)
			}
		}
		for _, ip := range c.Leaf.IPAddresses {
			n.exact[ip.String()] = append(n.exact[ip.String()], c)
		}
	}
	return n
}

// choose finds the certificate for a handshake: by exact name, by wildcard
// (one label, RFC 6125 §6.4.3), by our own address if the peer named no host,
// else the first.
func (n names) choose(hello *tls.ClientHelloInfo) *tls.Certificate {
	name := canonicalHost(hello.ServerName)
	if name == "" && hello.Conn != nil {
		if a, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok {
			name = a.IP.String()
		}
	}
	found := n.exact[name]
	if len(found) == 0 {
		_, rest, _ := strings.Cut(name, ".")
		found = n.wild[rest]
	}
	if len(found) == 0 {
		return n.first
	}
	for _, c := range found[:len(found)-1] {
		if hello.SupportsCertificate(c) == nil {
			return c
		}
	}
	return found[len(found)-1]
}

func (n names) notAfter() map[string]time.Time {
	until := make(map[string]time.Time)
	for _, c := range n.all {
		for _, name := range c.Leaf.DNSNames {
			earliest(until, canonicalHost(name), c.Leaf.NotAfter)
		}
		for _, ip := range c.Leaf.IPAddresses {
			earliest(until, ip.String(), c.Leaf.NotAfter)
		}
	}
	return until
}

func earliest(until map[string]time.Time, name string, t time.Time) {
	if old, ok := until[name]; !ok || t.Before(old) {
		until[name] = t
	}
}

// dueForRenewal says whether the first certificate has less than a third of its
// life left.
func (n names) dueForRenewal(now time.Time) bool {
	return worn(n.first.Leaf.NotBefore, n.first.Leaf.NotAfter, now)
}

func worn(from, until, now time.Time) bool {
	return until.Sub(now) < until.Sub(from)/3
}
