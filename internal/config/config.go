// Package config turns one strict YAML file and the command line's flags into
// the Config structs of the products, and tells every mistake at once with its
// position. Nothing else reads the file.
//
// What the file leaves out is at its strictest. What would weaken protection is
// refused unless accept_risk names it. A referenced file that cannot be read is
// a mistake: nothing starts open because a key or a CA was missing.
package config

import (
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/serve"
)

// Config is everything that a file and flags ask for, checked, with the
// material of all referenced files loaded.
type Config struct {
	// Guard lacks only what cannot be written in a file: Store, Logger,
	// Metrics, Now, Local, and the tokens of the embedded issuer.
	Guard guard.Config
	// TLS is for serve.NewCertificates; its files and directories are ready to
	// be opened.
	TLS serve.TLS

	// Listen, Plaintext and Admin are addresses for net.Listen. Empty: no such
	// listener (Listen is never empty).
	Listen, Plaintext, Admin string
	// AdminHosts are the names besides loopback under which the console answers.
	AdminHosts []string

	Issuer     Issuer
	Authorizer Authorizer
	// Store is a URL for store.Open. It may hold a password.
	Store string
	Log   Log

	// ZeroConfiguration says that an upstream was all that was given.
	ZeroConfiguration bool
	// Warnings are what an operator should know, each with its position.
	Warnings []string

	watched []string
	at      map[string]Position
}

// Issuer is the embedded issuer. All durations and names are set if Enabled.
type Issuer struct {
	Enabled bool
	// URL is the iss, an origin; Audience the aud.
	URL, Audience string
	// Algorithm is ES256, EdDSA or RS256.
	Algorithm string
	AccessTTL, RefreshTTL,
	RefreshGrace, RotateKeys time.Duration
	// KeyEncryptionFile may not exist yet. Empty: the issuer's default.
	KeyEncryptionFile string
	// Binding is none, fingerprint or dpop.
	Binding   string
	DPoPNonce bool
	// SameSite is strict or lax.
	SameSite     string
	AccessCookie bool
	// VerifyURL confirms passwords. Empty: the issuer's own users.
	VerifyURL string
	// Login bounds failures by address and by user.
	Login   guard.Rate
	Clients []Client
}

// Client is a machine that gets tokens for itself.
type Client struct {
	ID             string
	Secret         []byte
	Scopes, Grants []string
	Introspect     bool
}

// Authorizer is where other proxies ask for decisions. Empty addresses: nowhere.
type Authorizer struct {
	HTTP, GRPC   string
	TrustedPeers []netip.Prefix
}

// Log is the form of the log: format json or text; level debug, info, warn or
// error.
type Log struct{ Format, Level string }

// Load reads the file at path, if path is not empty, and applies the flags. The
// error is Problems.
func Load(path string, flags Flags) (*Config, error) {
	if path == "" {
		return build("", nil, "", flags, false)
	}
	data, err := readRegular(path, maxFile+1)
	if err != nil {
		return nil, Problems{{
			Position: Position{File: path}, What: "cannot be read: " + reason(err),
			Instead: "name an existing file with -c",
		}}
	}
	c, err := build(path, data, filepath.Dir(path), flags, true)
	if err != nil {
		return nil, err
	}
	c.watch(path)
	return c, nil
}

// Parse is Load for text that was read already. Relative file names in it start
// at baseDir; those in flags at the working directory. The name is for
// messages. The error is Problems.
func Parse(name string, data []byte, baseDir string, flags Flags) (*Config, error) {
	return build(name, data, baseDir, flags, true)
}

// Watched lists every file whose change must reload the configuration, as
// absolute paths in their order.
func (c *Config) Watched() []string { return slices.Clone(c.watched) }

// Locate says where the value at a path, as tokens.issuers[0].audiences, was
// written; for one that was not, where the nearest thing around it was.
func (c *Config) Locate(path string) Position { return locate(c.at, path) }

func (c *Config) watch(path string) {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if i, found := slices.BinarySearch(c.watched, path); !found {
		c.watched = slices.Insert(c.watched, i, path)
	}
}

func build(fileName string, data []byte, baseDir string, flags Flags, haveFile bool) (*Config, error) {
	b := &builder{
		base: baseDir, haveFile: haveFile,
		at: map[string]Position{}, bad: map[string]bool{}, needed: map[string]bool{},
		out: &Config{},
	}
	if haveFile {
		b.at[""] = Position{File: fileName, Line: 1, Column: 1}
		root, p := readDocument(fileName, data)
		if p != nil {
			return nil, Problems{*p}
		}
		if root != nil {
			d := &decoder{file: fileName, at: b.at, bad: b.bad}
			d.decode(root, reflect.ValueOf(&b.file).Elem(), "", fieldRule{}, 0)
			b.problems = d.problems
		}
	} else {
		b.at[""] = Position{Flag: "command line"}
	}
	if !b.bad[""] { // else nothing of the file is known
		b.apply(flags)
		b.all(flags)
	}
	if len(b.problems) > 0 {
		return nil, b.problems.ordered()
	}
	b.out.at = b.at
	return b.out, nil
}

// readRegular reads a regular file of fewer than limit bytes. A pipe or device
// could block or never end.
func readRegular(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errDirectory
	case !info.Mode().IsRegular():
		return nil, errNotRegular
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, err
	}
	return data, nil
}
