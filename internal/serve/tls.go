package serve

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// TLS says which certificates a listener shows, and what it demands of its
// peers. Exactly one of Certificates, ACME and Dev must be set.
type TLS struct {
	// Certificates are PEM files. Peers get the one that carries the name they
	// ask for, exactly or by wildcard, else the first.
	Certificates []CertFile
	// ACME obtains and renews certificates (RFC 8555).
	ACME *ACME
	// Dev issues certificates by a CA of this machine.
	Dev *Dev
	// MinVersion is "1.2" or "1.3". Empty: "1.2", with forward secrecy and
	// authenticated encryption only.
	MinVersion string
	// ClientCA is a PEM file of the CAs that client certificates must come
	// from. Empty: no client certificate is asked for.
	ClientCA string
	// RequireClientCert refuses handshakes without a client certificate.
	RequireClientCert bool
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// CertFile is a certificate chain, leaf first, and its private key.
type CertFile struct{ Cert, Key string }

// ACME describes an account at a certificate authority.
type ACME struct {
	// Email is told to the CA. May be empty.
	Email string
	// Directory is the https URL of the CA. Empty: Let's Encrypt.
	Directory string
	// CA verifies the directory's own certificate. Nil: the system's roots.
	CA *x509.CertPool
	// Storage is the directory for account and certificates. It must be set.
	Storage string
	// Hosts are the names to get certificates for. No other name is ever
	// asked for, nor served.
	Hosts []string
}

// Dev describes the development CA.
type Dev struct {
	// Dir is where ca.pem, ca-key.pem and dev-leaf.pem are kept. It must be set.
	Dir string
	// Hosts are names and addresses besides localhost, 127.0.0.1 and ::1.
	Hosts []string
}

// Files lists the files whose change is a reason for Certificates.Reload.
func (t TLS) Files() []string {
	var files []string
	for _, c := range t.Certificates {
		files = append(files, c.Cert, c.Key)
	}
	if t.ClientCA != "" {
		files = append(files, t.ClientCA)
	}
	return files
}

// suites are those of TLS 1.2 with forward secrecy and authenticated encryption.
// TLS 1.3 has no others.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// policy is the tls.Config of t without certificates, session tickets and
// client CAs.
func (t TLS) policy() *tls.Config {
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: suites(),
		CurvePreferences: []tls.CurveID{
			tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384,
		},
		NextProtos: []string{"h2", "http/1.1"},
		Time:       t.Now,
	}
	if t.MinVersion == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
	return c
}

func (t TLS) check() error {
	var errs []error
	sources := 0
	for _, set := range []bool{len(t.Certificates) > 0, t.ACME != nil, t.Dev != nil} {
		if set {
			sources++
		}
	}
	if sources != 1 {
		errs = append(errs, fmt.Errorf("%d sources of certificates are set; write exactly one of certificates, acme and dev", sources))
	}
	if t.MinVersion != "" && t.MinVersion != "1.2" && t.MinVersion != "1.3" {
		errs = append(errs, fmt.Errorf("min_version %q is not supported; write \"1.2\" or \"1.3\"", t.MinVersion))
	}
	if t.RequireClientCert && t.ClientCA == "" {
		errs = append(errs, errors.New("require_client_cert needs client_ca, the file of the CAs to believe"))
	}
	if t.ACME != nil {
		errs = append(errs, t.ACME.check())
	}
	if t.Dev != nil {
		errs = append(errs, t.Dev.check())
	}
	return errors.Join(errs...)
}

// canonicalHost is a host of the configuration as certificates write it: lower
// case, no port, no final dot.
func canonicalHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// canonicalHosts is canonicalHost of each, without repetitions.
func canonicalHosts(hosts []string) []string {
	var out []string
	seen := make(map[string]bool)
	for _, h := range hosts {
		if h = canonicalHost(h); !seen[h] {
			seen[h] = true
			out = append(out, h)
		}
	}
	return out
}

// checkDNSName says what is wrong with a host name for a certificate.
func checkDNSName(name string) error {
	if name == "" || len(name) > 253 {
		return fmt.Errorf("host name %q is empty or longer than 253 bytes", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return fmt.Errorf("host name %q is not one; write letters, digits and hyphens between dots (other scripts as xn--)", name)
		}
	}
	return nil
}
