package serve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"time"
)

// leaf returns the certificate for the hosts of d: the one on disk as long as it
// fits and has a third of its life left, else a new one.
func (d *Dev) leaf(now time.Time, warn func(what, file string)) (*tls.Certificate, error) {
	ca, err := d.authority(now, warn)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(d.Dir, devLeafFile)
	cert, err := CertFile{path, path}.load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ca.issue(d.hosts(), now, path)
	case err != nil:
		return nil, fmt.Errorf("development certificate: %w; remove the file, and it is made anew", err)
	case ca.stale(cert.Leaf, d.hosts(), now):
		return ca.issue(d.hosts(), now, path)
	}
	return cert, nil
}

// stale says whether a certificate is another CA's, for other hosts, or worn.
func (a *authority) stale(leaf *x509.Certificate, hosts []string, now time.Time) bool {
	have := append([]string(nil), leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		have = append(have, ip.String())
	}
	slices.Sort(have)
	hosts = slices.Sorted(slices.Values(hosts))
	if !slices.Equal(have, hosts) || leaf.CheckSignatureFrom(a.cert) != nil {
		return true
	}
	// At the end of the CA's own life a new leaf would not last longer.
	return worn(leaf.NotBefore, leaf.NotAfter, now) && leaf.NotAfter.Before(a.cert.NotAfter)
}

// issue makes a certificate and keeps it at path.
func (a *authority) issue(hosts []string, now time.Time, path string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make development key: %w", err)
	}
	t := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Wiretight development certificate"}},
		NotBefore: now.Add(-skew), NotAfter: now.Add(devLeafLife - skew),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if t.NotAfter.After(a.cert.NotAfter) {
		t.NotAfter = a.cert.NotAfter
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("sign development certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back development certificate: %w", err)
	}
	secret, err := keyPEM(key)
	if err != nil {
		return nil, err
	}
	if err := putOver(path, append(secret, certPEM(der)...), 0o600); err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
