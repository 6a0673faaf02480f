package tlsprobe

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"sync"
	"time"
)

// Chain is what a server shows to prove who it is, and what that is worth.
type Chain struct {
	// Outcome is Accepted when certificates came.
	Outcome
	// Version is the one that the certificates came with.
	Version Version
	// Certificates are in the order sent. One that cannot be read at all is not
	// among them; Unreadable counts those.
	Certificates []Certificate
	Unreadable   int
	// Trust judges the path, apart from time and name.
	Trust       Trust
	TrustReason string
	// Path indexes the certificates that lead to the root, the server's first.
	Path []int
	// Lifetime is the worst of the path; LifetimeOf indexes the certificate.
	Lifetime   Lifetime
	LifetimeOf int
	// NameMatches says that the server's certificate covers Probe.ServerName.
	NameMatches bool

	rootSent bool // the last of Path is the trusted root
}

// Leaf returns the server's own certificate. ok is false when none came.
func (c Chain) Leaf() (leaf Certificate, ok bool) {
	if len(c.Certificates) == 0 {
		return Certificate{}, false
	}
	return c.Certificates[0], true
}

// WeakKeys lists the certificates whose key is weak: those on the path, or all
// that were sent when there is no trusted one.
func (c Chain) WeakKeys() []Certificate {
	return c.relevant(func(i int, cert Certificate) bool { return cert.WeakKey() != "" })
}

// WeakSignatures lists the certificates whose weak signature matters. That of a
// trusted or a self-signed root does not, wherever it stands in the list; that
// of a self-signed server's certificate is reported.
func (c Chain) WeakSignatures() []Certificate {
	return c.relevant(func(i int, cert Certificate) bool {
		root := c.rootSent && i == c.Path[len(c.Path)-1]
		return cert.WeakSignature() != "" && !root && (i == 0 || !cert.SelfIssued())
	})
}

func (c Chain) relevant(keep func(int, Certificate) bool) []Certificate {
	var out []Certificate
	for i, cert := range c.Certificates {
		if (c.Trust != Trusted || slices.Contains(c.Path, i)) && keep(i, cert) {
			out = append(out, cert)
		}
	}
	return out
}

// Chains holds what a server shows on different occasions.
type Chains struct {
	// SNI is the chain shown to a client that asks for Probe.ServerName.
	SNI Chain
	// Other is the chain shown, to the same question, to a client that takes no
	// certificate of the first one's key type. Refused: there is none.
	Other Chain
	// NoSNI is the chain shown to a client that names nobody.
	NoSNI Chain
}

// Chain fetches the certificates with the newest version that v says is
// accepted, three times at most. It does not ask the server to prove that it
// holds the key.
func (p *Probe) Chain(ctx context.Context, v Versions) Chains {
	version := v.Best()
	if version < SSL3 {
		o := v.none()
		if version == SSL2 {
			o = inconclusive("only SSL 2 is accepted")
		}
		return Chains{SNI: Chain{Outcome: o}, Other: Chain{Outcome: o}, NoSNI: Chain{Outcome: o}}
	}
	var out Chains
	var wg sync.WaitGroup
	wg.Go(func() {
		out.SNI = p.chain(ctx, version, p.ServerName, "")
		out.Other = Chain{Outcome: out.SNI.Outcome}
		if leaf, ok := out.SNI.Leaf(); ok {
			out.Other = p.chain(ctx, version, p.ServerName, leaf.KeyType)
		}
	})
	wg.Go(func() {
		if sniName(p.ServerName) != "" {
			out.NoSNI = p.chain(ctx, version, "", "")
		}
	})
	wg.Wait()
	if sniName(p.ServerName) == "" {
		out.NoSNI = out.SNI
	}
	return out
}

// chain fetches and judges one chain, not of the key type avoid.
func (p *Probe) chain(ctx context.Context, v Version, name, avoid string) Chain {
	der, err := p.fetch(ctx, v, name, avoid)
	if err != nil {
		return Chain{Outcome: outcomeOf(err), Version: v}
	}
	if len(der) == 0 {
		return Chain{Outcome: refused("the server shows no certificate"), Version: v}
	}
	c := Chain{Outcome: accepted("%d certificates by %v", len(der), v), Version: v}
	for i, d := range der {
		cert, err := ParseCertificate(d)
		if err != nil {
			if i == 0 {
				return Chain{Outcome: inconclusive("%v", err), Version: v}
			}
			c.Unreadable++
			continue
		}
		c.Certificates = append(c.Certificates, cert)
	}
	if c.Certificates[0].KeyType == avoid {
		return Chain{Outcome: refused("the server shows only %s certificates", avoid), Version: v}
	}
	c.assess(p.ServerName, p.Roots, p.now())
	return c
}

func (c *Chain) assess(host string, roots *x509.CertPool, now time.Time) {
	j := judge(c.Certificates, roots, now)
	c.Trust, c.TrustReason, c.Path, c.rootSent = j.trust, j.reason, j.path, j.rootSent
	c.NameMatches = c.Certificates[0].Matches(host)
	if j.inTime {
		// Whatever else was sent and has expired is not needed.
		c.Lifetime = c.Certificates[0].Lifetime(now)
		return
	}
	for _, i := range j.path {
		if l := c.Certificates[i].Lifetime(now); l > c.Lifetime {
			c.Lifetime, c.LifetimeOf = l, i
		}
	}
	if c.Trust == Trusted && c.Lifetime < NotYetValid {
		c.Trust, c.TrustReason = UnknownRoot, "the trusted root that the chain leads to has expired itself"
	}
}

// fetch returns the certificates as sent.
func (p *Probe) fetch(ctx context.Context, v Version, name, avoid string) ([][]byte, error) {
	if v >= TLS13 {
		c := newClient13(goalCertificate, name, handshakeSuites(), p.now)
		c.hello.SignatureAlgorithms = slices.DeleteFunc(slices.Clone(allSignature), func(scheme uint16) bool {
			return schemeKey(scheme) == avoid
		})
		err := p.converse(ctx, c)
		return c.certificates, err
	}
	if avoid == "Ed25519" || avoid == "Ed448" {
		avoid = "EC" // these go by the ECDSA suites, RFC 8422 §2
	}
	f := p.offer(v, suitesFor(v, func(t suiteTraits) bool {
		return !slices.Contains(t.classes, ClassAnon) && t.certificateKey() != avoid
	}), typeCertificate)
	f.hello.ServerName = name
	err := p.converse(ctx, f)
	return f.certificates, err
}

// schemeKey is the key type that a SignatureScheme signs with (RFC 8446 §4.2.3).
func schemeKey(scheme uint16) string {
	switch {
	case scheme == 0x0807:
		return "Ed25519"
	case scheme == 0x0808:
		return "Ed448"
	case scheme >= 0x0804 && scheme <= 0x080B, scheme&0xFF == 1:
		return "RSA"
	case scheme&0xFF == 3:
		return "EC"
	}
	return "DSA"
}

// certificateKey is the type of the key that the suite's certificate holds.
func (t suiteTraits) certificateKey() string {
	switch {
	case strings.Contains(t.kx, "ECDSA"), t.kx == "ECDH_RSA":
		return "EC"
	case strings.Contains(t.kx, "DSS"):
		return "DSA"
	}
	return "RSA"
}
