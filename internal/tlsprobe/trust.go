package tlsprobe

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Trust says whether a chain leads to a trusted root, or why it does not.
// Validity in time and the host's name are judged apart from it.
type Trust int

// The ways to be trusted or not. The zero Trust is TrustUnknown.
const (
	// TrustUnknown says that there was no chain to judge.
	TrustUnknown Trust = iota
	// Trusted: some order of what was sent leads to a trusted root.
	Trusted
	// SelfSigned: the server's certificate is signed by its own key.
	SelfSigned
	// MissingIntermediate: the issuer of the server's certificate was not sent
	// and is no trusted root.
	MissingIntermediate
	// UnknownRoot: the issuers that were sent end at one that no trusted root
	// vouches for.
	UnknownRoot
	// WeaklySigned: the path hangs on a signature by MD5, SHA-1 or the like,
	// which clients do not follow.
	WeaklySigned
	// Unacceptable: there is a path to a trusted root, but the certificates
	// break a rule: a name constraint, a purpose, a malformed part.
	Unacceptable
)

// String returns the trust in lower case words.
func (t Trust) String() string {
	return [...]string{
		"unknown", "trusted", "self-signed", "missing intermediate", "unknown root", "weakly signed", "unacceptable",
	}[t]
}

// judgement is the trust of a chain and what it was found on.
type judgement struct {
	trust  Trust
	reason string
	// path indexes the certificates that matter, the server's first.
	path []int
	// rootSent says that the last of the path is the trusted root.
	rootSent bool
	// inTime says that the whole path, its root included, is valid now.
	inTime bool
}

// judge trusts only what crypto/x509 verifies. When that says no for the given
// time, it is asked again for each moment at which certificates begin or cease
// to be valid, so that an expired chain is told from an untrusted one. What is
// still not trusted is explained by following names and signatures.
func judge(sent []Certificate, roots *x509.CertPool, now time.Time) judgement {
	parsed, err := parseX509(sent[0])
	if err != nil {
		j := explain(sent, roots)
		if j.trust == Trusted {
			j.trust, j.reason = Unacceptable, fmt.Sprintf("the server's certificate cannot be used: %s", printable(err.Error()))
		}
		return j
	}
	pool := x509.NewCertPool()
	for _, c := range sent[1:] {
		if p, err := parseX509(c); err == nil {
			pool.AddCert(p)
		}
	}
	opts := x509.VerifyOptions{Roots: roots, Intermediates: pool}
	var last error
	onlyTime := true
	for i, at := range moments(sent, now) {
		opts.CurrentTime = at
		chains, err := parsed.Verify(opts)
		if err == nil {
			path := indexes(sent, chains[0])
			return judgement{
				trust: Trusted, reason: "a path leads to a trusted root", path: path,
				rootSent: len(path) == len(chains[0]), inTime: i < aboutNow,
			}
		}
		last = err
		var invalid x509.CertificateInvalidError
		onlyTime = onlyTime && errors.As(err, &invalid) && invalid.Reason == x509.Expired
	}
	j := explain(sent, roots)
	switch {
	case j.trust == Trusted && onlyTime:
		// There was no moment at which all were valid; the path's lifetime says so.
		j.reason = "a path leads to a trusted root, apart from time"
	case j.trust == Trusted:
		j.trust, j.reason = Unacceptable, printable(last.Error())
	}
	return j
}

// parseX509 is x509.ParseCertificate for keys whose signatures cost a bounded
// time. Larger ones are refused by crypto/tls as well.
func parseX509(c Certificate) (*x509.Certificate, error) {
	if c.KeyBits > maxModulusBits {
		return nil, fmt.Errorf("key of %d bits", c.KeyBits)
	}
	return x509.ParseCertificate(c.Raw)
}

// aboutNow is how many of the moments are now, give or take the clock's skew.
const aboutNow = 3

// moments lists the times worth asking for, now first. Every one costs a search
// for a path, so there are few.
func moments(sent []Certificate, now time.Time) []time.Time {
	list := []time.Time{now, now.Add(clockSkew), now.Add(-clockSkew)} // aboutNow of them
	for _, c := range sent {
		list = append(list, c.NotBefore, c.NotAfter)
	}
	return list[:min(len(list), 9)] // those of the server's own and two more
}

// indexes finds the certificates of a verified chain among those sent. Roots
// that were not sent have none.
func indexes(sent []Certificate, chain []*x509.Certificate) []int {
	var path []int
	for _, c := range chain {
		if i := slices.IndexFunc(sent, func(s Certificate) bool { return bytes.Equal(s.Raw, c.Raw) }); i >= 0 {
			path = append(path, i)
		}
	}
	return path
}

// explain follows issuers from the server's certificate as far as the sent ones
// go. It finds Trusted where names and signatures lead to a root, whatever
// else is wrong.
func explain(sent []Certificate, roots *x509.CertPool) judgement {
	var weak, unchecked bool
	path := []int{0}
	for {
		at := sent[path[len(path)-1]]
		if anchored(at, roots) {
			break
		}
		next, how := issuerOf(sent, path)
		if next < 0 {
			return unanchored(sent, path, weak)
		}
		weak = weak || at.WeakSignature() != ""
		unchecked = unchecked || how == signedUnknown
		path = append(path, next)
	}
	j := judgement{trust: Trusted, path: path}
	switch {
	case weak:
		j.trust, j.reason = WeaklySigned, "the path to the root hangs on a weak signature"
	case unchecked:
		j.trust, j.reason = Unacceptable, "a signature is of an algorithm that is not understood"
	}
	return j
}

func unanchored(sent []Certificate, path []int, weak bool) judgement {
	end := sent[path[len(path)-1]]
	j := judgement{path: path}
	switch {
	case end.SelfIssued() && end.signedBy(end) != signedNo && len(path) == 1:
		j.trust, j.reason = SelfSigned, "the server's certificate is signed by its own key"
	case end.SelfIssued():
		j.trust, j.reason = UnknownRoot, fmt.Sprintf("the chain ends at %q, which is not trusted", end.Subject)
	case end.WeakSignature() != "" || weak:
		j.trust, j.reason = WeaklySigned, fmt.Sprintf("the path to %q hangs on a weak signature", end.Issuer)
	case len(path) == 1:
		j.trust, j.reason = MissingIntermediate, fmt.Sprintf("the issuer %q was not sent and is no trusted root", end.Issuer)
	default:
		j.trust, j.reason = UnknownRoot, fmt.Sprintf("the chain ends at %q, whose issuer %q is no trusted root", end.Subject, end.Issuer)
	}
	return j
}

// issuerOf returns the index of a sent certificate that issued the last of
// path and is not on it. One whose signature fits goes before one whose
// signature cannot be checked.
func issuerOf(sent []Certificate, path []int) (int, signed) {
	child := sent[path[len(path)-1]]
	best, how := -1, signedNo
	for i, c := range sent {
		if slices.Contains(path, i) || !bytes.Equal(c.RawSubject, child.RawIssuer) {
			continue
		}
		switch s := child.signedBy(c); {
		case s == signedYes:
			return i, s
		case s == signedUnknown && best < 0:
			best, how = i, s
		}
	}
	return best, how
}

// anchored reports whether a root vouches for the certificate directly, at some
// time of its validity.
func anchored(c Certificate, roots *x509.CertPool) bool {
	parsed, err := parseX509(c)
	if err != nil {
		return false
	}
	for _, at := range []time.Time{c.NotBefore, c.NotAfter} {
		opts := x509.VerifyOptions{
			Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: at,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		}
		if _, err := parsed.Verify(opts); err == nil {
			return true
		}
	}
	return false
}
