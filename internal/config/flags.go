package config

import (
	"encoding"
	"errors"
	"slices"
	"strings"
)

// Flags are the command line's values. Each overrides the same key of the file;
// an empty one was not given. With several upstreams or issuers in the file,
// those of the first are overridden.
type Flags struct {
	Listen, Plaintext, Admin string
	Hosts                    []string
	Cert, Key                string
	DevCert                  bool
	Upstream, UpstreamCA     string
	// JWKS is a URL if it has a scheme, else a file.
	JWKS, Issuer          string
	Audiences, Algorithms []string
	// Public are paths that need no token.
	Public          []string
	Store           string
	Mode, LogFormat string
}

// onlyUpstream tells that nothing was given that says whose tokens are good or
// which names are served: the zero configuration.
func (f Flags) onlyUpstream() bool {
	return f.Upstream != "" && f.Cert == "" && f.Key == "" && !f.DevCert && len(f.Hosts) == 0 &&
		f.JWKS == "" && f.Issuer == "" && len(f.Audiences) == 0 && len(f.Algorithms) == 0
}

// override notes that a flag wrote the value at a path, and forgets what the
// file had below it.
func (b *builder) override(flag, path string) {
	b.forget(path)
	b.at[path] = Position{Flag: flag}
}

// forget drops what the file had at a path and below.
func (b *builder) forget(path string) {
	for p := range b.at {
		if below(p, path) {
			delete(b.at, p)
		}
	}
	for p := range b.bad {
		if below(p, path) {
			delete(b.bad, p)
		}
	}
}

// parent notes that a flag made the thing around its value, if the file has none.
func (b *builder) parent(flag, path string) {
	if _, ok := b.at[path]; !ok {
		b.at[path] = Position{Flag: flag}
	}
}

