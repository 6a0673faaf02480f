package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// builder turns File into Config and gathers what is wrong with it. Its rules
// stand in one file for each section.
type builder struct {
	file     File
	base     string
	haveFile bool
	at       map[string]Position
	bad      map[string]bool
	problems Problems
	needed   map[string]bool // accepted risks that something asked for
	leaves   []leaf          // of the certificate files
	out      *Config
}

// all asks every section, in an order in which each finds what it needs.
func (b *builder) all(flags Flags) {
	b.zeroConfiguration(flags)
	b.addresses()
	b.tls()
	b.hosts()
	b.general()
	b.issuer()
	b.upstreams()
	b.tokens()
	b.routes()
	b.cors()
	b.authorizer()
	b.storage()
	b.ask()
}

// wrong notes a mistake, unless something is known to be wrong there already.
func (b *builder) wrong(path, what, instead string) {
	if b.known(path) || len(b.problems) > enoughProblems {
		return
	}
	b.problems = append(b.problems, Problem{
		Position: locate(b.at, path), Path: path, What: what, Instead: instead,
	})
}

// known tells whether something is known to be wrong at a path or around it.
func (b *builder) known(path string) bool {
	for {
		if b.bad[path] {
			return true
		}
		if path == "" {
			return false
		}
		path = around(path)
	}
}

func (b *builder) warn(path, what, instead string) {
	b.out.Warnings = append(b.out.Warnings, Problem{
		Position: locate(b.at, path), Path: path, What: what, Instead: instead,
	}.String())
}

// written tells whether the file or a flag has a value at path.
func (b *builder) written(path string) bool {
	_, ok := b.at[path]
	return ok || b.bad[path]
}

// accepted tells whether accept_risk names the check, and remembers that it
// was needed.
func (b *builder) accepted(id string) bool {
	b.needed[id] = true
	return slices.Contains(b.file.AcceptRisk, id)
}

// risk is wrong, unless the check is among the accepted risks.
func (b *builder) risk(path, id, what, instead string) {
	if b.accepted(id) {
		return
	}
	b.wrong(path, what, fmt.Sprintf("%s, or accept the risk with accept_risk: [%s]", instead, id))
}

// locate finds the position of a path, or of what is nearest around it.
func locate(at map[string]Position, path string) Position {
	for {
		if p, ok := at[path]; ok || path == "" {
			return p
		}
		path = around(path)
	}
}

// around cuts the last key or index off a path.
func around(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// index extends a path by the number of an entry.
func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

var (
	errDirectory  = errors.New("it is a directory")
	errNotRegular = errors.New("it is no regular file")
)

// reason gives the cause of a file's error without the name, which may be a
// secret that was written in the place of a file name.
func reason(err error) string {
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case errors.As(err, &pe):
		return pe.Err.Error()
	}
	return err.Error()
}

// maxMaterial bounds a referenced file.
const maxMaterial = 1 << 20

// resolve gives the file's name as it is to be opened: what the configuration
// file names starts at that file, what a flag names at the working directory.
func (b *builder) resolve(path, file string) string {
	if filepath.IsAbs(file) || locate(b.at, path).Flag != "" {
		return file
	}
	return filepath.Join(b.base, file)
}

// read loads a referenced file and watches it. It tells what is wrong and gives
// nil if it cannot.
func (b *builder) read(path, file string) []byte {
	full := b.resolve(path, file)
	b.out.watch(full)
	data, err := readRegular(full, maxMaterial+1)
	switch {
	case err != nil && name(path) == "secret_file":
		b.wrong(path, "the file of the secret cannot be read: "+reason(err), "write the name of a readable file that holds the secret, not the secret")
		return nil
	case err != nil:
		b.wrong(path, fmt.Sprintf("file %s cannot be read: %s", quoted(file), reason(err)), "write the name of a readable file")
		return nil
	case len(data) > maxMaterial:
		b.wrong(path, fmt.Sprintf("file %s has more than %d bytes", quoted(file), maxMaterial), "write the name of the right file")
		return nil
	case len(bytes.TrimSpace(data)) == 0:
		b.wrong(path, fmt.Sprintf("the file of %s is empty", name(path)), "fill it, or name another one")
		return nil
	}
	return data
}

// pool loads CA certificates. Every block must be a certificate: one that is
// passed over would be missed only when a connection fails.
func (b *builder) pool(path, file string) *x509.CertPool {
	rest := b.read(path, file)
	if rest == nil {
		return nil
	}
	pool, count := x509.NewCertPool(), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			b.wrong(path, fmt.Sprintf("file %s has a PEM block that is no certificate", quoted(file)), "put only CA certificates in it")
			return nil
		}
		pool.AddCert(cert)
		count++
	}
	if count == 0 || bytes.Contains(rest, []byte("-----BEGIN")) {
		b.wrong(path, fmt.Sprintf("file %s has no readable PEM certificate", quoted(file)), "name a file with CA certificates in PEM form")
		return nil
	}
	return pool
}

// pair loads a certificate with its key from the keys cert and key under path.
func (b *builder) pair(path, certFile, keyFile string) *tls.Certificate {
	certPEM, keyPEM := b.read(path+".cert", certFile), b.read(path+".key", keyFile)
	if certPEM == nil || keyPEM == nil {
		return nil
	}
	b.private(path+".key", keyFile)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		at := path + ".key"
		if block, _ := pem.Decode(certPEM); block == nil || block.Type != "CERTIFICATE" {
			at = path + ".cert"
		}
		b.wrong(at, "certificate and key cannot be used: "+strings.TrimPrefix(err.Error(), "tls: "), "name a PEM certificate, leaf first, and its unencrypted PEM key")
		return nil
	}
	return &pair
}

// secret loads a shared secret: the bytes less one final newline, or what
// follows base64: in any of its four alphabets.
func (b *builder) secret(path, file string) []byte {
	data := b.read(path, file)
	if data == nil {
		return nil
	}
	b.private(path, file)
	if cut, ok := bytes.CutSuffix(data, []byte("\n")); ok {
		data = bytes.TrimSuffix(cut, []byte("\r"))
	}
	encoded, ok := bytes.CutPrefix(data, []byte("base64:"))
	if !ok {
		return data
	}
	if bytes.ContainsAny(encoded, "\r\n") { // which the decoder would skip
		encoded = nil
	}
	for _, enc := range []*base64.Encoding{
		base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding,
	} {
		if raw, err := enc.Strict().DecodeString(string(encoded)); err == nil && len(raw) > 0 {
			return raw
		}
	}
	b.wrong(path, "the secret begins with base64: but what follows is not base64", "write base64: and the encoded bytes on one line")
	return nil
}

// private warns of a secret that every user of the machine can read.
func (b *builder) private(path, file string) {
	if info, err := os.Stat(b.resolve(path, file)); err == nil && info.Mode().Perm()&0o004 != 0 {
		b.warn(path, fmt.Sprintf("every user of this machine can read the file of %s", name(path)), "chmod 600 it")
	}
}
