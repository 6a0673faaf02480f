package config

import (
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/serve"
)

// dataDir is where what the program itself makes is kept, in the working
// directory.
const dataDir = "wiretight-data"

type leaf = *x509.Certificate

// tls reads the tls section. The names of certificate files become the hosts,
// unless the file has its own.
func (b *builder) tls() {
	t := orNew(b.file.TLS)
	out := &b.out.TLS
	b.certificateSource(t)
	for i, c := range t.Certificates {
		b.certificate(index("tls.certificates", i), c)
	}
	if t.ACME != nil {
		b.acme(t.ACME)
	}
	if t.Dev {
		out.Dev = &serve.Dev{Dir: dataDir}
	}
	out.MinVersion = t.MinVersion
	switch t.MinVersion {
	case "":
		out.MinVersion = "1.2"
	case "1.2", "1.3":
	case "1.0", "1.1", "SSLv3", "TLS1.0", "TLS1.1", "TLSv1.0", "TLSv1.1":
		b.wrong("tls.min_version", fmt.Sprintf("min_version %s is broken and never spoken", quoted(t.MinVersion)), "write \"1.2\" or \"1.3\"")
	default:
		b.wrong("tls.min_version", fmt.Sprintf("min_version cannot be %s", quoted(t.MinVersion)), "write \"1.2\" or \"1.3\"")
	}
	if t.ClientCA != "" {
		b.pool("tls.client_ca", t.ClientCA)
		out.ClientCA = b.resolve("tls.client_ca", t.ClientCA)
	} else if t.RequireClientCert && !b.written("tls.client_ca") {
		b.wrong("tls.require_client_cert", "client certificates are required, but nothing verifies them", "add client_ca: FILE")
	}
	out.RequireClientCert = t.RequireClientCert
	b.hsts(t.HSTS)
}

// certificateSource demands exactly one of the three.
func (b *builder) certificateSource(t *TLSFile) {
	var given []string
	if b.written("tls.certificates") {
		given = append(given, "certificates")
	}
	if b.written("tls.acme") && (t.ACME != nil || b.bad["tls.acme"]) {
		given = append(given, "acme")
	}
	if t.Dev || b.bad["tls.dev"] {
		given = append(given, "dev")
	}
	switch {
	case b.bad["tls"] || b.bad["tls.certificates"]:
	case len(given) == 0 && b.haveFile:
		b.wrong("tls", "nothing says where the certificate comes from", "write tls: {certificates: [{cert: FILE, key: FILE}]}, tls: {acme: {email: ADDRESS}} or, for development, tls: {dev: true}")
	case len(given) == 0:
		b.wrong("tls", "nothing says where the certificate comes from", "add --cert FILE --key FILE or, for development, --dev-cert")
	case len(given) > 1:
		b.wrong("tls."+given[1], fmt.Sprintf("tls has %s; a certificate comes from one place", strings.Join(given, " and ")), "keep one of them")
	}
}

func (b *builder) certificate(path string, c CertificateFile) {
	if c.Cert == "" || c.Key == "" {
		return // told already
	}
	b.out.TLS.Certificates = append(b.out.TLS.Certificates, serve.CertFile{
		Cert: b.resolve(path+".cert", c.Cert), Key: b.resolve(path+".key", c.Key),
	})
	pair := b.pair(path, c.Cert, c.Key)
	if pair == nil {
		b.bad["hosts"] = b.bad["hosts"] || !b.written("hosts") // they would have come from here
		return
	}
	b.leaves = append(b.leaves, pair.Leaf)
	if b.written("hosts") {
		return
	}
	hosts := &b.out.Guard.Hosts
	for _, name := range pair.Leaf.DNSNames {
		if _, err := checkHost(name); err == nil && !slices.Contains(*hosts, strings.ToLower(name)) {
			*hosts = append(*hosts, strings.ToLower(name))
		}
	}
	for _, ip := range pair.Leaf.IPAddresses {
		name := ip.String()
		if ip.To4() == nil {
			name = "[" + name + "]"
		}
		if !slices.Contains(*hosts, name) {
			*hosts = append(*hosts, name)
		}
	}
}

func (b *builder) acme(a *ACMEFile) {
	if local, domain, ok := strings.Cut(a.Email, "@"); a.Email != "" && (!ok || local == "" || domain == "" || strings.ContainsAny(a.Email, " ,<>")) {
		b.wrong("tls.acme.email", fmt.Sprintf("%s is no mail address", quoted(a.Email)), "write one like admin@example.com")
	}
	if a.Directory != "" {
		b.secureURL("tls.acme.directory", a.Directory)
	}
	b.out.TLS.ACME = &serve.ACME{
		Email: a.Email, Directory: a.Directory,
		Storage: filepath.Join(dataDir, "acme"),
	}
}

const year = 365 * 24 * time.Hour

func (b *builder) hsts(h *HSTSFile) {
	h = orNew(h)
	out := &b.out.Guard.HSTS
	out.MaxAge, out.IncludeSubdomains, out.Preload = year, h.IncludeSubdomains, h.Preload
	if h.MaxAge != nil {
		out.MaxAge = time.Duration(*h.MaxAge)
		switch {
		case out.MaxAge < time.Second:
			b.wrong("tls.hsts.max_age", "max_age of 0 would turn HSTS off", "write max_age: 8760h, or remove the key")
		case out.MaxAge < 180*24*time.Hour:
			b.warn("tls.hsts.max_age", "max_age is under 180 days", "write max_age: 8760h once HTTPS is known to work")
		}
	}
	if h.Preload && (!h.IncludeSubdomains || out.MaxAge < year) {
		b.wrong("tls.hsts.preload", "the preload list takes only include_subdomains: true and a max_age of a year", "write both, or preload: false")
	}
}
