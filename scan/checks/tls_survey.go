package checks

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/internal/tlsprobe"
	"github.com/wiretight/wiretight/scan"
)

// surveyed is what the target's TLS was found to be, and the request that was
// sent as early data.
type surveyed struct {
	tlsprobe.Survey
	early earlyRequest
}

// survey asks the target's TLS everything at once, and once in a scan.
func survey(ctx context.Context, t *scan.Target) surveyed {
	s, _ := scan.Memo(t, "tls.survey", func() (surveyed, error) { // there is no error
		p := *t.Probe()
		s := surveyed{early: newEarlyRequest(t)}
		p.EarlyRequest = s.early.bytes
		s.Survey = p.Survey(ctx)
		return s, nil
	})
	return s
}

// tlsCheck is a check that decides by the survey alone.
func tlsCheck(id string, decide func(t *scan.Target, s surveyed) scan.Verdict) scan.Check {
	return scan.Check{
		ID: id, Needs: catalog.NeedsNothing,
		Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
			if t.Probe() == nil {
				return scan.Skip("the target is not HTTPS; see transport.no-tls")
			}
			return decide(t, survey(ctx, t))
		},
	}
}

// chainCheck is a check that looks at each certificate chain that the server
// shows for its name. find returns nothing for a chain that is as it should be.
func chainCheck(id string, find func(c tlsprobe.Chain) string) scan.Check {
	return tlsCheck(id, func(t *scan.Target, s surveyed) scan.Verdict {
		if s.Chains.SNI.Verdict != tlsprobe.Accepted {
			return scan.Unsure("no certificate could be read: " + s.Chains.SNI.Reason)
		}
		var found []scan.Evidence
		for _, c := range []tlsprobe.Chain{s.Chains.SNI, s.Chains.Other} {
			if c.Verdict != tlsprobe.Accepted {
				continue
			}
			if text := find(c); text != "" {
				leaf, _ := c.Leaf()
				e := handshakeEvidence(t, text+"\n"+chainText(c), "-showcerts")
				e.Key = leaf.KeyType
				found = append(found, e)
			}
		}
		if len(found) > 0 {
			return scan.Find(found...)
		}
		return scan.Pass()
	})
}

// chainText lists the certificates that were sent.
func chainText(c tlsprobe.Chain) string {
	var lines []string
	for i, cert := range c.Certificates[:min(len(c.Certificates), 6)] {
		key := fmt.Sprintf("%s %d", cert.KeyType, cert.KeyBits)
		if cert.Curve != "" {
			key = cert.KeyType + " " + cert.Curve
		}
		lines = append(lines, fmt.Sprintf("certificate %d: %s, issued by %s, %s, signed with %s, valid from %s to %s", i,
			clip(cert.Subject), clip(cert.Issuer), key, cert.Signature, cert.NotBefore.Format("2006-01-02"), cert.NotAfter.Format("2006-01-02")))
	}
	return strings.Join(lines, "\n")
}

// handshakeEvidence is about the target's port and not about a path. flags go to
// openssl s_client.
func handshakeEvidence(t *scan.Target, text string, flags ...string) scan.Evidence {
	u := t.Base()
	u.Path, u.RawPath, u.RawQuery = "/", "", ""
	port := u.Port()
	if port == "" {
		port = "443"
	}
	command := "openssl s_client -connect " + shellQuote(net.JoinHostPort(u.Hostname(), port))
	if net.ParseIP(u.Hostname()) == nil {
		command += " -servername " + shellQuote(u.Hostname())
	}
	if len(flags) > 0 {
		command += " " + strings.Join(flags, " ")
	}
	return scan.Evidence{Method: "TLS", URL: u.String(), Text: t.Mask(text), Repeat: command + " </dev/null"}
}
