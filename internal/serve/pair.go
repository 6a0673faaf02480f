package serve

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	// maxPEM bounds a certificate or key file.
	maxPEM = 1 << 20
	// soon is when the end of a certificate is worth a warning.
	soon = 7 * 24 * time.Hour
)

// loadPairs loads the certificate files, or the development certificate. It
// returns none for ACME.
func loadPairs(t TLS, warn func(what, file string)) ([]*tls.Certificate, error) {
	if t.Dev != nil {
		leaf, err := t.Dev.leaf(t.Now(), warn)
		return []*tls.Certificate{leaf}, err
	}
	var (
		certs []*tls.Certificate
		errs  []error
	)
	for _, f := range t.Certificates {
		c, err := f.load()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, what := range doubts(c.Leaf, t.Now()) {
			warn(what, f.Cert)
		}
		warnOfReaders(f.Key, warn)
		certs = append(certs, c)
	}
	return certs, errors.Join(errs...)
}

// load reads both files and reports what is wrong with either. One file that
// holds both is read once: another may be put in its place at any moment.
func (f CertFile) load() (*tls.Certificate, error) {
	if f.Cert == f.Key {
		data, err := readPEM("certificate", f.Cert)
		if err != nil {
			return nil, err
		}
		chain, certErr := parseChain(f.Cert, data)
		key, keyErr := parseKey(f.Key, data)
		return f.pair(chain, certErr, key, keyErr)
	}
	chain, certErr := readChain(f.Cert)
	key, keyErr := readKey(f.Key)
	return f.pair(chain, certErr, key, keyErr)
}

// pair makes one of what was read, or says all that is wrong with it.
func (f CertFile) pair(chain []*x509.Certificate, certErr error, key crypto.Signer, keyErr error) (*tls.Certificate, error) {
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, err
	}
	if err := f.match(chain, key); err != nil {
		return nil, err
	}
	c := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, x := range chain {
		c.Certificate = append(c.Certificate, x.Raw)
	}
	return c, nil
}

// match makes sure that the key is the leaf's, that the leaf comes first, that
// each certificate is signed by the next, and that the key is strong enough.
func (f CertFile) match(chain []*x509.Certificate, key crypto.Signer) error {
	owner := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return samePublic(c.PublicKey, key.Public()) })
	switch {
	case owner < 0:
		return fmt.Errorf("key file %q does not belong to certificate file %q", f.Key, f.Cert)
	case owner > 0:
		return fmt.Errorf("certificate file %q is in the wrong order: the key belongs to certificate %d; put the server's certificate first, its issuers after it", f.Cert, owner+1)
	}
	for i := range chain[1:] {
		if !bytes.Equal(chain[i].RawIssuer, chain[i+1].RawSubject) {
			return fmt.Errorf("certificate file %q is in the wrong order: certificate %d is not the issuer of certificate %d; put each issuer after what it signed", f.Cert, i+2, i+1)
		}
	}
	if k, ok := key.Public().(*rsa.PublicKey); ok && k.N.BitLen() < 2048 {
		return fmt.Errorf("key file %q has an RSA key of %d bits; use 2048 or more, or ECDSA P-256", f.Key, k.N.BitLen())
	}
	switch chain[0].SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1:
		return fmt.Errorf("certificate file %q is signed with %v, which clients refuse; have it issued anew", f.Cert, chain[0].SignatureAlgorithm)
	}
	return nil
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// doubts are the reasons why clients might refuse a certificate.
func doubts(leaf *x509.Certificate, now time.Time) []string {
	var out []string
	switch {
	case now.After(leaf.NotAfter):
		out = append(out, "certificate has expired; clients will refuse it")
	case leaf.NotAfter.Sub(now) < soon && leaf.NotAfter.Sub(leaf.NotBefore) > 2*soon:
		out = append(out, "certificate expires within a week")
	case now.Before(leaf.NotBefore):
		out = append(out, "certificate is not valid yet; clients will refuse it")
	}
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
		out = append(out, "certificate carries no DNS name and no address; clients will refuse it")
	}
	usages := leaf.ExtKeyUsage
	if len(usages) > 0 && !slices.Contains(usages, x509.ExtKeyUsageServerAuth) && !slices.Contains(usages, x509.ExtKeyUsageAny) {
		out = append(out, "certificate is not meant for servers; clients will refuse it")
	}
	return out
}

// readPEM reads a whole file of bounded size.
func readPEM(kind, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s file %q: %w", kind, path, cause(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, fmt.Errorf("read %s file %q: %w", kind, path, cause(err))
	}
	if len(data) > maxPEM {
		return nil, fmt.Errorf("%s file %q is longer than 1 MiB; it should hold PEM blocks only", kind, path)
	}
	return data, nil
}

// cause drops the path that our own message repeats.
func cause(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

func readChain(path string) ([]*x509.Certificate, error) {
	data, err := readPEM("certificate", path)
	if err != nil {
		return nil, err
	}
	return parseChain(path, data)
}

func parseChain(path string, data []byte) ([]*x509.Certificate, error) {
	var (
		chain []*x509.Certificate
		other string
	)
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			other = block.Type
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in file %q: %w", len(chain)+1, path, err)
		}
		chain = append(chain, c)
	}
	switch {
	case len(chain) > 0:
		return chain, nil
	case other != "":
		return nil, fmt.Errorf("certificate file %q holds a %s and no certificate; are certificate and key file mixed up?", path, strings.ToLower(other))
	}
	return nil, fmt.Errorf("certificate file %q holds no PEM block; write the certificate between BEGIN CERTIFICATE and END CERTIFICATE", path)
}

func readKey(path string) (crypto.Signer, error) {
	data, err := readPEM("key", path)
	if err != nil {
		return nil, err
	}
	return parseKey(path, data)
}

func parseKey(path string, data []byte) (crypto.Signer, error) {
	other := ""
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return nil, fmt.Errorf("key file %q is encrypted and nobody is there to type the passphrase; decrypt it with: openssl pkey -in ENCRYPTED -out KEY", path)
		}
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			other = block.Type
			continue
		}
		return parseKeyBlock(path, block.Bytes)
	}
	if other == "CERTIFICATE" {
		return nil, fmt.Errorf("key file %q holds a certificate and no key; are certificate and key file mixed up?", path)
	}
	return nil, fmt.Errorf("key file %q holds no PEM block of a private key", path)
}

func parseKeyBlock(path string, der []byte) (crypto.Signer, error) {
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k, nil
	}
	if k, err := x509.ParseECPrivateKey(der); err == nil {
		return k, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("key in file %q is neither PKCS #8, PKCS #1 nor SEC 1: %w", path, err)
	}
	signer, ok := k.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key in file %q cannot sign; use RSA, ECDSA or Ed25519", path)
	}
	return signer, nil
}

// warnOfReaders warns of a key file that other users can read.
func warnOfReaders(path string, warn func(what, file string)) {
	if runtime.GOOS == "windows" {
		return
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o007 != 0 {
		warn("key file can be read by every user; chmod 600 it", path)
	}
}
