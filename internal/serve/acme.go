package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	acmez "github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// challengeProtocol is the ALPN name under which a CA looks for the answer to its
// TLS challenge (RFC 8737).
const challengeProtocol = "acme-tls/1"

// challengeAddrs are where the CA's questions arrive.
type challengeAddrs struct{ secure, plain net.Addr }

// acme gets certificates for a fixed list of hosts.
type acme struct {
	from   ACME
	hosts  []string
	logger *zap.Logger
	cache  *certmagic.Cache
	state  atomic.Pointer[account]
	// challenge answers the CA's TLS challenges, and nobody else's requests.
	challenge *tls.Config
	ctx       context.Context
	cancel    context.CancelFunc
}

// account is what certmagic must know to get certificates: who we are, and
// where the CA can ask us.
type account struct {
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
	// silent is config without a log, for handshakes that anyone may begin.
	silent *certmagic.Config
}

func (a *ACME) check() error {
	var errs []error
	if a.Storage == "" {
		errs = append(errs, errors.New("acme needs a storage directory for account and certificates"))
	}
	if len(a.Hosts) == 0 {
		errs = append(errs, errors.New("acme needs hosts to get certificates for"))
	}
	if u, err := url.Parse(a.Directory); a.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		errs = append(errs, fmt.Errorf("acme directory %q is not an https URL", a.Directory))
	}
	for _, h := range canonicalHosts(a.Hosts) {
		switch {
		case strings.HasPrefix(h, "*."):
			errs = append(errs, fmt.Errorf("acme host %q is a wildcard, which needs DNS challenges; name each host, or use certificate files", h))
		case net.ParseIP(h) != nil:
			errs = append(errs, fmt.Errorf("acme host %q is an address; write a DNS name", h))
		default:
			errs = append(errs, checkDNSName(h))
		}
	}
	return errors.Join(errs...)
}

func (a *ACME) same(b *ACME) bool {
	return a.Email == b.Email && a.Directory == b.Directory && a.CA == b.CA &&
		a.Storage == b.Storage && slices.Equal(canonicalHosts(a.Hosts), canonicalHosts(b.Hosts))
}

// acmeFor returns the one of the old generation if nothing about it has changed,
// else a new one with what its storage holds.
func (c *Certificates) acmeFor(ctx context.Context, t TLS, old *generation) (*acme, error) {
	if old != nil && old.acme != nil && old.from.ACME.same(t.ACME) {
		return old.acme, nil
	}
	a := &acme{
		from: *t.ACME, hosts: canonicalHosts(t.ACME.Hosts),
		logger: zap.New(&zapCore{logger: c.logger.With("part", "acme")}),
	}
	a.ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.state.Load().config, nil },
		Logger:           a.logger,
	})
	a.state.Store(a.account(challengeAddrs{}))
	for _, host := range a.hosts {
		if err := a.recall(host); err != nil {
			a.stop()
			return nil, err
		}
	}
	a.challenge = t.policy()
	a.challenge.NextProtos = []string{challengeProtocol}
	a.challenge.MinVersion = tls.VersionTLS12 // RFC 8737 §4 lets the CA choose
	a.challenge.SessionTicketsDisabled = true
	a.challenge.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return a.state.Load().silent.GetCertificateWithContext(hello.Context(), hello)
	}
	return a, nil
}

// account answers challenges at the given addresses, where our own listeners
// are; without a plaintext listener only by TLS.
func (a *acme) account(addrs challengeAddrs) *account {
	config := certmagic.Config{
		Storage: &certmagic.FileStorage{Path: a.from.Storage},
		Issuers: []certmagic.Issuer{},
		OCSP:    certmagic.OCSPConfig{DisableStapling: true},
		Logger:  a.logger,
	}
	acc := &account{config: certmagic.New(a.cache, config)}
	config.Logger = zap.NewNop()
	acc.silent = certmagic.New(a.cache, config)

	directory := a.from.Directory
	if directory == "" {
		directory = certmagic.LetsEncryptProductionCA
	}
	host, port := hostPort(addrs.secure)
	plainHost, plainPort := hostPort(addrs.plain)
	acc.issuer = certmagic.NewACMEIssuer(acc.config, certmagic.ACMEIssuer{
		CA: directory, TestCA: directory, Email: a.from.Email, Agreed: true,
		TrustedRoots: a.from.CA,
		ListenHost:   host, AltTLSALPNPort: port, AltHTTPPort: plainPort,
		DisableHTTPChallenge: addrs.plain == nil || plainHost != host,
		NewAccountFunc:       a.contact,
		Logger:               a.logger,
	})
	acc.config.Issuers = []certmagic.Issuer{acc.issuer}
	acc.silent.Issuers = acc.config.Issuers
	return acc
}