// below tells whether path is at or under root.
func below(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func (b *builder) apply(f Flags) {
	b.textFlag("--listen", "listen", f.Listen, &b.file.Listen)
	b.textFlag("--plaintext", "plaintext", f.Plaintext, &b.file.Plaintext)
	b.textFlag("--admin", "admin", f.Admin, &b.file.Admin)
	b.listFlag("--host", "hosts", f.Hosts, &b.file.Hosts)
	b.plainFlag("--store", "store", f.Store, &b.file.Store)
	b.plainFlag("--mode", "mode", f.Mode, &b.file.Mode)
	if f.LogFormat != "" {
		b.file.Log = orNew(b.file.Log)
		b.plainFlag("--log-format", "log.format", f.LogFormat, &b.file.Log.Format)
		if f.LogFormat != "text" && f.LogFormat != "json" {
			b.wrong("log.format", "format cannot be "+quoted(f.LogFormat), "write text or json")
		}
	}
	b.certificateFlags(f)
	b.upstreamFlags(f)
	b.issuerFlags(f)
	b.publicFlags(f)
}

func (b *builder) plainFlag(flag, path, value string, into *string) {
	if value != "" {
		b.override(flag, path)
		*into = value
	}
}

func (b *builder) listFlag(flag, path string, values []string, into *[]string) {
	if len(values) > 0 {
		b.override(flag, path)
		*into = slices.Clone(values)
	}
}

func (b *builder) textFlag(flag, path, value string, into encoding.TextUnmarshaler) {
	if value == "" {
		return
	}
	b.override(flag, path)
	b.unmarshal(path, value, into)
}

func (b *builder) unmarshal(path, value string, into encoding.TextUnmarshaler) {
	var m mistake
	if err := into.UnmarshalText([]byte(value)); errors.As(err, &m) {
		b.wrong(path, m.what, m.instead)
	} else if err != nil {
		b.wrong(path, err.Error(), "")
	}
}

func (b *builder) certificateFlags(f Flags) {
	if f.Cert == "" && f.Key == "" && !f.DevCert {
		return
	}
	b.file.TLS = orNew(b.file.TLS)
	t := b.file.TLS
	if f.DevCert {
		b.parent("--dev-cert", "tls")
		b.override("--dev-cert", "tls.dev")
		b.forget("tls.certificates")
		b.forget("tls.acme")
		t.Dev, t.ACME, t.Certificates = true, nil, nil
	}
	if f.Cert == "" && f.Key == "" {
		return
	}
	flag := "--cert"
	if f.Cert == "" {
		flag = "--key"
	}
	b.parent(flag, "tls")
	b.override(flag, "tls.certificates")
	b.forget("tls.acme")
	t.Certificates, t.ACME = nil, nil
	if f.DevCert {
		b.wrong("tls.certificates", "a certificate file and a development certificate are both given", "write either --dev-cert, or --cert and --key")
	}
	switch {
	case f.Key == "":
		b.wrong("tls.certificates", "the certificate has no key", "add --key FILE")
	case f.Cert == "":
		b.wrong("tls.certificates", "the key has no certificate", "add --cert FILE")
	default:
		b.at["tls.certificates[0].cert"] = Position{Flag: "--cert"}
		b.at["tls.certificates[0].key"] = Position{Flag: "--key"}
		t.Certificates = []CertificateFile{{Cert: f.Cert, Key: f.Key}}
		t.Dev = f.DevCert
	}
}

func (b *builder) upstreamFlags(f Flags) {
	if f.Upstream == "" && f.UpstreamCA == "" {
		return
	}
	if len(b.file.Upstreams) == 0 {
		if f.Upstream == "" {
			b.at["upstreams"] = Position{Flag: "--upstream-ca"}
			b.wrong("upstreams", "there is no upstream that this CA could verify", "add --upstream URL")
			return
		}
		b.parent("--upstream", "upstreams")
		b.parent("--upstream", "upstreams[0]")
		b.file.Upstreams = []UpstreamFile{{Name: "upstream"}}
	}
	b.plainFlag("--upstream", "upstreams[0].url", f.Upstream, &b.file.Upstreams[0].URL)
	b.plainFlag("--upstream-ca", "upstreams[0].ca", f.UpstreamCA, &b.file.Upstreams[0].CA)
}

func (b *builder) issuerFlags(f Flags) {
	var flag string
	switch {
	case f.JWKS != "":
		flag = "--jwks"
	case f.Issuer != "":
		flag = "--issuer"
	case len(f.Audiences) > 0:
		flag = "--audience"
	case len(f.Algorithms) > 0:
		flag = "--algorithm"
	default:
		return
	}
	b.file.Tokens = orNew(b.file.Tokens)
	if len(b.file.Tokens.Issuers) == 0 {
		for _, path := range []string{"tokens", "tokens.issuers", "tokens.issuers[0]"} {
			b.parent(flag, path)
		}
		b.file.Tokens.Issuers = make([]TokenIssuerFile, 1)
	}
	const path = "tokens.issuers[0]"
	is := &b.file.Tokens.Issuers[0]
	b.plainFlag("--issuer", path+".issuer", f.Issuer, &is.Issuer)
	b.listFlag("--audience", path+".audiences", f.Audiences, &is.Audiences)
	if len(f.Algorithms) > 0 {
		b.override("--algorithm", path+".algorithms")
		is.Algorithms = make([]Algorithm, len(f.Algorithms))
		for i, alg := range f.Algorithms {
			b.unmarshal(path+".algorithms", alg, &is.Algorithms[i])
		}
	}
	if f.JWKS != "" {
		b.keyFlag(path, f, is)
	}
}

// keyFlag puts --jwks in the place of whatever source of keys the file has.
func (b *builder) keyFlag(path string, f Flags, is *TokenIssuerFile) {
	for _, key := range []string{".jwks_url", ".discovery", ".jwks_file", ".secret_file"} {
		b.forget(path + key)
	}
	is.JWKSURL, is.JWKSFile, is.SecretFile, is.Discovery = "", "", "", false
	if strings.Contains(f.JWKS, "://") {
		b.plainFlag("--jwks", path+".jwks_url", f.JWKS, &is.JWKSURL)
	} else {
		b.plainFlag("--jwks", path+".jwks_file", f.JWKS, &is.JWKSFile)
		is.JWKSCA = ""
	}
}

func (b *builder) publicFlags(f Flags) {
	for _, path := range f.Public {
		i := slices.IndexFunc(b.file.Routes, func(r RouteFile) bool { return r.Path == path })
		if i < 0 {
			i = len(b.file.Routes)
			b.file.Routes = append(b.file.Routes, RouteFile{Path: path})
			b.parent("--public", "routes")
			b.override("--public", index("routes", i))
		}
		b.override("--public", index("routes", i)+".public")
		b.file.Routes[i].Public = true
	}
}

// orNew gives p, or a new zero value for nil.
func orNew[T any](p *T) *T {
	if p == nil {
		p = new(T)
	}
	return p
}
