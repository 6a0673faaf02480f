package tlsprobe_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

const day = 24 * time.Hour

// valid is a mutation of a certificate's lifetime, relative to now.
func valid(from, to time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(to)
	}
}

func named(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = names, nil }
}

func TestChainTrust(t *testing.T) {
	t.Parallel()
	root := newCA(t, nil, "Root")
	stranger := newCA(t, nil, "Stranger")
	mid := newCA(t, root, "Intermediate")
	low := newCA(t, mid, "Lower intermediate")
	expiredMid := issue(t, root, x509.Certificate{
		Subject: mid.cert.Subject, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-10 * day), NotAfter: time.Now().Add(-5 * day),
	}, mid.key)
	renewed := issue(t, root, x509.Certificate{
		Subject: mid.cert.Subject, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, mid.key)
	limited := newCA(t, root, "Limited", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"elsewhere.test"} })
	noCA := newCA(t, root, "No authority", func(c *x509.Certificate) { c.IsCA = false })
	strangerMid := newCA(t, stranger, "Stranger's intermediate")

	type result struct {
		Trust    tlsprobe.Trust
		Path     []int
		Lifetime tlsprobe.Lifetime
		Of       int
	}
	tests := []struct {
		name string
		sent []*authority
		want result
	}{
		{"whole", []*authority{newLeaf(t, mid), mid}, result{tlsprobe.Trusted, []int{0, 1}, tlsprobe.Valid, 0}},
		{"with its root", []*authority{newLeaf(t, mid), mid, root}, result{tlsprobe.Trusted, []int{0, 1, 2}, tlsprobe.Valid, 0}},
		{"issuers reversed", []*authority{newLeaf(t, low), root, mid, low}, result{tlsprobe.Trusted, []int{0, 3, 2, 1}, tlsprobe.Valid, 0}},
		{"with a stranger", []*authority{newLeaf(t, mid), stranger, mid}, result{tlsprobe.Trusted, []int{0, 2}, tlsprobe.Valid, 0}},
		{"issued by the root", []*authority{newLeaf(t, root)}, result{tlsprobe.Trusted, []int{0}, tlsprobe.Valid, 0}},
		{"missing intermediate", []*authority{newLeaf(t, mid)}, result{tlsprobe.MissingIntermediate, []int{0}, tlsprobe.Valid, 0}},
		{"missing upper intermediate", []*authority{newLeaf(t, low), low}, result{tlsprobe.UnknownRoot, []int{0, 1}, tlsprobe.Valid, 0}},
		{"self-signed", []*authority{newLeaf(t, nil)}, result{tlsprobe.SelfSigned, []int{0}, tlsprobe.Valid, 0}},
		{"unknown root, sent", []*authority{newLeaf(t, stranger), stranger}, result{tlsprobe.UnknownRoot, []int{0, 1}, tlsprobe.Valid, 0}},
		{"unknown root, not sent", []*authority{newLeaf(t, strangerMid), strangerMid}, result{tlsprobe.UnknownRoot, []int{0, 1}, tlsprobe.Valid, 0}},
		{"name constraints", []*authority{newLeaf(t, limited), limited}, result{tlsprobe.Unacceptable, []int{0, 1}, tlsprobe.Valid, 0}},
		{"issuer is no authority", []*authority{newLeaf(t, noCA), noCA}, result{tlsprobe.Unacceptable, []int{0, 1}, tlsprobe.Valid, 0}},
		{
			"for clients only",
			[]*authority{newLeaf(t, root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })},
			result{tlsprobe.Unacceptable, []int{0}, tlsprobe.Valid, 0},
		},

		{"expired", []*authority{newLeaf(t, mid, valid(-10*day, -day)), mid}, result{tlsprobe.Trusted, []int{0, 1}, tlsprobe.Expired, 0}},
		{"expired a minute ago", []*authority{newLeaf(t, mid, valid(-10*day, -time.Minute)), mid}, result{tlsprobe.Trusted, []int{0, 1}, tlsprobe.Expiring, 0}},
		{"not yet valid", []*authority{newLeaf(t, mid, valid(day, 300*day)), mid}, result{tlsprobe.Trusted, []int{0, 1}, tlsprobe.NotYetValid, 0}},
		{"expired and self-signed", []*authority{newLeaf(t, nil, valid(-10*day, -day))}, result{tlsprobe.SelfSigned, []int{0}, tlsprobe.Expired, 0}},
		{"expired intermediate", []*authority{newLeaf(t, mid, valid(-8*day, 300*day)), expiredMid}, result{tlsprobe.Trusted, []int{0, 1}, tlsprobe.Expired, 1}},
		{"expired before its issuer was renewed", []*authority{newLeaf(t, mid, valid(-10*day, -day)), renewed}, result{tlsprobe.Trusted, []int{0, 1}, tlsprobe.Expired, 0}},
		{"expired cross-sign not needed", []*authority{newLeaf(t, mid), expiredMid, mid}, result{tlsprobe.Trusted, []int{0, 2}, tlsprobe.Valid, 0}},
		{"expires in 13 of 365 days", []*authority{newLeaf(t, mid, valid(-352*day, 13*day)), mid}, result{tlsprobe.Trusted, []int{0, 1}, tlsprobe.Expiring, 0}},
		{"expires in 13 of 70 days", []*authority{newLeaf(t, mid, valid(-57*day, 13*day)), mid}, result{tlsprobe.Trusted, []int{0, 1}, tlsprobe.Valid, 0}},
		{"expires in 3 of 6 days", []*authority{newLeaf(t, mid, valid(-3*day, 3*day)), mid}, result{tlsprobe.Trusted, []int{0, 1}, tlsprobe.Valid, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := probe(goServer(t, &tls.Config{Certificates: []tls.Certificate{tt.sent[0].serve(tt.sent[1:]...)}}))
			p.Roots = pool(root)
			c := p.Chain(t.Context(), p.Versions(t.Context())).SNI
			if c.Verdict != tlsprobe.Accepted || len(c.Certificates) != len(tt.sent) {
				t.Fatalf("got %v and %d certificates, want %d", c.Outcome, len(c.Certificates), len(tt.sent))
			}
			if diff := cmp.Diff(tt.want, result{c.Trust, c.Path, c.Lifetime, c.LifetimeOf}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.TrustReason, diff)
			}
			if !c.NameMatches || c.TrustReason == "" {
				t.Errorf("got name matches %v, reason %q, want true and a reason", c.NameMatches, c.TrustReason)
			}
		})
	}
}

