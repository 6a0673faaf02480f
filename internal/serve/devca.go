package serve

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The files of a development CA. The key file holds the CA's certificate too
// and is put in place in one step, so that it is whole or not there at all;
// ca.pem is a copy of the public part for those who are to trust it.
const (
	devKeyFile  = "ca-key.pem"
	devCertFile = "ca.pem"
	devLeafFile = "dev-leaf.pem"
)

const (
	devCALife   = 3 * 365 * 24 * time.Hour
	devLeafLife = 90 * 24 * time.Hour
	// skew makes certificates valid for peers whose clock is late.
	skew = time.Hour
)

// authority is the development CA in memory.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func (d *Dev) check() error {
	var errs []error
	if d.Dir == "" {
		errs = append(errs, errors.New("the development CA needs a directory to live in"))
	}
	for _, h := range canonicalHosts(d.Hosts) {
		if net.ParseIP(h) == nil {
			errs = append(errs, checkDNSName(strings.TrimPrefix(h, "*.")))
		}
	}
	return errors.Join(errs...)
}

// hosts are all names that the leaf carries.
func (d *Dev) hosts() []string {
	return canonicalHosts(append([]string{"localhost", "127.0.0.1", "::1"}, d.Hosts...))
}

// authority loads the CA, or makes it if the directory has none. Two processes
// that start at once end up with the same one. Whatever is there already stays.
func (d *Dev) authority(now time.Time, warn func(what, file string)) (*authority, error) {
	if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of the development CA: %w", err)
	}
	path := filepath.Join(d.Dir, devKeyFile)
	a, err := loadAuthority(path)
	if errors.Is(err, fs.ErrNotExist) {
		if a, err = d.found(path, now); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w; restore the directory, or remove %s and %s from it and trust the CA that is then made", err, devKeyFile, devCertFile)
	}
	warnOfReaders(path, warn)
	return a, errors.Join(a.usable(d, now), a.publish(filepath.Join(d.Dir, devCertFile)))
}

// found makes a new CA, unless another process is faster.
func (d *Dev) found(path string, now time.Time) (*authority, error) {
	public := filepath.Join(d.Dir, devCertFile)
	if _, err := os.Lstat(public); err == nil {
		// The other process may have put both there since we looked.
		if a, err := loadAuthority(path); err == nil {
			return a, nil
		}
		return nil, fmt.Errorf("development CA in %q is half there: %s without %s; restore the key, or remove %s and trust the CA that is then made", d.Dir, devCertFile, devKeyFile, devCertFile)
	}
	a, err := newAuthority(d.hosts(), now)
	if err != nil {
		return nil, err
	}
	key, err := keyPEM(a.key)
	if err != nil {
		return nil, err
	}
	err = putNew(path, append(key, certPEM(a.cert.Raw)...), 0o600)
	if errors.Is(err, fs.ErrExist) {
		return loadAuthority(path)
	}
	return a, err
}

// newAuthority makes a CA that can vouch for hosts, for servers only, and for
// nothing else: should its key be stolen, the bank's name is not in danger.
func newAuthority(hosts []string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of the development CA: %w", err)
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "this machine"
	}
	t := &x509.Certificate{
		Subject: pkix.Name{
			Organization: []string{"Wiretight development CA"},
			CommonName:   fmt.Sprintf("Wiretight development CA (%.30s, %s)", machine, now.Format(time.DateOnly)),
		},
		NotBefore: now.Add(-skew), NotAfter: now.Add(devCALife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		PermittedDNSDomainsCritical: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.PermittedIPRanges = append(t.PermittedIPRanges, onlyAddress(ip))
		} else {
			t.PermittedDNSDomains = append(t.PermittedDNSDomains, strings.TrimPrefix(h, "*."))
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of the development CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back certificate of the development CA: %w", err)
	}
	return &authority{cert, key}, nil
}

func onlyAddress(ip net.IP) *net.IPNet {
	if v4 := ip.To4(); v4 != nil {
		ip = v4
	}
	return &net.IPNet{IP: ip, Mask: net.CIDRMask(8*len(ip), 8*len(ip))}
}

func loadAuthority(path string) (*authority, error) {
	data, err := readPEM("key", path)
	if err != nil {
		return nil, err
	}
	key, keyErr := parseKey(path, data)
	chain, certErr := parseChain(path, data)
	if err := errors.Join(keyErr, certErr); err != nil {
		return nil, fmt.Errorf("development CA: %w", err)
	}
	if !samePublic(chain[0].PublicKey, key.Public()) || !chain[0].IsCA {
		return nil, fmt.Errorf("development CA: key and certificate in %q do not belong together", path)
	}
	return &authority{chain[0], key}, nil
}

// usable says why the CA cannot issue for the hosts of d.
func (a *authority) usable(d *Dev, now time.Time) error {
	again := fmt.Sprintf("remove %s and %s from %q and trust the CA that is then made", devKeyFile, devCertFile, d.Dir)
	if now.After(a.cert.NotAfter) {
		return fmt.Errorf("development CA expired on %s; %s", a.cert.NotAfter.Format(time.DateOnly), again)
	}
	var foreign []string
	for _, h := range d.hosts() {
		if !a.covers(h) {
			foreign = append(foreign, h)
		}
	}
	if len(foreign) > 0 {
		return fmt.Errorf("development CA was made for other hosts and must not vouch for %s; %s", strings.Join(foreign, ", "), again)
	}
	return nil
}

// covers says whether the CA's name constraints permit a host (RFC 5280 §4.2.1.10).
func (a *authority) covers(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		for _, r := range a.cert.PermittedIPRanges {
			if r.Contains(ip) {
				return true
			}
		}
		return false
	}
	host = strings.TrimPrefix(host, "*.")
	for _, domain := range a.cert.PermittedDNSDomains {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

// publish makes sure that the public copy is there and is this CA's.
func (a *authority) publish(path string) error {
	err := putNew(path, certPEM(a.cert.Raw), 0o644)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	chain, err := readChain(path)
	if err != nil {
		return fmt.Errorf("development CA: %w", err)
	}
	if !bytes.Equal(chain[0].Raw, a.cert.Raw) {
		return fmt.Errorf("development CA: %q is not the certificate of the key in %s; remove it, and it is written anew", path, devKeyFile)
	}
	return nil
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func keyPEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