// contact writes the configured address into a new account, or none. Left alone,
// certmagic takes the name of its own file for an address ("default") when two
// hosts are obtained at once without one, and the CA refuses the account.
func (a *acme) contact(_ context.Context, _ *certmagic.ACMEIssuer, account acmez.Account) (acmez.Account, error) {
	account.Contact = nil
	if a.from.Email != "" {
		account.Contact = []string{"mailto:" + a.from.Email}
	}
	return account, nil
}

// manage begins to obtain and renew. It does not wait for a certificate.
func (a *acme) manage(addrs challengeAddrs) error {
	acc := a.account(addrs)
	a.state.Store(acc)
	for _, host := range a.hosts {
		for _, c := range a.cache.AllMatchingCertificates(host) {
			if c.NeedsRenewal(acc.config) {
				// Only what is loaded below is renewed at once.
				a.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: host}})
			}
		}
	}
	if err := acc.config.ManageAsync(a.ctx, a.hosts); err != nil {
		return fmt.Errorf("manage certificates by acme: %w", err)
	}
	return nil
}

func hostPort(a net.Addr) (string, int) {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return "", 0
	}
	if t.IP.IsUnspecified() {
		return "", t.Port
	}
	return t.IP.String(), t.Port
}

// recall loads a certificate that was obtained earlier, if there is one.
func (a *acme) recall(host string) error {
	ctx, cancel := context.WithTimeout(a.ctx, 10*time.Second)
	defer cancel()
	_, err := a.state.Load().config.CacheManagedCertificate(ctx, host)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("load certificate of %q from %q: %w", host, a.from.Storage, err)
	}
	return nil
}

// configFor keeps names that are not ours out of everything that follows, and
// gives challenges a config of their own, which asks for no client certificate.
func (a *acme) configFor(hello *tls.ClientHelloInfo, config *tls.Config) *tls.Config {
	name := canonicalHost(hello.ServerName)
	known := slices.Contains(a.hosts, name)
	switch {
	case known && slices.Equal(hello.SupportedProtos, []string{challengeProtocol}):
		return a.challenge
	case (known || name == "") && a.find(hello) != nil:
		return config
	}
	// A config without certificates makes the alert unrecognized_name.
	return &tls.Config{MinVersion: config.MinVersion, NextProtos: config.NextProtos}
}

// find looks for the certificate of a configured host, among several the one
// that lasts longest; a peer that names no host gets the first one's. Nil: none.
func (a *acme) find(hello *tls.ClientHelloInfo) *tls.Certificate {
	name := canonicalHost(hello.ServerName)
	if name == "" {
		name = a.hosts[0]
	}
	if !slices.Contains(a.hosts, name) {
		return nil
	}
	var best *tls.Certificate
	for _, c := range a.cache.AllMatchingCertificates(name) {
		if best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter) {
			best = &c.Certificate
		}
	}
	return best
}

func (a *acme) answer(w http.ResponseWriter, r *http.Request) bool {
	if !slices.Contains(a.hosts, canonicalHost(r.Host)) {
		return false
	}
	return a.state.Load().issuer.HandleHTTPChallenge(w, r)
}

func (a *acme) notAfter() map[string]time.Time {
	until := make(map[string]time.Time)
	for _, host := range a.hosts {
		for _, c := range a.cache.AllMatchingCertificates(host) {
			// The one that lasts longest is served.
			if t := c.Leaf.NotAfter; t.After(until[host]) {
				until[host] = t
			}
		}
	}
	return until
}

func (a *acme) stop() {
	a.cancel()
	a.cache.Stop()
}