func TestChainOccasions(t *testing.T) {
	t.Parallel()
	root := newCA(t, nil, "Root")
	right, fallback := newLeaf(t, root), newLeaf(t, root, named("default.test"))
	rsaLeaf := leafWithKey(t, root, newRSA(t, 2048))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			config := &tls.Config{MinVersion: version, MaxVersion: version}
			ecOnly, both := right.serve(), []tls.Certificate{right.serve(), rsaLeaf.serve()}
			other := fallback.serve()
			config.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
				c := &tls.Config{MinVersion: version, MaxVersion: version}
				switch h.ServerName {
				case "":
					c.Certificates = []tls.Certificate{other}
				case host:
					c.Certificates = both
				default:
					c.Certificates = []tls.Certificate{ecOnly}
				}
				return c, nil
			}
			p := probe(goServer(t, config))
			p.Roots = pool(root)
			c := p.Chain(t.Context(), p.Versions(t.Context()))
			if leaf, _ := c.SNI.Leaf(); leaf.KeyType != "EC" || !c.SNI.NameMatches {
				t.Errorf("SNI: got %s, matches %v (%v), want EC, true", leaf.KeyType, c.SNI.NameMatches, c.SNI.Outcome)
			}
			if leaf, _ := c.Other.Leaf(); leaf.KeyType != "RSA" || !c.Other.NameMatches {
				t.Errorf("other: got %s, matches %v (%v), want RSA, true", leaf.KeyType, c.Other.NameMatches, c.Other.Outcome)
			}
			if c.NoSNI.Verdict != tlsprobe.Accepted || c.NoSNI.NameMatches || c.NoSNI.Trust != tlsprobe.Trusted {
				t.Errorf("no SNI: got %v, matches %v, %v, want accepted, false, trusted", c.NoSNI.Outcome, c.NoSNI.NameMatches, c.NoSNI.Trust)
			}

			p.ServerName = "single.test"
			if c := p.Chain(t.Context(), p.Versions(t.Context())); c.Other.Verdict != tlsprobe.Refused || c.SNI.NameMatches {
				t.Errorf("single: got other %v, matches %v, want refused, false", c.Other.Outcome, c.SNI.NameMatches)
			}
		})
	}
}

func TestChainByAddress(t *testing.T) {
	t.Parallel()
	addr := goServer(t, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if h.ServerName != "" {
			t.Errorf("got SNI %q for an address, want none", h.ServerName)
		}
		return nil, nil
	}, Certificates: []tls.Certificate{newLeaf(t, nil).serve()}})
	p := probe(addr)
	p.ServerName, _, _ = net.SplitHostPort(addr)
	d := &dialler{addr: addr}
	v := p.Versions(t.Context())
	p.Dial = d.dial
	c := p.Chain(t.Context(), v)
	if !c.SNI.NameMatches || !c.NoSNI.NameMatches {
		t.Errorf("got name matches %v and %v, want true for an address among the names", c.SNI.NameMatches, c.NoSNI.NameMatches)
	}
	if n := d.n.Load(); n != 2 {
		t.Errorf("got %d connections, want 2: without a name there is one occasion less", n)
	}
}

// A self-signed certificate is trusted where it is given as a root.
func TestChainPinnedSelfSigned(t *testing.T) {
	t.Parallel()
	leaf := newLeaf(t, nil)
	p := probe(goServer(t, &tls.Config{Certificates: []tls.Certificate{leaf.serve()}}))
	p.Roots = pool(leaf)
	if c := p.Chain(t.Context(), p.Versions(t.Context())).SNI; c.Trust != tlsprobe.Trusted {
		t.Errorf("got %v (%s), want trusted", c.Trust, c.TrustReason)
	}
}

// A root that has expired vouches for nobody, though it was not sent.
func TestChainExpiredRoot(t *testing.T) {
	t.Parallel()
	root := newCA(t, nil, "Root", valid(-400*day, -day))
	leaf := newLeaf(t, root, valid(-300*day, 60*day))
	p := probe(goServer(t, &tls.Config{Certificates: []tls.Certificate{leaf.serve()}}))
	p.Roots = pool(root)
	if c := p.Chain(t.Context(), p.Versions(t.Context())).SNI; c.Trust != tlsprobe.UnknownRoot || c.Lifetime != tlsprobe.Valid {
		t.Errorf("got %v (%s), %v, want unknown root, valid", c.Trust, c.TrustReason, c.Lifetime)
	}
}

// Nil roots are the system's, which do not know the tests' authorities.
func TestChainSystemRoots(t *testing.T) {
	t.Parallel()
	root := newCA(t, nil, "Root")
	p := probe(goServer(t, &tls.Config{Certificates: []tls.Certificate{newLeaf(t, root).serve(root)}}))
	p.Roots = nil
	if c := p.Chain(t.Context(), p.Versions(t.Context())).SNI; c.Trust != tlsprobe.UnknownRoot {
		t.Errorf("got %v (%s), want unknown root", c.Trust, c.TrustReason)
	}
}
