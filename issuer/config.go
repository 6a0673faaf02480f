package issuer

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/internal/store"
)

// Config says what an Issuer gives out and to whom. A zero field is the
// strictest setting that can work, or an error of New; it is never "off".
type Config struct {
	// URL is the iss: an https origin, without path or trailing slash.
	URL string
	// Audience is the aud.
	Audience string
	// Algorithm is ES256 (where empty), EdDSA or RS256.
	Algorithm string

	// AccessTTL is the life of an access token. Zero: 5 min.
	AccessTTL time.Duration
	// RefreshTTL is the life of a login, however often it is refreshed. Zero: 24 h.
	RefreshTTL time.Duration
	// RefreshGrace is the time in which a repeat of one refresh gets the same
	// successor. Zero: none. At most a minute.
	RefreshGrace time.Duration
	// RotateKeys is the age at which a signing key is replaced. Zero: 720 h.
	RotateKeys time.Duration

	// Binding is what tokens are bound to. Empty: BindFingerprint.
	Binding Binding
	// DPoPNonce demands a nonce of this issuer in every proof (RFC 9449 §8).
	DPoPNonce bool
	// SameSite is strict (where empty) or lax.
	SameSite string
	// AccessCookie puts access tokens of browsers into the cookie __Host-access
	// and not into the answer.
	AccessCookie bool

	// VerifyURL is where the application confirms passwords: https, or http on
	// loopback. Empty: the issuer's own users.
	VerifyURL string
	// VerifyCA verifies VerifyURL. Nil: the system's roots.
	VerifyCA *x509.CertPool
	// Login bounds wrong passwords by address and by user. Zero: 10 a minute.
	Login Rate
	// Clients are machines with a secret of their own.
	Clients []Client

	// Store keeps users, sessions and keys. Nil: in memory, for this Issuer
	// alone, gone with Close.
	Store store.Store
	// KeyEncryption is the key of 32 bytes that everything in Store hangs on,
	// see LoadKeyEncryption. Instances that share a store must share it. It may
	// be missing only where Store is nil.
	KeyEncryption []byte

	// HashCommand makes a process that runs ServeHashes on its standard input and
	// output; passwords are hashed there, at low priority, so that requests do
	// not wait for logins. Nil, or where it cannot start: in this process.
	HashCommand func() *exec.Cmd

	// Logger receives one record a login, refusal and ended session. Nil: none.
	Logger *slog.Logger
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Binding is what a token is bound to, where the client shows neither a DPoP
// proof nor a certificate; either of these is always used when it is there.
type Binding string

// The bindings. With BindDPoP whoever shows neither gets no token. A
// fingerprint is a cookie, so it binds the tokens of browsers only.
const (
	BindFingerprint Binding = "fingerprint"
	BindDPoP        Binding = "dpop"
	BindNothing     Binding = "none"
)

// Rate is a number of events in a time.
type Rate struct {
	Count int
	Per   time.Duration
}

// Client is a machine that authenticates with a secret.
type Client struct {
	ID     string
	Secret redact.Text
	// Scopes are what it may have at most.
	Scopes []string
	// Grants are those of client_credentials, password and refresh_token that
	// it may use. Nil: client_credentials.
	Grants []string
	// Introspect lets it look at, and revoke, tokens of others.
	Introspect bool
}

func (c *Client) may(grant string) bool { return slices.Contains(c.Grants, grant) }

// firstParty is the client_id of tokens that no client asked for (RFC 9068
// §2.2 wants one).
const firstParty = "wiretight"

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		at       *time.Duration
		fallback time.Duration
	}{{&c.AccessTTL, 5 * time.Minute}, {&c.RefreshTTL, 24 * time.Hour}, {&c.RotateKeys, 720 * time.Hour}} {
		if *d.at == 0 {
			*d.at = d.fallback
		}
	}
	for _, d := range []struct {
		at       *string
		fallback string
	}{{&c.Algorithm, "ES256"}, {&c.SameSite, "strict"}, {(*string)(&c.Binding), string(BindFingerprint)}} {
		if *d.at == "" {
			*d.at = d.fallback
		}
	}
	if c.Login.Count == 0 {
		c.Login = Rate{Count: 10, Per: time.Minute}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Store == nil && c.KeyEncryption == nil {
		c.KeyEncryption = NewKeyEncryption()
	}
	c.Clients = slices.Clone(c.Clients)
	for i := range c.Clients {
		if c.Clients[i].Grants == nil {
			c.Clients[i].Grants = []string{grantClient}
		}
	}
	return c
}

// check returns every mistake in c.
func (c *Config) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "https" || u.Host == "" || c.URL != "https://"+u.Host {
		wrong("url %q is not an https origin; write one like https://api.example.com", c.URL)
	}
	if c.Audience == "" {
		wrong("audience is empty; write the name of the service that the tokens are for")
	}
	if !slices.Contains([]string{"ES256", "EdDSA", "RS256"}, c.Algorithm) {
		wrong("algorithm %q is unknown; write ES256, EdDSA or RS256", c.Algorithm)
	}
	if !slices.Contains([]Binding{BindFingerprint, BindDPoP, BindNothing}, c.Binding) {
		wrong("binding %q is unknown; write fingerprint, dpop or none", c.Binding)
	}
	if c.SameSite != "strict" && c.SameSite != "lax" {
		wrong("same_site %q is unknown; write strict or lax", c.SameSite)
	}
	if c.AccessTTL < time.Second || c.RefreshTTL < c.AccessTTL {
		wrong("access_ttl %s and refresh_ttl %s do not fit; write at least 1s, and the longer one for refresh_ttl", c.AccessTTL, c.RefreshTTL)
	}
	if c.RotateKeys < c.AccessTTL {
		wrong("rotate_keys %s is shorter than access_ttl; write one like 720h", c.RotateKeys)
	}
	if c.RefreshGrace < 0 || c.RefreshGrace > time.Minute {
		wrong("refresh_grace %s is out of range; write 0s to 1m", c.RefreshGrace)
	}
	if c.Login.Count < 0 || c.Login.Per/time.Duration(max(1, c.Login.Count)) <= 0 {
		wrong("login limit is not a rate; write one like 10 in a minute")
	}
	if len(c.KeyEncryption) != keyEncryptionSize {
		wrong("key encryption key has %d bytes; give 32, as LoadKeyEncryption does", len(c.KeyEncryption))
	}
	errs = append(errs, c.checkVerifyURL(), c.checkClients())
	return errors.Join(errs...)
}

func (c *Config) checkVerifyURL() error {
	if c.VerifyURL == "" {
		return nil
	}
	u, err := url.Parse(c.VerifyURL)
	switch {
	case err != nil || u.Host == "":
		return errors.New("login.verify_url is no URL; write one like https://app.example.com/verify")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("login.verify_url would send passwords in plain text; write https, or http on loopback")
}

func (c *Config) checkClients() error {
	var errs []error
	seen := map[string]bool{firstParty: true}
	for _, cl := range c.Clients {
		switch {
		case cl.ID == "" || cl.Secret.Empty():
			errs = append(errs, fmt.Errorf("client %q has no id or no secret", cl.ID))
		case seen[cl.ID]:
			errs = append(errs, fmt.Errorf("client id %q is taken; give each client one of its own", cl.ID))
		case !validScopes(cl.Scopes):
			errs = append(errs, fmt.Errorf("client %q has a scope with a space, a quote or a control character", cl.ID))
		}
		seen[cl.ID] = true
	}
	return errors.Join(errs...)
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
