package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/token"
)

// issuer reads the issuer section. One that is not enabled is checked too: it
// must be sound when it is switched on.
func (b *builder) issuer() {
	b.rateLimits()
	if b.file.Issuer == nil {
		return
	}
	f, out := b.file.Issuer, &b.out.Issuer
	out.Enabled, out.DPoPNonce = f.Enabled, f.DPoPNonce
	out.Algorithm, out.Binding, out.SameSite = or(f.Algorithm, "ES256"), or(f.Binding, "fingerprint"), "strict"
	if f.Cookies != nil {
		out.SameSite, out.AccessCookie = or(f.Cookies.SameSite, "strict"), f.Cookies.AccessCookie
	}
	if f.DPoPNonce && out.Binding != "dpop" {
		b.wrong("issuer.dpop_nonce", "dpop_nonce works with DPoP only", "write binding: dpop, or remove dpop_nonce")
	}
	if f.Login != nil && f.Login.VerifyURL != "" {
		b.secureURL("issuer.login.verify_url", f.Login.VerifyURL)
		out.VerifyURL = f.Login.VerifyURL
	}
	if f.KeyEncryptionFile != "" {
		b.keyEncryption(f.KeyEncryptionFile)
	}
	b.issuerName(f)
	b.issuerTimes(f)
	b.clients(f.Clients)
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// issuerName settles url and audience.
func (b *builder) issuerName(f *IssuerFile) {
	out := &b.out.Issuer
	out.URL, out.Audience = f.URL, f.Audience
	if f.Audience == "" {
		b.bad["issuer.audience"] = true // follows from url, if that is good
	}
	if f.URL == "" {
		if !f.Enabled {
			return
		}
		if b.out.TLS.Dev == nil || b.written("hosts") {
			b.wrong("issuer.url", "the issuer has no url, which would be the iss of its tokens", "write url: and the https origin that clients see")
			return
		}
		_, port, _ := splitAddr(b.out.Listen)
		out.URL = "https://localhost"
		if port != 443 && port != 0 {
			out.URL += fmt.Sprintf(":%d", port)
		}
	}
	u := b.parseURL("issuer.url", out.URL)
	if u == nil {
		return
	}
	out.Audience = or(f.Audience, u.Hostname())
	if what, instead := originMistake(u, out.URL); what != "" {
		b.wrong("issuer.url", "url "+what, instead)
		return
	}
	if u.Scheme != "https" {
		b.wrong("issuer.url", "the issuer is not https, so that passwords and tokens would go in plain text", "write https://")
		return
	}
	b.reachable(u)
}

// reachable demands that the issuer's host is one that the guard lets pass.
func (b *builder) reachable(u *url.URL) {
	if len(b.out.Guard.Hosts) == 0 || b.badUnder("hosts") {
		return // told already
	}
	withPort := u.Host
	if u.Port() == "" {
		withPort = net.JoinHostPort(u.Hostname(), "443")
	}
	bare := withoutPort(u.Host)
	if !slices.Contains(b.out.Guard.Hosts, bare) && !slices.Contains(b.out.Guard.Hosts, withPort) {
		b.wrong("issuer.url", fmt.Sprintf("the host of url, %s, is not among hosts, so that nobody could log in", quoted(bare)), "add it to hosts")
	}
}

// badUnder tells whether anything at or under a path is wrong.
func (b *builder) badUnder(path string) bool {
	for p := range b.bad {
		if below(p, path) {
			return true
		}
	}
	return slices.ContainsFunc(b.problems, func(p Problem) bool { return below(p.Path, path) })
}

func (b *builder) issuerTimes(f *IssuerFile) {
	out := &b.out.Issuer
	for _, t := range []struct {
		key      string
		written  *Duration
		into     *time.Duration
		fallback time.Duration
	}{
		{"access_ttl", f.AccessTTL, &out.AccessTTL, 5 * time.Minute},
		{"refresh_ttl", f.RefreshTTL, &out.RefreshTTL, 24 * time.Hour},
		{"refresh_grace", f.RefreshGrace, &out.RefreshGrace, 10 * time.Second},
		{"rotate_keys", f.RotateKeys, &out.RotateKeys, 720 * time.Hour},
	} {
		*t.into = t.fallback
		if t.written != nil {
			*t.into = time.Duration(*t.written)
		}
		if *t.into < time.Second && t.key != "refresh_grace" {
			b.wrong("issuer."+t.key, t.key+" is under a second", fmt.Sprintf("write one like %s", short(t.fallback)))
		}
	}
	if out.RefreshTTL < out.AccessTTL {
		b.wrong("issuer.refresh_ttl", "refresh_ttl is shorter than access_ttl", "write a longer one, like 24h")
	}
	if out.RefreshGrace > time.Minute {
		b.wrong("issuer.refresh_grace", "refresh_grace is over 1m, so that a stolen refresh token could be used again", "write 10s")
	}
	if out.RotateKeys <= out.AccessTTL {
		b.wrong("issuer.rotate_keys", "rotate_keys is not longer than access_ttl, so that keys would go before their tokens", "write one like 720h")
	}
}

// short gives a duration as people write it, without zero parts.
func short(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}

// keyEncryption checks a file that may be yet to be made.
func (b *builder) keyEncryption(file string) {
	const path = "issuer.key_encryption_file"
	b.out.Issuer.KeyEncryptionFile = b.resolve(path, file)
	if _, err := os.Stat(b.out.Issuer.KeyEncryptionFile); os.IsNotExist(err) {
		return
	}
	b.read(path, file)
	b.private(path, file)
}

func (b *builder) clients(list []ClientFile) {
	seen := map[string]int{}
	for i, c := range list {
		path := index("issuer.clients", i)
		if first, twice := seen[c.ID]; twice && c.ID != "" {
			b.wrong(path+".id", fmt.Sprintf("client %s is named twice, first in %s", quoted(c.ID), index("issuer.clients", first)), "give each its own id")
		} else {
			seen[c.ID] = i
		}
		if strings.ContainsFunc(c.ID, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
			b.wrong(path+".id", fmt.Sprintf("client id %s has a space, a colon or a letter outside ASCII", quoted(c.ID)), "write letters, digits and -._~")
		}
		for j, s := range c.Scopes {
			if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
				b.wrong(index(path+".scopes", j), fmt.Sprintf("%s is no scope", quoted(s)), "write each scope as an entry of its own, without spaces (RFC 6749 §3.3)")
			}
		}
		out := Client{ID: c.ID, Scopes: c.Scopes, Grants: c.Grants, Introspect: c.Introspect}
		if out.Grants == nil {
			out.Grants = []string{"client_credentials"}
		}
		if c.SecretFile != "" {
			out.Secret = b.clientSecret(path+".secret_file", c.SecretFile)
		}
		b.out.Issuer.Clients = append(b.out.Issuer.Clients, out)
	}
}

func (b *builder) clientSecret(path, file string) []byte {
	secret := b.secret(path, file)
	switch {
	case secret == nil:
	case len(secret) == 0:
		b.wrong(path, "the secret is empty", "make one with: openssl rand -base64 32")
	case token.IsPublished(secret):
		b.wrong(path, "the secret is a published example that every attacker tries first", "make one with: openssl rand -base64 32")
	case len(secret) < 16:
		b.warn(path, fmt.Sprintf("the secret has only %d bytes", len(secret)), "make one with: openssl rand -base64 32")
	}
	return secret
}

// rateLimits settles the limits of both guard and issuer.
func (b *builder) rateLimits() {
	r := orNew(b.file.RateLimit)
	b.out.Guard.RateLimit.AuthFailures = guard.Rate{Count: 20, Per: time.Minute}
	b.out.Issuer.Login = guard.Rate{Count: 10, Per: time.Minute}
	if r.AuthFailures != nil {
		b.out.Guard.RateLimit.AuthFailures = guard.Rate(*r.AuthFailures)
	}
	if r.Login != nil {
		b.out.Issuer.Login = guard.Rate(*r.Login)
	}
}
